from __future__ import annotations


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
