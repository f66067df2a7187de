from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.table import GuardedTable
from slacktide.postgres.connection import connect
from slacktide.transfer.move import create_move

FIELDS = ["scope", "organization", "state", "because", "until", "next_start", "holders", "held", "lives_at"]
OWN = ("--organization", "HOTEL")


@pytest.fixture
def source(server, hotel, database):
    """Give the owner's connection to a guarded database that HOTEL is moving from, to a target that is not there."""
    name = f"{Path(database.partition('?')[0]).name}_source"
    server.create_database(name)
    with connect(server.address(name), name="owner") as connection, connect(database, name="test") as control:
        connection.execute("create table public.stay (code text, note text)")
        install(connection, tables=[GuardedTable(schema="public", table="stay", organization="r.code")])
        texts = {"plan_file": "hotel", "plan_text": "", "property": "HOTEL", "target_property": "NEW", "spool": ""}
        missing = server.address("there_is_no_such_database")
        create_move(control, name="move", source=server.address(name), target=missing, **texts)
        yield connection


def test_open_and_scheduled(hotel):
    """The site and an organization are open, and scheduled when a downtime is ahead."""
    said = hotel("status", "--json")
    assert (said.status, list(said.json), said.json["state"]) == (0, FIELDS, "open")
    hotel("downtime", "schedule", *OWN, "--start", "2030-01-01", "--end", "2030-01-02", "--reason", "x")
    said = hotel("status", *OWN, "--json")
    assert (said.status, said.json["state"], said.json["next_start"]) == (0, "scheduled", "2029-12-31T23:00:00Z")
    assert "next start 2030-01-01T00:00:00+01:00" in hotel("status", *OWN).out
    period = "from 2030-01-01T00:00:00+01:00 to 2030-01-03T00:00:00+01:00 (Europe/Berlin): x"
    assert period in hotel("status", *OWN, "--at", "2030-01-01T00:00").out
    at = hotel("status", *OWN, "--at", "2030-01-01T00:00", "--json")
    assert (at.status, at.json["state"]) == (75, "closing")
    assert hotel("status", "--organization", "NONE").status == 2


def test_down_without_a_guarded_database(hotel):
    """An organization that no database guards is quiet as soon as it is down, and `--all` lists it."""
    hotel("downtime", "schedule", *OWN, "--for", "PT1H", "--reason", "cleaning")
    said = hotel("status", *OWN, "--json")
    assert (said.status, said.json["state"], said.json["because"][0]["reason"]) == (75, "quiet", "cleaning")
    everything = hotel("status", "--all", "--json")
    assert (everything.status, [one["state"] for one in everything.json]) == (75, ["open", "quiet"])
    assert hotel("status", "--all", *OWN).status == 2


def test_who_could_still_pass(hotel, source):
    """The roles that the guard does not stop are named while it is down, and not before."""
    assert "could_still_pass" not in hotel("status", *OWN, "--json").json
    closing.begin_closing(source, organization="HOTEL")
    named = hotel("status", *OWN, "--json").json["could_still_pass"]
    owner = {"database": source.info.dbname, "role": source.info.user, "because": ["superuser"]}
    assert owner in named
    assert f"could still write in {owner['database']}: {owner['role']} (superuser)" in hotel("status", *OWN).out


def test_holders_of_a_closing(hotel, source):
    """A durable closing counts without any downtime, and its holders are listed and can be ended."""
    with connect(source.info.dsn + " passfile=" + passfile(source), name="clerk", autocommit=False) as clerk:
        clerk.execute("insert into public.stay values ('HOTEL', 'x')")
        closing.begin_closing(source, organization="HOTEL")
        said = hotel("status", *OWN, "--json")
        assert (said.status, said.json["state"], said.json["holders"]["transactions"]) == (75, "closing", 1)
        assert "there_is_no_such_database" in said.err
        (holder,) = hotel("holders", *OWN, "--json").json["transactions"]
        assert list(holder) == ["id", "database", "user", "query", "age_seconds", "prepared"]
        assert hotel("holders", "--json").json["transactions"][0]["id"] == holder["id"]
        assert holder["id"] in hotel("holders").out
        assert hotel("transaction", "end", holder["id"]).status == 2
        ended = hotel("transaction", "end", holder["id"], "--reason", "in the way")
        assert (ended.status, clerk.broken or broken(clerk)) == (0, True)
        assert hotel("transaction", "end", holder["id"], "--reason", "again").status == 2
    with connect(source.info.dsn + " passfile=" + passfile(source), name="clerk", autocommit=False) as clerk:
        closing.reopen(source, organization="HOTEL")
        clerk.execute("insert into public.stay values ('HOTEL', 'y')")
        ended = hotel("transaction", "end", "--all", *OWN, "--reason", "in the way", "--json").json
        assert (len(ended), clerk.broken or broken(clerk)) == (1, True)
    assert [row["what"] for row in hotel("audit", "--json").json][-1] == "transaction end"


def test_reference_only(hotel, source):
    """An organization that was left is for reference only, with the pointer of its own database."""
    closing.begin_closing(source, organization="HOTEL")
    assert closing.try_quiet(source, organization="HOTEL")
    closing.make_reference_only(source, organization="HOTEL", lives_at="the new place")
    said = hotel("status", *OWN, "--json")
    assert (said.status, said.json["state"], said.json["lives_at"]) == (77, "reference only", "the new place")


def test_watch(hotel, started):
    """Watching writes a line for each change, until it is interrupted."""
    watching = started("status", *OWN, "--watch", "--json")
    assert json.loads(watching.stdout.readline())["state"] == "open"
    hotel("downtime", "schedule", *OWN, "--for", "PT1H", "--reason", "x")
    assert json.loads(watching.stdout.readline())["state"] == "quiet"
    watching.send_signal(signal.SIGINT)
    assert watching.wait(timeout=10) == 130


def passfile(connection):
    return connection.info.get_parameters()["passfile"]


def broken(connection):
    try:
        connection.execute("select 1")
    except Exception:  # noqa: BLE001 -- whichever way the lost connection shows
        return True
    return False
