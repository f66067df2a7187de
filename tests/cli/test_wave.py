"""`slacktide wave`: what is refused, and what is written down."""

from __future__ import annotations

import pytest

from slacktide.control.organization import ensure_organization
from slacktide.postgres.connection import connect
from slacktide.transfer.move import create_move

HEAD = "wave,move,property,start,end"


@pytest.fixture
def moves(slacktide, database):
    """Give the command line with the moves a and b of A and B, whose databases nobody asks."""
    assert slacktide("wave", "list").status == 0
    with connect(database, name="test") as control:
        for code in "AB":
            ensure_organization(control, code=code, who="test", zone="Europe/Berlin")
            create_move(control, name=code.lower(), plan_file="", plan_text="", property=code, target_property=code,
                        source="env:NONE", target="env:NONE", spool="")  # fmt: skip
    return slacktide


def test_create_with_a_window(moves):
    """A wave with a window schedules a downtime of each property, users out, and is on the list."""
    made = moves(
        "wave", "create", "one", "--move", "a", "b", "--start", "now+PT1H", "--for", "PT2H", "--reason", "r", "--json"
    )
    assert made.status == 0, made.err
    assert made.json[0]["moves"] == ["a", "b"]
    downtimes = moves("downtime", "list", "--json").json
    assert [(each["organization"], each["users"]) for each in downtimes] == [("A", "out"), ("B", "out")]
    assert [each["id"] for each in downtimes] == made.json[0]["downtimes"]
    listed = moves("wave", "list", "--json").json
    assert [(one["name"], one["moves"], one["open"]) for one in listed] == [("one", 2, 0)]
    assert moves("audit", "--json").json[-1]["what"] == "wave create"


def test_waiving_needs_a_reason(moves):
    """Nobody waives a check for a wave without a reason."""
    moves("wave", "create", "one", "--move", "a")
    refused = moves("wave", "start", "one", "--waive", "partners=Ada Night")
    assert (refused.status, "--reason TEXT" in refused.err) == (2, True)


def test_show(moves):
    """The board has a line for each move, and the command that begins."""
    moves("wave", "create", "one", "--move", "a", "b")
    shown = moves("wave", "show", "one")
    assert "wave one: 2 not started" in shown.out
    assert shown.out.count("slacktide wave start one") == 2


def test_nothing_of_a_refused_one(moves):
    """A name twice, a move in two waves, an unknown move, no move: each is refused, and nothing is written down."""
    moves("wave", "create", "one", "--move", "a")
    assert "wave create one-2 --move a" in moves("wave", "create", "one", "--move", "a").err
    assert "slacktide wave show one" in moves("wave", "create", "two", "--move", "b", "a").err
    assert "slacktide move list" in moves("wave", "create", "two", "--move", "b", "c").err
    assert "slacktide wave create two --move" in moves("wave", "create", "two").err
    assert [one["name"] for one in moves("wave", "list", "--json").json] == ["one"]
    assert moves("wave", "show", "two").status == 2


def test_import(moves, tmp_path):
    """A file makes waves, each move with its own window in its property's zone."""
    file = tmp_path / "waves.csv"
    file.write_text(f"{HEAD}\none,a,A,2036-03-01T22:00,2036-03-02T02:00\ntwo,b,,,\n")
    made = moves("wave", "import", file, "--reason", "r", "--json")
    assert made.status == 0, made.err
    assert [(one["name"], one["moves"], len(one["downtimes"])) for one in made.json] == [
        ("one", ["a"], 1),
        ("two", ["b"], 0),
    ]
    assert moves("downtime", "list", "--json").json[0]["start"] == "2036-03-01T21:00:00Z"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wave,move\none,a\n", "it lacks property, start, end"),
        (f"{HEAD}\n", "it has no line"),
        (f"{HEAD}\none,a,A,,\none,b,A,,\n", "of A, but it is of B"),
        (f"{HEAD}\none,a,A,2036-03-01T22:00,\n", "line 2 is not whole"),
    ],
)
def test_a_bad_file(moves, tmp_path, text, said):
    """A file that is not whole, or names another property, is refused with the line, and nothing is saved."""
    file = tmp_path / "waves.csv"
    file.write_text(text)
    answer = moves("wave", "import", file)
    assert answer.status != 0
    assert said in " ".join(answer.err.split())
    assert moves("wave", "list", "--json").json == []


def test_stop(moves):
    """Stopping says how to go on, and is in the trail."""
    moves("wave", "create", "one", "--move", "a")
    assert "slacktide wave start one" in moves("wave", "stop", "one", "--reason", "not tonight").out
    assert moves("audit", "--json").json[-1]["what"] == "wave stop"
