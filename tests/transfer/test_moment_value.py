"""Values that the source holds and the target cannot: each object fails alone, and comes when that is mended."""

from __future__ import annotations

import psycopg
from psycopg import sql

from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect
from slacktide.transfer import message
from tests.transfer.line import HERE, Databases, Line
from tests.transfer.odd import PLAN as ODD
from tests.transfer.odd import SEED as ODD_SEED
from tests.transfer.odd import OddLine, schema
from tests.transfer.test_moment_refused import reask, states

KNOWN = (HERE / "bare.yaml").read_text().replace("shared: true", "shared: true\n    known_by: email")


def test_value_out_of_range(own_line):
    """A number that the target's column is too small for fails its object with the reason; the others arrive."""
    line = own_line
    line.checking.execute("alter table bare.booking alter column amount type numeric(7,2)")
    line.sql("update bare.booking set amount = 123456.78 where booking_id = 1")
    line.sql("update bare.booking set amount = 99 where booking_id = 2")
    line.drain()
    assert states(line) == {("booking", "1"): "failed"}
    assert "numeric field overflow" in line.problems()[0][3]
    assert line.checking.execute("select count(*) from bare.booking where amount = 99").fetchone() == (1,)
    line.checking.execute("alter table bare.booking alter column amount type numeric(12,2)")
    reask(line, ("booking", "1"))
    line.drain()
    assert states(line) == {}


class Narrow(Databases):
    """Databases of which the target's encoding is LATIN1."""

    def _make(self, name, script):
        if name != "target":
            super()._make(name, script)
            return
        with psycopg.connect(self.server.address(), autocommit=True) as connection:
            statement = "create database {} template template0 encoding 'LATIN1' locale 'C'"
            connection.execute(sql.SQL(statement).format(sql.Identifier(f"{self.stem}_{name}")))
        with psycopg.connect(self._template(name), autocommit=True) as connection:
            connection.execute(script)


def test_text_that_the_encoding_cannot_hold(server, tmp_path):
    """A text that the target's encoding cannot hold fails its object with the reason; the others arrive."""
    line = Line(**Narrow(server).addresses(), folder=tmp_path)
    try:
        line.sql("insert into bare.person (name) values ('caf\u00e9'), ('sna\u2603man'), ('plain')")
        line.sql("insert into bare.booking (property, number, person_id, amount) "
                 "select 'P', person_id::text, person_id, 1 from bare.person")  # fmt: skip
        line.start()
        line.drain()
        assert states(line) == {("person", "2"): "failed", ("booking", "2"): "waiting"}
        (reason,) = [reason for entity, _, _, reason in line.problems() if entity == "person"]
        assert "has no equivalent in encoding" in reason
        line.sql("update bare.person set name = 'snowman' where person_id = 2")
        line.drain()
        assert states(line) == {}
        line.check()
    finally:
        line.end()


def test_key_that_the_encoding_cannot_hold(server, tmp_path):
    """A key that the target's encoding cannot hold fails its object, which is told again if the batch comes again."""
    with connect(server.address(), name="test") as connection:
        tables = schema(connection)
    line = OddLine(**Narrow(server, plan=ODD, schema=tables, native="").addresses(), folder=tmp_path)
    try:
        line.sql(ODD_SEED)
        line.start()
        line.drain()
        line.sql("insert into bare.kind values ('\u2603', 'kind'); update bare.odd set bytewise = 'new';"
                 "update bare.odd_use set kind = '\u2603'")  # fmt: skip
        line.catch_up()
        line.generate()
        line.transfer()
        batch, applied = line.process()
        failed = {(p.entity, p.key): p.state for p in applied.problems}
        assert failed == {("kind", "\u2603"): "failed", ("odd_use", "1"): "failed"}
        content = message.read(line.spools[1].read(batch.file, checksum=batch.checksum), plan=line.plan)
        assert line.new_applier(line.checking).apply(batch, content).problems == applied.problems
        assert line.checking.execute("select count(*) from bare.odd where bytewise = 'new'").fetchone() == (3,)
        line.sql("update bare.odd_use set kind = 'K & L'; delete from bare.kind where code = '\u2603'")
        line.drain()
        assert states(line) == {}
        assert line.compare().differences == []
    finally:
        line.drop()


def test_value_of_who_is_known_that_the_encoding_cannot_hold(server, tmp_path):
    """Whom a value of his would tell that the target's encoding cannot hold is nobody there, and fails alone."""
    plan = load_plan_text(text=KNOWN, file="bare.yaml")
    line = Line(**Narrow(server, plan=plan).addresses(), folder=tmp_path, plan=plan, watch=False)
    try:
        line.start()
        line.sql("insert into bare.person (name, email) values ('a', 'a@x'), ('snow', '\u2603@x'), ('n', 'native 3')")
        line.sql("insert into bare.booking (property, number, person_id, amount) "
                 "select 'P', name, person_id, 1 from bare.person")  # fmt: skip
        line.drain()
        assert states(line) == {("person", "2"): "failed", ("booking", "2"): "waiting", ("person", "3"): "warning"}
    finally:
        line.end()


def test_object_too_large(bare_line):
    """An object that is too large for the source to write as one text fails alone, and arrives when it is smaller."""
    line = bare_line
    line.sql("insert into bare.person (name) values ('one'); "
             "insert into bare.booking (property, number, person_id, amount, raw) "
             "values ('P', '1', 1, 1, '\\x00'), ('P', '2', 1, 1, decode(repeat('00', 135000000), 'hex'))")  # fmt: skip
    line.start()
    line.source.watch = False  # nobody looks at what is as large as this
    line.drain(compare=False)
    assert states(line) == {("booking", "2"): "failed"}
    assert line.problems()[0][3].startswith("it is too large to be read as one text")
    assert line.checking.execute("select number from bare.booking where property = 'P'").fetchall() == [("1",)]
    line.sql("update bare.booking set raw = null where booking_id = 2")
    line.source.watch = True
    line.drain()
    assert states(line) == {}
    line.check()
