"""`move show` and `move reprocess`, on a small move that has arrived and is stopped."""

from __future__ import annotations

import pytest

from slacktide.cli import run
from tests.cutover.house import a_move
from tests.cutover.moving import NAME

FIRST_TRACES = "select trace_id from hotel.trace where property_code = 'RESORT' order by 1 limit 2"
TARGET_KEY = "select target_key::bigint from slacktide.key_map where name = 'trace' and source_key = %s"
ASIDE = "update slacktide.key_map set target_key = '9999' || target_key where name = 'trace'"
GIVEN = "update slacktide.key_map set target_key = %s where name = 'trace' and source_key = %s"
MESSAGE = """
insert into slacktide.message (move_id, entity, key, batch, state, reason)
select move_id, 'trace', %s, 1, %s, 'for the test' from slacktide.move returning message_id
"""
NEW_TRACE = """
insert into hotel.trace (trace_id, property_code, reservation_id, department, due_on, body)
select %s, property_code, reservation_id, department, due_on, 'not arrived' from hotel.trace
where property_code = 'RESORT' limit 1
"""


@pytest.fixture(scope="module")
def moving(server):
    """Give a small move that is steady and stopped."""
    with a_move(server, name="showing", bookings=20) as moving:
        moving.create()
        moving.worker()
        moving.run("move", "processes", "start", NAME)
        moving.until_steady()
        moving.run("move", "processes", "stop", NAME)
        yield moving


def as_text(moving, monkeypatch, capsys, *arguments):
    """Give what a command says to a person."""
    for name, value in moving.environment.items():
        monkeypatch.setenv(name, value)
    assert run(["move", *arguments]) == 0
    return capsys.readouterr().out


# -- show --------------------------------------------------------------------------------------------------------------


def test_old_and_new_key(moving):
    """An object is shown with its rows of both sides, by its old key and by its new one."""
    old = moving.ask("source", FIRST_TRACES)[0][0]
    new = moving.ask("target", TARGET_KEY, str(old))[0][0]
    by_old = moving.run("move", "show", NAME, "trace", str(old)).json
    assert (by_old["source_key"], by_old["target_key"]) == (str(old), str(new))
    assert by_old["source"]["trace"][0]["body"] == by_old["target"]["trace"][0]["body"]
    assert by_old == moving.run("move", "show", NAME, "trace", str(new)).json or by_old["also"]


def test_a_key_that_has_not_arrived(moving):
    """An object of the source that has not arrived comes before another one whose target key is the same."""
    other = str(moving.ask("source", FIRST_TRACES)[1][0])
    moving.ask("source", NEW_TRACE, 5000)
    moving.ask("target", GIVEN, "5000", other)
    found = moving.run("move", "show", NAME, "trace", "5000").json
    assert (found["source_key"], found["target_key"]) == ("5000", None)
    assert found["source"]["trace"][0]["body"] == "not arrived"
    assert (found["also"]["source_key"], found["also"]["target_key"]) == (other, "5000")


def test_neither_side_knows_it(moving):
    """A key that the move does not know is refused; so is another property's."""
    city = moving.ask("source", "select max(trace_id) from hotel.trace where property_code = 'CITY'")[0][0]
    assert "Neither side" in moving.run("move", "show", NAME, "trace", "999999", accept=(2,)).err
    known = moving.ask("target", "select 1 from slacktide.key_map where name = 'trace' and target_key = %s", str(city))
    if not known:
        assert "Neither side" in moving.run("move", "show", NAME, "trace", str(city), accept=(2,)).err


def test_a_key_of_two_objects(moving, monkeypatch, capsys):
    """Where the key is one object's at the source and another one's at the target, both are shown."""
    one, other = (str(key) for (key,) in moving.ask("source", FIRST_TRACES))
    moving.ask("target", ASIDE)
    moving.ask("target", GIVEN, one, other)
    found = moving.run("move", "show", NAME, "trace", one).json
    assert (found["source_key"], found["also"]["source_key"]) == (one, other)
    assert found["target_key"].startswith("9999")
    assert found["also"]["target_key"] == one
    said = as_text(moving, monkeypatch, capsys, "show", NAME, "trace", one)
    assert f"also the target key of another trace: source key {other}" in said


# -- reprocess ---------------------------------------------------------------------------------------------------------


def test_reprocess(moving, monkeypatch, capsys):
    """Without IDs what failed or waits is read again, and how many is said; a warned one only by its ID."""
    ids = {state: moving.ask("control", MESSAGE, f"-{n}", state)[0][0]
           for n, state in enumerate(("failed", "waiting", "warning"), 1)}  # fmt: skip
    said = as_text(moving, monkeypatch, capsys, "reprocess", NAME)
    assert "2 objects are read again (1 failed, 1 waiting); 1 that was warned about is not" in said
    assert moving.run("move", "reprocess", NAME).json["enqueued"] == 2
    assert moving.run("move", "reprocess", NAME, str(ids["warning"])).json["enqueued"] == 1
