from __future__ import annotations


def test_doubt_and_confirm(hotel):
    """A doubt closes everything, is shown, and ends with a reason only."""
    assert hotel("schedule", "confirm", "--reason", "x").status == 1
    assert hotel("schedule", "doubt").status == 2
    said = hotel("schedule", "doubt", "--reason", "put back from the tape", "--json")
    assert (said.status, said.json["in_doubt"], said.json["why"]) == (0, True, "put back from the tape")
    check = hotel("check", "open_task", "--organization", "HOTEL", "--json")
    assert (check.status, check.json["code"]) == (77, "schedule_unknown")
    assert hotel("check", "import", "--organization", "HOTEL").status == 75
    status = hotel("status", "--json")
    assert status.status == 75
    assert "slacktide schedule confirm" in status.json["because"][0]["reason"]
    assert hotel("schedule", "confirm").status == 2
    assert hotel("schedule", "confirm", "--reason", "looked at it").status == 0
    assert hotel("check", "open_task", "--organization", "HOTEL").status == 0
    assert hotel("status").status == 0
