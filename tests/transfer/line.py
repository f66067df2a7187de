"""The engine in one process, step by step, and what it must hold after every batch."""

from __future__ import annotations

import hashlib
import json
import contextlib
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.rows import dict_row

from slacktide.plan.load import load_plan
from slacktide.postgres.connection import connect
from slacktide.postgres.stream import ReplicationStream
from slacktide.transfer import message, prepare, slot
from slacktide.transfer.apply import Applier
from slacktide.transfer.generate import Generator, Names
from slacktide.transfer.journal import Journal
from slacktide.transfer.source import Source
from slacktide.transfer.spool import Spool
from slacktide.transfer.synchronization import Synchronizer

HERE = Path(__file__).parent
PLAN = load_plan(path=HERE / "bare.yaml")
SCHEMA = (HERE / "bare.sql").read_text()
JOURNAL = Path(prepare.__file__).parent.joinpath("migrations/0101-journal.sql").read_text()


class WatchedSource(Source):
    """A source that keeps, for each instant a batch was read at, what all of it looked like then."""

    watch = True

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.seen = {}

    @contextmanager
    def at_one_instant(self):
        with super().at_one_instant() as instant:
            yield instant
            if self.watch:
                self.seen[instant.text] = rows_of(self.connection, self.plan)


class Line:
    """One property's move between two bare databases; `step` makes and applies one batch."""

    def __init__(self, *, control, source, target, folder, plan=PLAN, move="m", property_code="P", watch=True):
        self.plan, self.addresses, self.move, self.property = plan, (source, target), move, property_code
        self.folder = Path(folder)
        self.control = connect(control, name="control")
        self.watch = watch
        self.stream = None
        with self.control.transaction():
            if not self.control.execute("select to_regclass('slacktide.move')").fetchone()[0]:
                self.control.execute("create schema if not exists slacktide")
                self.control.execute(JOURNAL)
        row = self.control.execute("select move_id from slacktide.move where name = %s", [move]).fetchone()
        row = (
            row
            or self.control.execute(
                "insert into slacktide.move (name, plan, plan_text, property, target_property, source, target, spool) "
                "values (%s, '', '', %s, %s, '', '', '') returning move_id",
                [move, property_code, property_code],
            ).fetchone()
        )
        self.move_id = row[0]

    def journal(self, process=""):
        return Journal(self.control, move_id=self.move_id, process=process)

    def prepare(self):
        with connect(self.addresses[0], name="prepare") as connection:
            prepare.prepare_source(connection, plan=self.plan, move=self.move)
        with connect(self.addresses[1], name="prepare") as connection:
            prepare.prepare_target(connection, plan=self.plan, move=self.move, target_property=self.property)

    def start(self):
        """Open everything, as the processes do when they start."""
        journal = self.journal()
        self.incarnation = slot.ensure(journal, address=self.addresses[0], move=self.move)
        self.source = WatchedSource(self.addresses[0], plan=self.plan, property_code=self.property, name="source")
        self.source.watch = self.watch
        if journal.last_range(incarnation=self.incarnation.incarnation) == 0:
            slot.plan_pass(journal, self.source, plan=self.plan, incarnation=self.incarnation.incarnation)
        self.stream = ReplicationStream(self.addresses[0], name="stream")
        self.stream.start(
            self.incarnation.slot, publication=prepare.publication(self.move), position=journal.position()
        )
        self.synchronizer = Synchronizer(stream=self.stream, journal=journal, plan=self.plan)
        self.spools = Spool(self.folder / "out"), Spool(self.folder / "in")
        self.generator = Generator(
            source=self.source,
            journal=journal,
            spool=self.spools[0],
            plan=self.plan,
            names=Names(self.move, self.property),
            reached=self.reached,
        )
        self.target = connect(self.addresses[1], name="process", role="slacktide_mover")
        self.applier = Applier(
            self.target, plan=self.plan, move=self.move, source_property=self.property, target_property=self.property
        )

    def stop(self):
        for each in ("stream", "source", "target", "control"):
            if getattr(self, each, None):
                getattr(self, each).close()

    def reached(self, seconds):
        self.synchronizer.ask()
        self.synchronizer.step(wait_seconds=seconds)
        return self.journal().reached()

    def listen(self, seconds=0.05):
        self.synchronizer.ask()
        while self.synchronizer.step(wait_seconds=seconds):
            pass

    def generate(self):
        self.listen(0.01)
        return self.generator.batch()

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

    def step(self, *, compare=True):
        """Make, carry and apply one batch; hold the target against the source at its instant."""
        batch = self.generate()
        if batch is None:
            return None
        self.transfer()
        _, applied = self.process()
        if compare and self.watch and not self.journal().ranges_left(incarnation=self.incarnation.incarnation):
            self.compare(self.source.seen[batch.snapshot])
        self.source.seen.clear()
        return applied

    def drain(self, *, compare=True):
        """Go on until there is nothing left; give the number of batches."""
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
        """Hold the target against the source's rows, object by object, keys taken back by the key map."""
        with connect(self.addresses[1], name="check") as connection:
            expected = expectation(source_rows, self.plan, self.property)
            found, loose = target_objects(connection, self.plan, self.property, self.move)
        assert not loose, f"rows at the target without a key-map row, or the reverse: {loose[:5]}"
        failed = {(entity, key) for entity, key, state, _ in self.problems() if state != "warning"}
        wrong = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k) and k not in failed)
        assert not wrong, "\n".join(f"{k}: source {expected.get(k)} target {found.get(k)}" for k in wrong[:5])


def rows_of(connection, plan):
    """Read every row of every table of the plan, as text."""
    rows = {}
    for table in plan.table.values():
        columns = ", ".join(f'"{c.name}"::text' for c in table.columns)
        with connection.cursor(row_factory=dict_row) as cursor:
            rows[table.name] = cursor.execute(f"select {columns} from {table.qualified}").fetchall()
    return rows


def _gather(rows, plan):
    objects = {}
    for entity in plan.moving:
        for row in rows[entity.name]:
            objects[entity.name, row[entity.key]] = {entity.name: [row]}
        for part in entity.parts:
            for row in rows[part.name]:
                if (entity.name, row[part.root]) in objects:
                    objects[entity.name, row[part.root]].setdefault(part.name, []).append(row)
    return objects


def expectation(rows, plan, property_code):
    """Work out, from the rules alone, what the target must hold: the property's objects and what they refer to."""
    objects = _gather(rows, plan)
    owner = {
        part_key: (entity.name, row[part.root])
        for entity in plan.moving
        for part in entity.parts
        if part.drawn
        for row in rows[part.name]
        for part_key in [(part.name, row[part.key[0]])]
    }

    def refers(found):
        for name, listed in found.items():
            for row in listed:
                for reference in plan.table[name].references:
                    if row[reference.column] is not None:
                        yield owner.get(
                            (reference.target, row[reference.column]), (reference.entity, row[reference.column])
                        )

    def whose(entity, key):
        root = objects[entity.name, key][entity.name][0]
        if entity.root.property_column:
            return root[entity.root.property_column]
        if entity.via:
            return whose(plan.entity[entity.root.reference_of[entity.via].entity], root[entity.via])
        return None

    wanted = {(name, key) for name, key in objects if whose(plan.entity[name], key) == property_code}
    frontier = set(wanted)
    while frontier:
        frontier = {n for o in frontier for n in refers(objects[o]) if n not in wanted}
        wanted |= frontier
    return {k: _canonical(objects[k]) for k in wanted}


def _canonical(found):
    return json.dumps(
        {name: sorted(rows, key=lambda r: json.dumps(r, sort_keys=True)) for name, rows in found.items()},
        sort_keys=True,
    )


def target_objects(connection, plan, property_code, move):
    """Read the target's objects with the source's keys, and list what the key map and the tables do not share."""
    mapped = defaultdict(dict)
    for name, source_key, target_key in connection.execute(
        "select k.name, source_key, target_key from slacktide.key_map k join slacktide.mover_move m using (move_no) where m.name = %s",
        [move],
    ):
        mapped[name][target_key] = source_key
    rows, loose = rows_of(connection, plan), []
    for table in plan.table.values():
        kept = []
        for row in rows[table.name]:
            key_column = table.root or table.key[0]
            owner = plan.entity_of[table.name].name
            if row[key_column] not in mapped[owner]:
                loose.append((table.name, dict(row)))
                continue
            kept.append(dict(row))
        if table.drawn:
            there = {row[table.key[0]] for row in kept}
            loose += [(table.name, "mapped only", t) for t in mapped[table.name] if t not in there]
            loose += [(table.name, "unmapped", t) for t in there if t not in mapped[table.name]]
        for row in kept:
            for column, name in [(r.column, r.target) for r in table.references] + (
                [(table.key[0], table.name)] if table.drawn else []
            ):
                if row[column] is not None:
                    row[column] = mapped[name].get(row[column], f"?{row[column]}")
        rows[table.name] = kept
    return {k: _canonical(v) for k, v in _gather(rows, plan).items()}, loose


def digest(rows):
    """Hash rows, to say in a word that nothing changed."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def fresh(server, name, *, schema=SCHEMA):
    """Make a database with the bare schema; give its address."""
    server.create_database(name)
    address = server.address(name)
    if schema:
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(schema)
    return address
