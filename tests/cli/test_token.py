from __future__ import annotations


def test_token(hotel):
    """A token is shown once, listed without what could be used, and revoked."""
    made = hotel("token", "add", "web", "--scope", "decide,schedule", "--organization", "HOTEL", "--json").json
    assert list(made) == ["name", "scopes", "organizations", "created_at", "revoked_at", "token"]
    assert (made["scopes"], made["organizations"]) == (["decide", "schedule"], ["HOTEL"])
    plain = hotel("token", "add", "all", "--scope", "api")
    assert plain.out.startswith("slacktide_")
    listed = hotel("token", "list", "--json")
    assert [row["name"] for row in listed.json] == ["all", "web"]
    assert made["token"] not in listed.out + hotel("token", "list").out + hotel("audit", "--json").out
    assert hotel("token", "revoke", "web").out == "revoked: web\n"
    assert hotel("token", "revoke", "web").status == 2
    assert hotel("token", "add", "x", "--scope", "all").status == 2
    assert hotel("token", "add", "x").status == 2


def test_gate_list(hotel):
    """Without gates the list of gates is empty."""
    assert hotel("gate", "list", "--json").json == []
    assert hotel("gate", "list").out.split() == [
        "token",
        "name",
        "version",
        "schedule",
        "offset_seconds",
        "age_seconds",
    ]
