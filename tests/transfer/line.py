"""The engine in one process, step by step, and what it must hold after every batch."""

from __future__ import annotations

import itertools
import os
import time
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.postgres.position import parse_lsn
from slacktide.postgres.stream import ReplicationStream
from slacktide.transfer import message, preparation, prepare, slot
from slacktide.transfer.apply import Applier
from slacktide.transfer.generate import Generator, Names
from slacktide.transfer.journal import Journal
from slacktide.transfer.restart import reconcile
from slacktide.transfer.seal import Seal
from slacktide.transfer.source import Source
from slacktide.transfer.spool import SealedSpool
from slacktide.transfer.synchronization import Synchronizer
from tests.memory import drop_from_memory
from tests.transfer import checker

HERE = Path(__file__).parent
PLAN = load_plan(path=HERE / "bare.yaml")
SCHEMA = (HERE / "bare.sql").read_text()
_MIGRATIONS = Path(prepare.__file__).parent / "migrations"
JOURNAL = "".join((_MIGRATIONS / f"{name}.sql").read_text() for name in ("0101-journal", "0105-spool-key"))
# What the target holds before: another property's rows, so that keys of the source are not free there.
NATIVE = """
insert into bare.property (code) values ('Z');
insert into bare.person (name, email) select 'native ' || n, 'native ' || n from generate_series(1, 30) n;
insert into bare.booking (property, number, person_id, amount) select 'Z', 'N' || n, n, n from generate_series(1, 25) n;
insert into bare.posting (booking_id, amount, reference)
    select booking_id, 1, 'native ' || booking_id from bare.booking;
insert into bare.night select booking_id, '2026-01-01', 'native ' || booking_id, 1 from bare.booking;
insert into bare.account (property, name) values ('Z', 'a');
insert into bare.invoice (account_id, number, issued) values (1, 'native', '2026-01-01');
"""
_number = itertools.count(1)


class WatchedSource(Source):
    """A source that keeps, for each instant a batch was read at, what all of it looked like then."""

    watch = True

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.seen = {}
        self.meanwhile = lambda: None

    @contextmanager
    def at_one_instant(self):
        with super().at_one_instant() as instant:
            if self.watch:
                self.seen[instant.text] = checker.rows_of(self.connection, self.plan)
            self.meanwhile()
            yield instant


class Databases:
    """The three databases of a line, cloned from templates in which everything is prepared."""

    def __init__(self, server, *, plan=PLAN, schema=SCHEMA, native=NATIVE):
        self.server, self.plan = server, plan
        self.stem = f"line_{os.getpid()}_{next(_number)}"
        self._make("control", "create schema slacktide;" + JOURNAL)
        self._make("source", schema)
        self._make("target", schema + native)
        with connect(self._template("source"), name="prepare") as connection:
            prepare.prepare_source(connection, plan=plan, move="m")
        with connect(self._template("target"), name="prepare") as connection:
            prepare.prepare_target(connection, plan=plan, move="m", target_property="P")

    def _template(self, name):
        return self.server.address(f"{self.stem}_{name}")

    def _make(self, name, script):
        self.server.create_database(f"{self.stem}_{name}")
        with psycopg.connect(self._template(name), autocommit=True) as connection:
            connection.execute(script)

    def addresses(self):
        """Clone the three; give their addresses."""
        stem = f"{self.stem}_{next(_number)}"
        with psycopg.connect(self.server.address(), autocommit=True) as connection:
            for name in ("control", "source", "target"):
                connection.execute(
                    sql.SQL("create database {} template {} strategy file_copy").format(
                        sql.Identifier(f"{stem}_{name}"), sql.Identifier(f"{self.stem}_{name}")
                    )
                )
        return {name: self.server.address(f"{stem}_{name}") for name in ("control", "source", "target")}


class Line:
    """One property's move between two bare databases; `step` makes and applies one batch."""

    full = False  # whether the target holds objects before

    def __init__(self, *, control, source, target, folder, plan=PLAN, move="m", property_code="P", watch=True):
        self.plan, self.addresses, self.move, self.property = plan, (source, target), move, property_code
        self.folder, self.watch = Path(folder), watch
        self.control_address = control
        self.control = connect(control, name="control")
        self.checking = connect(target, name="check")
        self.native = checker.rows_of(self.checking, plan)
        self.trading = psycopg.connect(source, autocommit=True)
        self.move_id = self._move_id()
        self.open = []

    def _move_id(self):
        row = self.control.execute("select move_id from slacktide.move where name = %s", [self.move]).fetchone()
        return (
            row
            or self.control.execute(
                "insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool) "
                "values (%s, '', '', %s, %s, '', '', '') returning move_id",
                [self.move, self.property, self.property],
            ).fetchone()
        )[0]

    def sql(self, statement, *values):
        """Run a statement at the source."""
        return self.trading.execute(statement, values or None)

    def journal(self, process=""):
        return Journal(self.control, move_id=self.move_id, process=process)

    def start(self, *, allow_absent=False):
        """Open everything, as the processes do when they start."""
        journal = self.journal()
        self.target = connect(self.addresses[1], name="process", role="slacktide_mover")
        self.applier = self.new_applier(self.target, allow_absent=allow_absent)
        self.restored = journal.current() and reconcile(journal, self.applier, move=self.move)
        self.incarnation = slot.ensure(journal, address=self.addresses[0], move=self.move)
        self.source = WatchedSource(
            self.addresses[0], plan=self.plan, property_code=self.property, name="source",
            publication=prepare.publication(self.move),
        )  # fmt: skip
        self.source.watch = self.watch
        if journal.last_range(incarnation=self.incarnation.incarnation) == 0:
            number = self.incarnation.incarnation
            slot.plan_pass(journal, self.source, plan=self.plan, incarnation=number, known=self.full)
        self.listen_anew()
        seal = Seal(bytes(32), move=self.move, plan=self.plan.name, version=str(self.plan.version))
        self.spools = SealedSpool(self.folder / "out", seal=seal), SealedSpool(self.folder / "in", seal=seal)
        self.generator = Generator(
            source=self.source, journal=journal, spool=self.spools[0], plan=self.plan,
            names=Names(self.move, self.property), reached=self.reached,
        )  # fmt: skip
        self.open += [self.source, self.target]

    def listen_anew(self, *, position=None):
        """Open the stream where the journal ends, or at another position."""
        journal = self.journal()
        self.await_slot()
        self.stream = ReplicationStream(self.addresses[0], name="stream")
        self.stream.start(
            self.incarnation.slot,
            publication=prepare.publication(self.move),
            position=journal.position() if position is None else position,
        )
        self.synchronizer = Synchronizer(stream=self.stream, journal=journal, plan=self.plan)
        self.open.append(self.stream)

    def new_applier(self, connection, **named):
        return Applier(
            connection, plan=self.plan, move=self.move, source_property=self.property, target_property=self.property,
            **named,
        )  # fmt: skip

    def halt(self):
        """Close what a start opened, as a kill does, and wait until the slot is free."""
        for each in self.open:
            each.close()
        self.open.clear()
        if not self.checking.closed:
            self.await_slot()

    def await_slot(self):
        """Wait until the slot is free: its sender outlives the stream by a moment."""
        active = "select 1 from pg_replication_slots where active and database = %s"
        ends = time.monotonic() + 30
        while self.checking.execute(active, [self.trading.info.dbname]).fetchone():
            assert time.monotonic() < ends, "the slot is still used"
            time.sleep(0.01)

    def end(self):
        """Close everything for good, and leave no slot behind: a server has only so many."""
        self.halt()
        self.trading.execute(
            "select pg_drop_replication_slot(slot_name) from pg_replication_slots where database = current_database()"
        )
        self.stop()

    def stop(self):
        self.halt()
        for each in (self.control, self.checking, self.trading):
            each.close()

    def drop(self):
        """Close everything for good, and leave no database behind."""
        self.stop()
        drop_from_memory(self.control_address, *self.addresses)

    def prepare_again(self):
        """Prepare the source once more, as the operator does after a change of its tables."""
        with connect(self.addresses[0], name="prepare") as connection:
            preparation.take_as_it_is(self.journal(), connection, plan=self.plan)
            prepare.prepare_source(connection, plan=self.plan, move=self.move)

    def reached(self, seconds):
        self.synchronizer.ask()
        self.synchronizer.step(wait_seconds=seconds)
        return self.journal().reached()

    def listen(self, seconds=0.05):
        self.synchronizer.ask()
        while self.synchronizer.step(wait_seconds=seconds):
            pass

    def catch_up(self):
        """Read the stream up to where the source's log is now."""
        self.source.flush()
        (now,) = self.trading.execute("select pg_current_wal_lsn()::text").fetchone()
        ends = time.monotonic() + 60
        while self.reached(0.01) < parse_lsn(now):
            assert time.monotonic() < ends, "the stream does not come to here"

    def generate(self, **named):
        self.listen(0.01)
        return self.generator.batch(**named)

    def transfer(self):
        batch = self.journal().next_batch("generated")
        if batch:
            self.spools[1].fetch(self.spools[0], name=batch.file, checksum=batch.checksum)
            self.journal().transferred(batch.number)
        return batch

    def process(self):
        batch = self.journal().next_batch("transferred")
        if batch is None:
            return None
        content = message.read(self.spools[1].read(batch.file, checksum=batch.checksum), plan=self.plan)
        applied = self.applier.apply(batch, content)
        self.journal().processed(
            batch.number, written=applied.written, arrived=applied.arrived, problems=applied.problems
        )
        return batch, applied

    def step(self, *, compare=True, **named):
        """Make, carry and apply one batch; hold the target against the source at its instant."""
        batch = self.generate(**named)
        if batch is None:
            return None
        self.transfer()
        _, applied = self.process()
        if compare and self.watch:
            self.compare(self.source.seen[batch.snapshot])
        self.source.seen.clear()
        return applied

    def drain(self, *, compare=True):
        """Go on until there is nothing left; give the number of batches."""
        self.catch_up()
        count, quiet = 0, 0
        while quiet < 3:
            if self.step(compare=compare) is None:
                quiet += 1
            else:
                count, quiet = count + 1, 0
        return count

    def problems(self):
        return self.control.execute(
            "select entity, key, state, reason from slacktide.message where move_id = %s order by 1, 2", [self.move_id]
        ).fetchall()

    def compare(self, source_rows):
        """Hold the target against the source's rows, object by object, keys taken back by the key map.

        While the pass runs, what is there must be right, and what the passed ranges hold must be there.
        """
        left = self.journal().ranges_left(incarnation=self.incarnation.incarnation)
        if left and (self.incarnation.incarnation > 1 or any(r.absence for r in left)):
            return  # what is stale is found again by and by
        failed = {(entity, key) for entity, key, state, _ in self.problems() if state != "warning"}
        expected = checker.Expectation(source_rows, self.plan, self.property, failed=failed)
        found, loose = checker.target_objects(self.checking, self.plan, self.move, native=self.native)
        assert not loose, f"rows at the target without a key-map row, or the reverse: {loose[:5]}"
        coming = {r.entity for r in left}
        due = expected.due if not left else {n for n in expected.own if n[0] not in coming}
        differ = {n for n in due | found.keys() if found.get(n) != expected.content(n)}
        differ |= set() if failed else found.keys() - expected.wanted
        wrong = sorted(differ - failed)
        assert not wrong, "\n".join(f"{n}: source {expected.content(n)} target {found.get(n)}" for n in wrong[:5])
        assert failed or not (parked := checker.parked(self.checking, self.plan)), parked

    def check(self):
        """Hold what must hold at the end, when nothing is left to carry."""
        with connect(self.addresses[0], name="check") as source:
            self.compare(checker.rows_of(source, self.plan))
        states = self.control.execute(
            "select number, state from slacktide.batch where move_id = %s order by 1", [self.move_id]
        ).fetchall()
        (floor,) = self.control.execute("select number_floor from slacktide.move").fetchone()
        numbers = [number for number, _ in states if number > floor]
        assert numbers == list(range(floor + 1, floor + 1 + len(numbers))), "a gap in the batch numbers"
        assert {state for _, state in states} <= {"processed"}
        (applied,) = self.checking.execute("select number from slacktide.mover_move").fetchone()
        assert applied == max(numbers, default=applied)

    def clean(self):
        """Take everything away, and hold that nothing of ours stays but the guard."""
        self.halt()
        with connect(self.addresses[0], name="clean") as source, connect(self.addresses[1], name="clean") as target:
            prepare.clean_source(source, move=self.move)
            prepare.clean_target(target, plan=self.plan, move=self.move)
            assert checker.left_behind(source) == []
            assert checker.left_behind(target) == []
