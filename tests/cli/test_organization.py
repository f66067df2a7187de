from __future__ import annotations

from slacktide.control.organization import set_side
from slacktide.postgres.connection import connect


def test_add_show_change_list(slacktide):
    """An organization is added once, shown, changed and listed."""
    added = slacktide("organization", "add", "HOTEL", "--name", "Grand", "--json")
    assert (added.status, added.json) == (0, {"code": "HOTEL", "name": "Grand", "zone": "UTC", "sides": []})
    again = slacktide("organization", "add", "HOTEL")
    assert (again.status, "slacktide organization change HOTEL" in again.err) == (1, True)
    changed = slacktide("organization", "change", "HOTEL", "--zone", "Europe/Berlin", "--reason", "moved", "--json")
    assert changed.json["zone"] == "Europe/Berlin"
    assert slacktide("organization", "show", "HOTEL").out == "HOTEL  Grand  Europe/Berlin\n"
    listed = slacktide("organization", "list", "--json").json
    assert listed == [{"code": "HOTEL", "name": "Grand", "zone": "Europe/Berlin"}]


def test_refusals(hotel):
    """What is not there, or not understood, is wrong usage and says what would be accepted."""
    assert hotel("organization", "show", "NONE").status == 2
    assert hotel("organization", "add", "OTHER", "--zone", "Mars/Olympus").status == 2
    nothing = hotel("organization", "change", "HOTEL")
    assert (nothing.status, "--name NAME" in nothing.err) == (2, True)


TO = "https://resort.example.com/"


def test_reference_only(hotel):
    """An organization that lives elsewhere is left here for reference, with the way there, and the trail has it."""
    hotel("task", "add", "--organization", "HOTEL")
    left = hotel("organization", "reference-only", "HOTEL", "--to", TO, "--reason", "sold", "--as", "ada", "--json")
    facts = {name: left.json["sides"][0][name] for name in ("side", "state", "lives_at")}
    assert (left.status, facts) == (0, {"side": "source", "state": "reference only", "lives_at": TO})
    assert f"lives at {TO}" in hotel("organization", "show", "HOTEL").out
    status = hotel("status", "--organization", "HOTEL", "--json")
    assert (status.status, status.json["state"], status.json["lives_at"]) == (77, "reference only", TO)
    checked = hotel("check", "import", "--organization", "HOTEL", "--json")
    assert (checked.status, checked.json["code"]) == (77, "reference_only")
    trail = hotel("audit", "--json").json[-1]
    assert [trail[name] for name in ("who", "what", "object", "reason")] == [
        "ada", "side change", "organization HOTEL", "sold"]  # fmt: skip
    assert hotel("organization", "reference-only", "HOTEL", "--to", "http://new.example.com").status == 0


def test_reference_only_refused(hotel, database):
    """A place that is no link, an unknown organization, one that is on its way: refused, and nothing changes."""
    for place in ("resort.example.com", "javascript:alert(1)", "https://a b", 'https://x"', "https://hôtel.eu", ""):
        refused = hotel("organization", "reference-only", "HOTEL", "--to", place)
        assert (refused.status, "--to https://" in refused.err) == (2, True)
    assert hotel("organization", "reference-only", "NONE", "--to", TO).status == 2
    assert hotel("organization", "show", "HOTEL", "--json").json["sides"] == []
    with connect(database, name="test") as connection:
        for side in ("source", "target"):
            set_side(connection, organization="HOTEL", side=side, state="closed", who="tester", reason="a test")
    moves = hotel("organization", "reference-only", "HOTEL", "--to", TO)
    assert (moves.status, "slacktide move list" in moves.err) == (1, True)
    assert {side["state"] for side in hotel("organization", "show", "HOTEL", "--json").json["sides"]} == {"closed"}
