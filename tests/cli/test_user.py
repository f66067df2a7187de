from __future__ import annotations

import pytest

FIELDS = ["name", "email", "admin", "disabled", "has_password", "organizations"]


def test_add_list_change_disable(hotel, tmp_path):
    """A user is added with a password from a file, listed without it, changed and disabled."""
    secret = tmp_path / "secret"
    secret.write_text("correct horse\nsecond line\n", encoding="utf-8")
    said = hotel("user", "add", "ada", "--organization", "HOTEL:admin", "--password-file", secret, "--json")
    assert (said.status, list(said.json)) == (0, FIELDS)
    assert (said.json["has_password"], said.json["organizations"]) == (True, {"HOTEL": "administrator"})
    assert "correct horse" not in said.out + said.err
    assert hotel("user", "change", "ada", "--admin", "--email", "a@b.example", "--json").json["admin"]
    assert not hotel("user", "change", "ada", "--no-admin", "--organization", "HOTEL:none", "--json").json["admin"]
    assert hotel("user", "disable", "ada", "--json").json["disabled"]
    assert "disabled" in hotel("user", "list").out
    assert not hotel("user", "change", "ada", "--enable", "--json").json["disabled"]
    assert hotel("user", "list", "--json").json[0]["email"] == "a@b.example"
    assert "correct horse" not in hotel("audit", "--json").out


@pytest.mark.parametrize(
    ("arguments", "status", "wanted"),
    [
        (("change", "grace", "--admin"), 2, "slacktide user add grace"),
        (("disable", "grace"), 2, "slacktide user list"),
        (("change", "ada"), 2, "slacktide user change ada --admin"),
        (("add", "ada"), 1, "slacktide user change ada"),
        (("add", "eve", "--organization", "NONE"), 2, "slacktide organization add NONE"),
        (("add", "eve", "--organization", "HOTEL:boss"), 2, "CODE:admin"),
        (("add", "eve", "--password-file", "there/is/none"), 2, "first line"),
    ],
)
def test_refusals(hotel, arguments, status, wanted):
    """Each refusal has its exit status and says what would be accepted."""
    hotel("user", "add", "ada")
    said = hotel("user", *arguments, "--json")
    assert (said.status, wanted in said.err) == (status, True), said.err
