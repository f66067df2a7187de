"""A rehearsal while the property trades, what it leaves alone, what it predicts, and the night after it. One story."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest
from psycopg.conninfo import make_conninfo

from slacktide.cutover import rehearsal, rehearsal_step, shadow
from slacktide.cutover.kind import Kind
from slacktide.cutover.step import steps_of
from slacktide.guard import closing
from slacktide.guard.state import State
from slacktide.hotel import schema
from slacktide.postgres.connection import connect
from slacktide.transfer import configuration
from slacktide.transfer.journal import LOCK_CLASS, PROCESSES
from tests.cutover import proof
from tests.cutover.holding import at_step, until_held
from tests.cutover.house import a_steady_move
from tests.cutover.moving import BUSINESS_DATE, NAME, PROPERTY, Trading, until

PARTNERS = ("door locks", "telephone system", "payment terminals", "channel manager", "accounting")
SLOTS = "select slot_name from pg_replication_slots where database = current_database()"
PUBLICATIONS = "select pubname from pg_publication"
HIDDEN = "select name from slacktide.move where rehearses is not null"
MADE = "select datname from pg_database where datname like 'slacktide_rehearsal%%'"
MOVERS = "select name from slacktide.mover_move"
EPOCH = "select state, epoch from slacktide.guard_closing where organization = 'RESORT'"
HELD = """
select process from slacktide.move_process join slacktide.move using (move_id)
where name = %s and held_until is not null
"""
STRANGERS = "select application_name from pg_stat_activity where application_name like 'slacktide ~%%'"


@pytest.fixture(scope="module")
def moving(server):
    """Give a small hotel whose move is steady, and which trades until its down time refuses it."""
    with a_steady_move(server, name="rehearse", bookings=40) as moving:
        trader = Trading(moving.source, property_code=PROPERTY, promises=moving.folder / "promises.jsonl", rate=10)
        with trader:
            yield moving


@pytest.fixture(scope="module")
def rehearsed(moving):
    """Give what a rehearsal said, with the state of the source's closing before it."""
    before = moving.ask("source", EPOCH)
    return moving.run("move", "rehearse", NAME, "--reason", "before the night"), before


def left(moving):
    """Name everything of a rehearsal that is still there."""
    found = moving.ask("control", HIDDEN) + moving.ask("control", MADE) + moving.ask("control", STRANGERS)
    found += [row for row in moving.ask("source", SLOTS) if "~" in row[0] or "__" in row[0]]
    return [*found, *Path(moving.move().spool).glob("rehearsal")]


def check(moving, *more):
    """Give the precondition of the prediction."""
    said = moving.run("move", "downtime", "check", NAME, "--business-date", BUSINESS_DATE, *more, accept=(0, 1))
    return next(line for line in said.json["checks"] if line["name"] == "prediction")


# -- a rehearsal -------------------------------------------------------------------------------------------------------


def test_every_step(moving, rehearsed):
    """It does the steps of the down time in their order, each to its end, and then clears the shadow."""
    said, _ = rehearsed
    done = [line["step"] for line in said.lines[:-1] if line["state"] == "done"]
    asked = [step.name for step in steps_of(moving.move().plan) if step.name != "ready_to_open"]
    assert done == ["shadow", "copy", *asked, "reopen", "clear"]
    assert said.json["result"] == "rehearsed"
    predicted = said.json["prediction"]
    assert [*predicted["steps"]] == asked
    assert predicted["work_seconds"] == pytest.approx(sum(predicted["steps"].values()), abs=0.01)
    assert predicted["elapsed_seconds"] >= predicted["work_seconds"] > 0
    assert predicted["target_clear_seconds"] > 0


def test_the_source_is_left_alone(moving, rehearsed):
    """Nothing at the source was closed, and nothing is left there but the move's own slot and publication."""
    _, before = rehearsed
    assert moving.ask("source", EPOCH) == before
    assert left(moving) == []
    assert moving.ask("source", PUBLICATIONS) == [(f"slacktide_{NAME}",)]
    assert len(moving.ask("source", SLOTS)) == 1
    with connect(moving.source, name="look") as source:
        assert not [one for one in closing.states(source) if one.organization.startswith("~")]


@pytest.mark.usefixtures("rehearsed")
def test_the_move_goes_on(moving):
    """The target knows nothing of it, and the move is where it was: its processes run, and are steady."""
    assert moving.ask("target", MOVERS) == [(NAME,)]
    with connect(moving.target, name="look") as target:
        assert closing.state(target, organization=PROPERTY).state is State.PREPARED
    moving.until_steady()
    found = moving.status()
    assert found["task"] == 5
    assert [move["name"] for move in moving.run("move", "list").json] == [NAME]
    assert "down_time" not in found
    assert "move rehearsed" in [line["what"] for line in moving.run("audit").json]


@pytest.mark.usefixtures("rehearsed")
def test_the_processes_stood_still(moving):
    """While the steps are done the move's own processes are held; that ends by itself, as it must after a kill."""
    assert {*PROCESSES} <= {process for (process,) in moving.ask("control", HELD, NAME)}
    hold = "update slacktide.move_process set held_until = clock_timestamp() + interval '{}'"
    moving.ask("control", hold.format("1 hour"))
    waits = "the steps of a rehearsal"

    def still():  # who waits for another one to answer gives up after half a minute, and then stands still too
        return {process["waits_for"] for process in moving.status()["processes"].values()} == {waits}

    until(still, seconds=120, what="standing still")
    moving.ask("control", hold.format("1 s"))
    until(lambda: waits not in {moving.status()["processes"][p]["waits_for"] for p in PROCESSES}, what="going on")
    moving.until_steady()


def test_unknown_steps_are_left_out(moving):
    """A step that the down time has and a rehearsal does not know is not done, so that none can write at the source."""
    known = {step.name for step in steps_of(moving.move().plan)}
    hidden = rehearsal_step.steps_for(_hidden(moving.move()))
    acting = {step.name: step.do for step in hidden}
    real = {step.name: step.do for step in steps_of(moving.move().plan)}
    assert {*acting} - known == {rehearsal_step.REOPEN}
    assert all(acting[name] is not real[name] for name in ("closing", "quiet", "hand_over"))
    assert "ready_to_open" not in acting


def _hidden(move):
    return type(move)(*[getattr(move, name) for name in move.__struct_fields__[:-1]], rehearses=move.name)


# -- what it predicts --------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("rehearsed")
def test_the_prediction_is_judged(moving):
    """It holds where it fits what is left until the hour; else it says what is predicted, and how to mend that."""
    found = check(moving)
    assert found["ok"]
    assert "error so far" in found["reason"]
    too_early = check(moving, "--open-by", "now+PT0.1S")
    assert not too_early["ok"]
    assert "it has to be open in 0 s" in too_early["reason"]
    assert "--open-by" in too_early["mend"]


@pytest.mark.usefixtures("rehearsed")
def test_a_window_that_is_too_short(moving):
    """A downtime that ends before the predicted time is over is refused, with the command that makes it longer."""
    said = moving.run("downtime", "schedule", "--organization", PROPERTY, "--for", "PT30S", "--reason", "a test")
    found = said.json[0] if isinstance(said.json, list) else said.json
    moving.ask("control", "update slacktide.rehearsal set measured = jsonb_set(measured::jsonb, '{steps,quiet}', '60')")
    judged = check(moving)
    moving.ask(
        "control", "update slacktide.rehearsal set measured = jsonb_set(measured::jsonb, '{steps,quiet}', '0.1')"
    )
    moving.run("downtime", "end", str(found["id"]), "--reason", "a test")
    assert not judged["ok"]
    assert "the downtime ends in" in judged["reason"]
    assert "slacktide downtime extend" in judged["mend"]


@pytest.mark.usefixtures("rehearsed")
@pytest.mark.parametrize(
    ("change", "back", "reason"),
    [
        ("begun_at = begun_at - interval '8 days'", "begun_at = begun_at + interval '8 days'", "more than 7 days"),
        ("plan_checksum = 'x' || plan_checksum", "plan_checksum = substr(plan_checksum, 2)", "another plan"),
        (
            "measured = null, error = cast(measured as text)",
            "measured = cast(error as json), error = null",
            "not rehearsed",
        ),
    ],
)
def test_what_does_not_count(moving, change, back, reason):
    """A rehearsal that is too old, of another plan, or not at its end does not count; the line can be waived."""
    moving.ask("control", f"update slacktide.rehearsal set {change}")
    found, waived = check(moving), check(moving, "--waive", "prediction=Ada Night")
    moving.ask("control", f"update slacktide.rehearsal set {back}")
    assert not found["ok"]
    assert reason in found["reason"]
    assert "slacktide move rehearse" in found["mend"]
    assert waived["waived_by"] == "Ada Night"


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("rehearsed")
@pytest.mark.parametrize("side", ["source", "target"])
def test_a_shadow_is_neither_side(moving, side):
    """The source or the target itself, by another address, is refused as a shadow before anything is done."""
    address = getattr(moving, side).replace("?", "?application_name=other&")
    before = moving.ask("target", EPOCH)
    said = moving.run("move", "rehearse", NAME, "--target", address, accept=(1,))
    assert f"is the {side}" in said.err
    assert "--target URL" in said.err
    assert moving.ask("target", EPOCH) == before
    assert left(moving) == []


@pytest.mark.long
@pytest.mark.usefixtures("rehearsed")
def test_a_shadow_that_refuses(moving, server):
    """An object that the shadow refuses stops the rehearsal, which names it; nothing of the property is left there."""
    name = f"rehearse_shadow_{os.getpid()}"
    server.create_database(name)
    schema.create(address=server.address(name))
    with connect(server.address(name), name="test") as own:
        own.execute("alter table hotel.telephone_entry add constraint nobody check (number = '')")
        said = moving.run("move", "rehearse", NAME, "--target", server.address(name), accept=(1,))
        assert "telephone_entry" in said.err
        assert "slacktide move rehearse night" in said.err
        assert own.execute("select count(*) from hotel.property where code = %s", [PROPERTY]).fetchone() == (0,)
        assert own.execute("select count(*) from hotel.reservation").fetchone() == (0,)
        assert own.execute("select to_regnamespace('slacktide') is null").fetchone() == (True,)
    assert left(moving) == []
    assert [one["state"] for one in moving.run("move", "rehearse", NAME, "--list").json["rehearsals"]] == [
        "failed",
        "done",
    ]


def test_no_kind_makes_no_shadow(moving):
    """Where nobody can make the tables a shadow has to be named, and the refusal says so."""
    move = moving.move()
    bare = _hidden(move)
    bare.__dict__["plan"] = type("Plan", (), {"kind": None})
    with pytest.raises(shadow.NoShadow, match="--target URL"):
        shadow.require_kind(bare)
    assert hasattr(Kind, "make_schema")


def test_who_may_make_no_database(moving):
    """Who may not make a database at the target's server is told why, and to name a shadow; nothing was made."""
    moving.ask("target", "create role rehearse_limited login password 'weak'")
    try:
        address = make_conninfo(moving.target, user="rehearse_limited", password="weak")
        limited = msgspec.structs.replace(_hidden(moving.move()), target=address)
        with pytest.raises(shadow.NoShadow, match=r"permission denied to create database.*--target URL"):
            shadow.make(limited, database="rehearse_none")
        assert moving.ask("target", "select 1 from pg_database where datname = 'rehearse_none'") == []
    finally:
        moving.ask("target", "drop database if exists rehearse_none")
        moving.ask("target", "drop role rehearse_limited")


@pytest.mark.long
@pytest.mark.usefixtures("rehearsed")
def test_interrupted(moving):
    """Told to end while it copies, it takes everything away before it ends."""
    command = moving.start("move", "rehearse", NAME, "--json")
    until(lambda: len(moving.ask("source", SLOTS)) == 2, what="its slot")
    command.send_signal(signal.SIGTERM)
    assert command.wait(60) == 130
    assert left(moving) == []


@pytest.mark.long
@pytest.mark.usefixtures("rehearsed")
def test_killed(moving):
    """Killed with -9 while it copies, it is cleared away by a worker: no slot keeps the source's log."""
    command = moving.start("move", "rehearse", NAME, "--json")
    until(lambda: len(moving.ask("source", SLOTS)) == 2, what="its slot")
    assert "is under way" in moving.run("move", "rehearse", NAME, accept=(1,)).err
    command.send_signal(signal.SIGKILL)
    command.wait()
    until(lambda: left(moving) == [], what="a worker that clears it away")
    last = moving.run("move", "rehearse", NAME, "--list").json["rehearsals"][0]
    assert (last["state"], last["error"]) == ("failed", "it was killed")


def test_one_clears_away(moving):
    """Two that clear one rehearsal away: the one without its lock does nothing."""
    with connect(moving.control, name="one") as one, connect(moving.control, name="other") as other:
        one.execute("select pg_advisory_lock(%s, 900 * 8 + 5)", [LOCK_CLASS])
        assert not rehearsal.clear_away(other, shadow_id=900, move=NAME)
        one.execute("select pg_advisory_unlock(%s, 900 * 8 + 5)", [LOCK_CLASS])
        assert rehearsal.clear_away(other, shadow_id=900, move=NAME)
        held = "select count(*) from pg_locks where locktype = 'advisory' and classid = %s and objid = 900 * 8 + 5"
        assert one.execute(held, [LOCK_CLASS]).fetchone() == (0,)


def test_its_own_move_is_named(moving, monkeypatch):
    """What stops the making of the shadow names the move that people know, in the command that mends it too."""

    def refuse(control, *, move):
        raise configuration.ConfigurationRefused(move=move.name, reason="there is no room type 'A'")

    monkeypatch.setattr(configuration, "configure", refuse)
    said = moving.run("move", "rehearse", NAME, accept=(1,)).err
    assert "run `slacktide move configure night`" in said
    assert "~" not in said
    assert left(moving) == []


# -- the night ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("rehearsed")
def test_it_gives_way_to_the_night(moving):
    """When the down time starts a rehearsal gives way; the prediction binds Start, which says when it is too late."""
    for partner in PARTNERS:
        filled = {"--owner": "Ada", "--stop": "switch", "--repoint": "new host", "--test": "one call"}
        moving.run("move", "partners", NAME, "--set", partner, *[word for pair in filled.items() for word in pair])
    with at_step(moving, "reopen"):
        command = moving.start("move", "rehearse", NAME, "--json")
        until_held(moving, step="reopen")
        command.send_signal(signal.SIGSTOP)  # else it has the processes stand still for as long as its step is held
        until(moving.stopped_steady, seconds=240, what="processes that are steady, and stopped")
        command.send_signal(signal.SIGCONT)
        moving.schedule()
        arguments = [word for word in moving.start_arguments("--open-by", "now+PT64S") if "--waive" not in word]
        night = moving.run(*arguments, "--waive", "contingency=Ada Night")
        assert night.json["result"] == "open"
    assert command.wait(180) == 1
    assert left(moving) == []
    assert "LATEST DECISION TIME HAS PASSED" in night.err
    steps = [line for line in night.lines if line.get("step") == "final_synchronization"]
    assert all(line["expected_end"] and line["latest_decision"] for line in steps)
    assert steps[-1]["expected_seconds"] is not None


def test_prediction_and_truth(moving):
    """What was predicted of the down time stands beside what came of it, step by step."""
    found = moving.run("move", "rehearse", NAME, "--list").json
    truth = found["truths"][0]
    assert truth["what"] == "down time 1"
    assert {*truth["predicted"]["steps"]} < {*truth["took"]["steps"]}
    assert truth["took"]["work_seconds"] == pytest.approx(sum(truth["took"]["steps"].values()), abs=0.01)
    assert "%" in truth["error"]
    assert "at down time 1" in found["prediction"]["error"]
    assert moving.status()["down_time"]["predicted"]["rehearsal"] == truth["predicted"]["rehearsal"]


def test_everything_moved(moving):
    """The move that was rehearsed is whole: nothing of the rehearsals went into it."""
    assert proof.not_equal(proof.compared(moving)) == []
    assert proof.not_whole(moving) == []


def test_after_the_night(moving):
    """What lives at the target is not rehearsed any more, and the refusal says how it stands."""
    said = moving.run("move", "rehearse", NAME, accept=(1,))
    assert "is open" in said.err
