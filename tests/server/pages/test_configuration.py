"""What is logged."""

from __future__ import annotations


def test_failures(browser, token, control, capsys):
    """A failure of ours is logged with its cause and the route; the address holds a secret and is not."""
    visitor, secret = browser(), token("calendar")
    control.execute("alter table slacktide.token rename to token_gone")
    assert visitor.get(f"/calendar/{secret}.ics").status == 500
    said = capsys.readouterr().err
    assert "Internal Server Error: calendar/<str:token>.ics" in said
    assert "UndefinedTable" in said
    assert secret not in said
    assert visitor.get("/nothing").status == 404
    assert "/nothing" not in capsys.readouterr().err
