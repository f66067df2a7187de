from __future__ import annotations

import pytest

FIELDS = ["id", "parameter", "title", "level", "organization", "user", "value", "start", "end", "latched", "in_effect",
          "rrule", "reason"]  # fmt: skip
OWN = ("--organization", "HOTEL")


def test_add_list_change_delete(hotel):
    """A setting is added, listed, changed in one act, and deleted before it begins."""
    when = ("--start", "2030-01-01", "--end", "2030-01-01")
    said = hotel("setting", "add", "disable_user_access", "N", *OWN, *when, "--reason", "a test", "--json")
    assert (said.status, list(said.json)) == (0, [*FIELDS, "warnings"])
    assert (said.json["start"], said.json["end"]) == ("2029-12-31T23:00:00Z", "2030-01-01T23:00:00Z")
    key = said.json["id"]
    assert hotel("setting", "list", "--json").json[0]["id"] == key
    assert "disable_user_access" in hotel("setting", "list", *OWN).out
    assert "2030-01-01T00:00:00+01:00  2030-01-02T00:00:00+01:00  Europe/Berlin" in hotel("setting", "list").out
    changed = hotel("setting", "change", key, "Y", "--start", "2030-02-01", "--end", "none", "--json").json
    assert (changed["value"], changed["start"], changed["end"]) == ("Y", "2030-01-31T23:00:00Z", None)
    assert "from 2030-02-01T00:00:00+01:00 without an end (Europe/Berlin)" in hotel("setting", "delete", key).out
    assert hotel("setting", "list", "--json").json == []
    trail = [(row["what"], row["reason"]) for row in hotel("audit", "--json").json][-3:]
    assert trail == [("setting add", "a test"), ("setting change", ""), ("setting delete", "")]


def test_latched(hotel):
    """N on a downtime without an end is warned about on standard error and in the document."""
    key = hotel("setting", "add", "organization_scheduled_downtime", *OWN, "Y", "--json").json["id"]
    said = hotel("setting", "change", key, "N", "--json")
    assert (said.status, said.json["in_effect"]) == (0, True)
    assert f"slacktide downtime end {key}" in said.err
    assert f"slacktide downtime end {key}" in said.json["warnings"][0]
    assert hotel("setting", "delete", key).status == 1


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        (("add", "disable_user_access", "N"), 2, "--site or --organization CODE"),
        (("add", "disable_user_access", "N", "--user", "ada"), 1, "site or organization"),
        (("add", "email_notification_security", "low", "--user", "ada"), 2, "slacktide user add ada"),
        (("add", "disable_user_access", "maybe", "--site"), 1, "Y or N"),
        (("add", "no_such", "Y", "--site"), 2, "disable_user_access"),
        (("add", "hold_recheck_interval", "PT2H", "--site"), 1, "from PT10S to PT1H"),
        (("add", "disable_user_access", "N", "--organization", "NONE"), 2, "slacktide organization add NONE"),
        (("add", "disable_user_access", "N", "--site", "--start", "2030-01-01"), 2, "--zone"),
        (("change", "7", "N"), 2, "slacktide setting list"),
        (("delete", "7"), 2, "slacktide setting list"),
    ],
)
def test_refusals(hotel, arguments, status, wanted):
    """Each refusal has its exit status and says what would be accepted."""
    said = hotel("setting", *arguments, "--json")
    assert (said.status, wanted in said.err) == (status, True), said.err
    assert said.json["message"] in said.err
