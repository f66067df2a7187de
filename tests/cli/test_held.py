"""`slacktide held` and `slacktide guard`, as they are typed."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest

from slacktide.core.errors import ExitStatus
from slacktide.guard import closing
from slacktide.holding import sample, store
from slacktide.holding.place import Place, set_place
from slacktide.holding.release import Releaser
from slacktide.holding.window import Copier
from slacktide.postgres.connection import connect
from tests.clock import TOLD_SECONDS

FIELDS = ["id", "organization", "step", "key", "since", "because", "until", "next_check", "state"]
OWN = ("--organization", "HOTEL")
PRINTS = (sys.executable, "-c", "print('ran')")
LASTS = (sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)")


@pytest.fixture
def erp(server, hotel, database):
    """Give the owner's connection to the ERP of HOTEL."""
    name = f"{Path(database.partition('?')[0]).name}_erp"
    server.create_database(name)
    with connect(server.address(name), name="owner") as connection, connect(database, name="test") as control:
        sample.create(connection)
        set_place(control, Place("erp", server.address(name)), who="tester")
        yield connection


def arrive(database, *numbers, lines=("1",)):
    with connect(database, name="test") as control:
        for number in numbers:
            store.arrive(control, sample.invoice(organization="HOTEL", number=number, lines=lines))


def release(database):
    with connect(database, name="release") as control:
        releaser = Releaser(control)
        releaser.release("HOTEL")
        releaser.close()


def copy(database):
    """Copy the windows into the ERP, as a worker does."""
    with connect(database, name="windows") as control:
        copier = Copier(control)
        assert copier.copy()
        copier.close()


def down(hotel, *arguments):
    said = hotel("downtime", "schedule", *OWN, *(arguments or ("--for", "PT1H")), "--reason", "x", "--json")
    return said.json["id"]


def test_list(hotel, erp, database):
    """What waits says why, until when and when it is looked at next; `status` counts it; done is not listed."""
    assert hotel("held", "list", "--json").json == []
    downtime = down(hotel)
    arrive(database, "1")
    (held,) = hotel("held", "list", "--json").json
    until = hotel("downtime", "show", downtime, "--json").json["end"]
    assert list(held) == FIELDS
    assert (held["because"], held["until"], held["state"]) == ("downtime (organization HOTEL)", until, "waiting")
    assert held["next_check"] < until
    assert f"waiting: downtime (organization HOTEL) until {until}, next check at" in hotel("held", "list").out
    assert hotel("status", *OWN, "--json").json["held"] == hotel("status", "--json").json["held"] == 1
    assert hotel("downtime", "show", downtime, "--json").json["effect"]["held_expected"] == 2  # it, and one a day
    assert hotel("downtime", "list", "--json").json[0]["effect"]["held_expected"] == 2
    hotel("downtime", "end", downtime, "--reason", "x")
    release(database)
    assert (hotel("held", "list", "--json").json, hotel("status", *OWN, "--json").json["held"]) == ([], 0)
    shown = hotel("held", "show", held["id"], "--json").json
    assert (shown["state"], shown["attempts"]) == ("done", 0)


def test_show(hotel, erp, database):
    """An item shows what happened to it and to all work of its organization; an unknown one is wrong usage."""
    downtime = down(hotel)
    arrive(database, "1")
    release(database)
    hotel("downtime", "extend", downtime, "--by", "PT1H")
    release(database)
    hotel("downtime", "end", downtime, "--reason", "x")
    release(database)
    shown = hotel("held", "show", "1", "--json").json
    assert [event["what"] for event in shown["history"]] == ["hold", "hold", "continue"]
    assert "waiting: downtime (organization HOTEL) until" in hotel("held", "show", "1").out
    assert hotel("held", "show", "77").status == hotel("held", "show", "x").status == 2


def test_check(hotel, erp, database):
    """Looking again never passes a downtime; what was set aside is tried again, and that is in the audit trail."""
    down(hotel)
    arrive(database, "1")
    release(database)
    said = hotel("held", "check", "1", "--json")
    assert (said.status, said.json[0]["state"]) == (0, "waiting")
    assert "no worker" in said.err.lower()
    release(database)
    assert erp.execute("select count(*) from payables.invoice_header").fetchone() == (0,)
    with connect(database, name="test") as control:
        control.execute("update slacktide.held_item set state = 'failed', attempts = 3")
    assert hotel("held", "check", "1", "--reason", "mended", "--json").json[0]["state"] == "waiting"
    assert hotel("audit", "--json").json[-1]["before"] == "failed"
    assert hotel("held", "check").status == 0
    assert hotel("held", "check", "77").status == 2


def test_guard_runs(hotel, erp):
    """Where nothing is down the command runs and its status is ours; otherwise it is not started, with 75."""
    assert hotel("guard", *OWN, "--", *PRINTS).status == 0
    assert hotel("guard", *OWN, "--", sys.executable, "-c", "raise SystemExit(3)").status == 3
    assert hotel("guard", *OWN, "--", "/there/is/none").status == 2
    assert hotel("guard", *OWN).status == hotel("guard", *OWN, "--timeout", "PT1S", "--", *PRINTS).status == 2
    assert hotel("guard", "--organization", "NONE", "--", *PRINTS).status == 2
    closing.begin_closing(erp, organization="HOTEL")
    assert hotel("guard", *OWN, "--", *PRINTS).status == 75
    closing.reopen(erp, organization="HOTEL")
    down(hotel)
    said = hotel("guard", *OWN, "--", *PRINTS)
    assert (said.status, "downtime (organization HOTEL)" in said.err) == (75, True)


def test_guard_waits(hotel, erp):
    """With --wait it is started when the downtime ends; with --timeout it is given up."""
    begun = time.monotonic()
    down(hotel, "--for", "PT4S")
    assert hotel("guard", *OWN, "--wait", "--timeout", "PT0.2S", "--", *PRINTS).status == 75
    assert hotel("guard", *OWN, "--wait", "--", *PRINTS).status == 0
    assert 4 <= time.monotonic() - begun < 60


def test_guard_holds_the_lock(hotel, erp, started):
    """Whoever closes waits for the command; at a downtime's start it goes on, and SIGTERM is passed on to it."""
    process = started("guard", *OWN, "--", *LASTS)
    assert process.stdout.readline() == "begun\n"
    closing.begin_closing(erp, organization="HOTEL")
    assert not closing.try_quiet(erp, organization="HOTEL", lock_timeout_ms=100)
    down(hotel)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert closing.try_quiet(erp, organization="HOTEL")


def test_guard_keeps_from_quiet(hotel, erp, database, started):
    """As long as the command runs its organization is not quiet, and whoever holds it up is listed and can be ended."""
    process = started("guard", *OWN, "--", *LASTS)
    assert process.stdout.readline() == "begun\n"
    quiet = ("downtime", "wait", down(hotel), "--for", "quiet", "--timeout")
    copy(database)
    state = hotel("status", *OWN, "--json").json
    assert (state["state"], state["holders"]["transactions"]) == ("closing", 2)
    listed = hotel("holders", *OWN, "--json").json["transactions"]
    assert sorted(one["database"].endswith("_erp") for one in listed) == [False, True]
    assert hotel(*quiet, "PT2S").status == ExitStatus.HELD
    assert hotel("transaction", "end", listed[0]["id"], "--reason", "x").status == 0
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert hotel(*quiet, "PT10S").status == 0


def test_guard_until_start(hotel, erp, started):
    """With --until-start the command gets SIGTERM at a downtime's start, and does not end by itself."""
    process = started("guard", *OWN, "--until-start", "--", *LASTS)
    assert process.stdout.readline() == "begun\n"
    down(hotel)
    begun = time.monotonic()
    assert process.wait(timeout=10) == 128 + signal.SIGTERM
    assert time.monotonic() - begun < TOLD_SECONDS


def test_guard_without_its_lock(hotel, erp, started):
    """A command whose lock was lost is told to end: nobody waits for it any more."""
    process = started("guard", *OWN, "--", *LASTS)
    assert process.stdout.readline() == "begun\n"
    erp.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name like 'slacktide guard HOTEL'"
    )
    assert process.wait(timeout=10) == 128 + signal.SIGTERM


def test_places(hotel, erp, database):
    """Places are added, changed, listed with what became of the copy, and removed; all of it is audited."""
    assert [(one["name"], one["organization"]) for one in hotel("held", "place", "list", "--json").json] == [
        ("erp", None)
    ]
    own = hotel("held", "place", "set", "own", "env:HOTEL_ERP", *OWN, "--reason", "x", "--json").json
    assert own == {
        "name": "own",
        "address": "env:HOTEL_ERP",
        "organization": "HOTEL",
        "copied_at": None,
        "problem": None,
    }
    assert hotel("held", "place", "set", "own", "file:/run/erp", *OWN).status == 0
    assert "file:/run/erp" in hotel("held", "place", "list").out
    refused = [hotel("held", "place", "set", *wrong) for wrong in WRONG_PLACES]
    assert [said.status for said in refused] == [1, 1, 2, 2, 2]
    assert "slacktide held place remove own" in refused[0].err
    assert "secret" not in "".join(said.err for said in refused)
    arrive(database, "1")
    assert "warning" not in hotel("held", "place", "remove", "own").out
    assert "no place is left for held work of HOTEL" in hotel("held", "place", "remove", "erp").out
    assert hotel("held", "place", "remove", "erp").status == 2
    what = [(row["what"], row["object"]) for row in hotel("audit", "--json").json][-4:]
    assert what == [("place", "place own"), ("place", "place own"), *[("place remove", f"place {n}") for n in NAMES]]


NAMES = ("own", "erp")
WRONG_PLACES = (
    ("other", "env:X", *OWN),
    ("other", "env:X"),
    ("other", "postgresql://user:secret@host/erp"),
    ("other", "no = secret address"),
    ("other", "env:X", "--organization", "NONE"),
)
