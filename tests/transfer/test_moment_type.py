"""Dangerous moments of types: an equality that is coarser than the content, collations, money, an encoding."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from slacktide.postgres.connection import connect
from slacktide.transfer import prepare
from tests.transfer.line import Databases
from tests.transfer.odd import PLAN, SEED, OddLine, has_citext, has_icu, schema
from tests.transfer.verified import FULL_SCHEMA, VerifiedLine
from tests.transfer.verified import PLAN as VERIFIED_PLAN

SMALL = """
insert into bare.person (name) values ('J\u00e4ger & S\u00f6hne');
insert into bare.booking (property, number, person_id, amount, note)
    select 'P', 'N' || n, 1, n, 'plain' from generate_series(1, 3) n;
"""
NATIVE = """
insert into bare.property (code) values ('Z');
insert into bare.odd (property) select 'Z' from generate_series(1, 7);
"""


@pytest.fixture(scope="module")
def odd(server):
    """Give the templates of this module's lines."""
    with connect(server.address(), name="test") as connection:
        tables = schema(connection)
    return Databases(server, plan=PLAN, schema=tables, native=NATIVE)


@pytest.fixture
def begun(odd, tmp_path):
    """Give a line with a few objects, whose pass is still to come."""
    line = OddLine(**odd.addresses(), folder=tmp_path)
    try:
        line.sql(SEED)
        line.start()
        yield line
    finally:
        line.drop()


@pytest.fixture
def line(begun):
    """Give a line whose pass has arrived."""
    begun.drain_and_check()
    return begun


COARSE = {
    "an interval": "every = '24:00:00'",
    "a fraction's zeros": "n = 1.00",
    "an array's": "numbers = '{1.00,2}'",
    "a document's": """document = '{"a": 1.00}'""",
    "a text without case": "named = 'NAME'",
    "a collation without case": "folded = 'ABC 1'",
}
COARSE_KEYS = {
    "an interval": "span = '24:00:00'",
    "a text without case": "named = 'NAME'",
    "a collation without case": "code = 'CODE'",
}


def require(line, what):
    """Skip a test of what this server does not have."""
    if what == "a collation without case" and not has_icu(line.checking):
        pytest.skip("this server has no ICU, so no collation that does not tell case apart")
    if what == "a text without case" and not has_citext(line.checking):
        pytest.skip("this server does not have the extension citext")


@pytest.mark.parametrize("what", COARSE)
def test_equal_and_another(line, what):
    """A change arrives though the type or the collation calls the old and the new value equal."""
    require(line, what)
    line.sql(f"update bare.odd set {COARSE[what]} where odd_id = 1")
    line.drain_and_check()


@pytest.mark.parametrize("what", COARSE_KEYS)
def test_key_equal_and_another(line, what):
    """A change of a part's key arrives though both are equal."""
    require(line, what)
    line.sql(f"update bare.odd_part set {COARSE_KEYS[what]} where odd_id = 1")
    line.drain_and_check()


def test_keys_always_drawn(line):
    """Keys that are generated always move, drawn by the target or kept: new ones, changed ones and deleted ones."""
    line.sql("insert into bare.odd (property, bytewise) values ('P', 'new'); "
             "delete from bare.odd_part where odd_id = 2; "
             "delete from bare.odd_remark where odd_id = 2; delete from bare.odd where odd_id = 2; "
             "insert into bare.mark values (default); update bare.odd_use set mark_id = 2, kind = null")  # fmt: skip
    line.drain_and_check()
    assert line.checking.execute("select odd_id from bare.odd where bytewise = 'new'").fetchone() == (11,)
    assert line.checking.execute("select odd_use_id, mark_id from bare.odd_use").fetchall() == [(1, 2)]
    line.sql("update bare.odd set bytewise = 'newer' where odd_id = 4")
    line.drain_and_check()


def test_prepared_with_keys_always_drawn(database):
    """A table whose key no update can set is proved by another column; one that holds nothing else need not be."""
    with connect(database, name="test") as connection:
        connection.execute(schema(connection) + SEED)
        prepare.prepare_source(connection, plan=PLAN, move="m")
        prepare.clean_source(connection, move="m")


def test_collations_beside_each_other(begun):
    """Texts and keys in several collations are read together, plain ones and those that XML needs escaped."""
    line = begun
    line.drain_and_check()
    line.sql("update bare.odd set bytewise = 'a', german = 'b', folded = '<c & d> ' || odd_id; "
             "update bare.odd_part set note = 'plain'; insert into bare.kind values ('new'); "
             "insert into bare.sort values ('new'); update bare.odd_use set kind = 'new', sort = 'new'")  # fmt: skip
    line.drain_and_check()


def test_unique_without_case_swaps(line):
    """Unique values that a collation calls equal change hands."""
    require(line, "a collation without case")
    line.sql("begin; update bare.odd set folded = 'third' where odd_id = 1; update bare.odd set folded = 'ABC 1' "
             "where odd_id = 2; update bare.odd set folded = 'abc 2' where odd_id = 1; commit")  # fmt: skip
    line.drain_and_check()


class Latin(Databases):
    """Databases of which the source's encoding is LATIN1."""

    def _make(self, name, script):
        if name == "source":
            with psycopg.connect(self.server.address(), autocommit=True) as connection:
                statement = "create database {} template template0 encoding 'LATIN1' locale 'C'"
                connection.execute(sql.SQL(statement).format(sql.Identifier(f"{self.stem}_{name}")))
            with psycopg.connect(self._template(name), autocommit=True) as connection:
                connection.execute(script)
        else:
            super()._make(name, script)


def test_source_in_latin(server, tmp_path):
    """Every character that a source in LATIN1 can hold arrives in a target in UTF8, escaped or not."""
    line = VerifiedLine(**Latin(server, plan=VERIFIED_PLAN, schema=FULL_SCHEMA).addresses(), folder=tmp_path)
    try:
        line.sql(SMALL)
        line.start()
        line.drain()
        everything = "".join(map(chr, range(1, 256)))
        line.sql("update bare.booking set note = %s where booking_id = 1", everything)
        line.sql("update bare.booking set number = 'caf\u00e9', note = 'R&D <\u00fc>' where booking_id = 2")
        line.drain()
        there = dict(line.checking.execute("select number, note from bare.booking where property = 'P'").fetchall())
        assert there == {"N1": everything, "caf\u00e9": "R&D <\u00fc>", "N3": "plain"}
        assert line.compare().differences == []
    finally:
        line.drop()


def test_kept_key_with_escapes(line):
    """A kept key with a backslash, a tab or a line end arrives as it is, and what refers to it; it changes and goes."""
    keys = ["ends with \\", "a\\tb", "\\N", "\\", "a tab\tin", "a line\nend\r"]
    for key in keys:
        line.sql("insert into bare.kind values (%s, 'kind')", key)
        line.sql("insert into bare.odd_use (property, kind) values ('P', %s)", key)
    line.drain_and_check()
    assert line.problems() == []
    line.sql("update bare.kind set name = name || '!'; update bare.odd_use set sort = 'S & T'")
    line.drain_and_check()
    line.sql("delete from bare.odd_use where kind <> 'K & L'; delete from bare.kind where code <> 'K & L'")
    line.drain_and_check()
    assert line.problems() == []
    assert line.checking.execute("select code from bare.kind").fetchall() == [("K & L",)]
