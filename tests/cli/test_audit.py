from __future__ import annotations


def test_audit(hotel):
    """Who changed what and why is listed, from an instant on, with the name given by --as."""
    hotel("downtime", "schedule", "--organization", "HOTEL", "--for", "PT1H", "--reason", "why", "--as", "Ada")
    rows = hotel("audit", "--json").json
    assert list(rows[0]) == ["at", "who", "what", "object", "before", "after", "reason"]
    assert [(row["who"], row["reason"]) for row in rows][-1] == ("Ada", "why")
    assert hotel("audit", "--since", rows[-1]["at"], "--json").json == rows[-1:]
    assert hotel("audit", "--since", "2100-01-01", "--zone", "UTC", "--json").json == []
    assert hotel("audit", "--since", "2100-01-01").status == 2
    assert "downtime schedule" in hotel("audit").out
