"""Columns that lead to a key, each in a collation of its own: what leads there is followed at every step of a move."""

from __future__ import annotations

import msgspec
import pytest
from psycopg.sql import SQL

from slacktide.plan.check import check_plan
from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect
from slacktide.transfer import clearing_sql, configuration_sql, conversion_sql, returning_sql
from tests.transfer.line import PLAN as BARE
from tests.transfer.line import SCHEMA, Databases
from tests.transfer.odd import has_icu, text_with
from tests.transfer.verified import VerifiedLine

TABLES = """
create collation bare.first from "C";
create collation bare.second from "POSIX";
create table bare.word (word text collate bare.first primary key, parent text collate bare.second references bare.word,
    rate text, name text);
create table bare.deed (deed text collate bare.first primary key, property text not null references bare.property,
    name text);
create table bare.clause (clause text collate bare.first primary key,
    deed text collate bare.second not null references bare.deed, word text collate bare.second references bare.word,
    name text, unique (clause, deed));
create table bare.claim (claim text collate bare.first primary key,
    deed text collate bare.second not null references bare.deed, clause text collate bare.second references bare.clause,
    other_deed text collate bare.second references bare.deed, own_deed text collate bare.second references bare.deed);
"""
ENTITIES = """
  word:
    title: Words
    phase: online
    table: bare.word
    key: word
    drawn: false
    shared: true
    columns: {word: text, parent: text?, rate: text?, name: text?}
    codes: {rate: "rate?"}
    references: {parent: word}
  deed:
    title: Deeds
    phase: online
    table: bare.deed
    key: deed
    drawn: false
    property: property
    columns: {deed: text, property: text, name: text?}
    parts:
      clause:
        table: bare.clause
        key: clause
        drawn: false
        root: deed
        columns: {clause: text, deed: text, word: text?, name: text?}
        references: {word: word}
  claim:
    title: Claims
    phase: online
    table: bare.claim
    key: claim
    drawn: false
    via: deed
    columns: {claim: text, deed: text, clause: text?, other_deed: text?, own_deed: text?}
    references:
      deed: deed
      clause: deed.clause
      other_deed: {to: deed, unknown: leave null}
      own_deed: {to: deed, unknown: refuse}
"""
PLAN = load_plan_text(text=text_with(ENTITIES), file="bare.yaml")
SEED = """
insert into bare.word values ('a', null, 'R', ''), ('b', 'a', 'T', ''), ('c', null, 'U', '');
insert into bare.deed values ('d1', 'P', ''), ('d2', 'P', ''), ('q1', 'Q', ''), ('q2', 'Q', '');
insert into bare.clause values ('c1', 'd1', 'b', ''), ('c2', 'q1', 'c', '');
insert into bare.claim values ('m1', 'd1', 'c1', 'd2', 'd2'), ('m2', 'd1', 'c2', 'q2', null);
"""
ROWS = {
    "word": "select word, parent, name from bare.word",
    "deed": "select * from bare.deed where deed <> 'q2'",
    "clause": "select * from bare.clause",
    "claim": "select claim, deed, clause, nullif(other_deed, 'q2'), own_deed from bare.claim",
}


@pytest.fixture(scope="module")
def databases(server):
    """Give the templates of this module's lines."""
    return Databases(server, plan=PLAN, schema=SCHEMA + TABLES)


@pytest.fixture
def line(databases, tmp_path):
    """Give a line whose pass has arrived."""
    line = VerifiedLine(**databases.addresses(), folder=tmp_path, plan=PLAN, codes={"rate": {"R": "S"}})
    try:
        line.sql(SEED)
        line.start()
        arrived(line)
        yield line
    finally:
        line.drop()


def arrived(line):
    """Go on to the end; hold the target's rows against the source's, and both by the verification."""
    line.drain()
    for name, query in ROWS.items():
        here, there = (
            sorted(connection.execute(query).fetchall(), key=str) for connection in (line.trading, line.checking)
        )
        assert there == here, name
    assert [(d.entity, d.key, d.what) for d in line.compare().differences] == []


def test_moves(line):
    """Objects, parts, what belongs through another, is left null, comes along or goes again: each change arrives."""
    line.sql("insert into bare.deed values ('d3', 'P', ''); insert into bare.clause values ('c3', 'd3', 'a', ''); "
             "insert into bare.claim values ('m3', 'd3', 'c3', null, 'd3')")  # fmt: skip
    arrived(line)
    line.sql("update bare.clause set deed = 'd2' where clause = 'c1'; update bare.deed set name = 'x'; "
             "update bare.clause set name = 'x'; update bare.word set name = 'x'")  # fmt: skip
    arrived(line)
    line.sql("delete from bare.claim where claim = 'm3'; delete from bare.clause where clause = 'c3'; "
             "delete from bare.deed where deed = 'd3'")  # fmt: skip
    line.sql("update bare.claim set other_deed = 'd2' where claim = 'm2'")
    arrived(line)
    line.sql("update bare.claim set clause = null where claim = 'm2'")
    line.drain()
    there = line.checking.execute("select clause from bare.clause order by 1").fetchall()
    assert there == [("c1",)], "what nothing refers to any more went"


def test_changes_hands(line):
    """A claim goes with the deed that it belongs through, and one that names a deed of others is refused, by name."""
    line.sql("update bare.deed set property = 'Q' where deed = 'd2'")
    line.drain()
    assert ("claim", "m1") in [(entity, key) for entity, key, state, _ in line.problems() if state == "failed"]
    line.sql("update bare.deed set property = 'P' where deed = 'd2'")
    arrived(line)
    line.sql("update bare.deed set property = 'Q' where deed = 'd1'")
    line.drain()
    assert line.checking.execute("select claim from bare.claim").fetchall() == []


def test_codes(line):
    """The codes of words are counted to which a deed's clause leads, also over another word."""
    entity = PLAN.entity["word"]
    query = conversion_sql.in_use(PLAN, entity, entity.root, entity.root.codes[0])
    assert sorted(line.trading.execute(query, {"property": "P"}).fetchall()) == [("R", 1), ("T", 1)]


def test_what_is_asked_seldom(line):
    """What is asked when a move is cleared, copied as configuration or taken back, can be asked."""
    deed = PLAN.entity["deed"]
    clause = deed.parts[0]
    asked = [
        (clearing_sql.of_property(PLAN, deed, clause, what=SQL("select * from")), {"property": "P"}),
        (configuration_sql.read_entity(PLAN, deed, clause, of="P", becomes="P"), {}),
    ]
    for statement, values in asked:
        assert [row[0] for row in line.trading.execute(statement, values)] == ["c1"]
    with connect(line.addresses[1], name="test") as target, target.transaction():
        target.execute(clearing_sql.make_going())
        for entity in PLAN.moving:
            target.execute(clearing_sql.fill_going(entity), {"move_no": 1})
        for entity in PLAN.moving:
            target.execute(clearing_sql.keep_referred(PLAN, entity) or "select")
        kept = target.execute("select count(*) from pg_temp.slacktide_going").fetchone()
        assert kept == target.execute("select count(*) from slacktide.key_map where name not like '%%.%%'").fetchone()
        target.execute(returning_sql.never_arrived(PLAN, deed, clause), {"move_no": 1, "property": "P"})


def test_of_a_type_of_its_own(two_databases):
    """Of a type of the schema's own the plan does not know whether it has a collation: two of them are an error."""
    tables = "create domain bare.term as text;" + TABLES.replace("parent text", "parent bare.term")
    tables = tables.replace("word text collate bare.first primary", "word bare.term collate bare.first primary")
    entities = ENTITIES.replace("word: text, parent: text?", "word: bare.term, parent: bare.term?")
    plan = load_plan_text(text=text_with(entities), file="bare.yaml")
    two_databases["source"].execute(SCHEMA + tables)
    [error] = check_plan(plan=plan, source=two_databases["source"]).errors
    assert error.field == "entities.word.columns.parent"
    assert "parent has the collation bare.second, and the key of word, to which it leads, bare.first" in error.message
    two_databases["source"].execute("alter table bare.word alter parent type bare.term collate bare.first")
    assert check_plan(plan=plan, source=two_databases["source"]).errors == ()


def test_codes_that_a_collation_calls_equal(two_databases):
    """Codes that differ in case alone are counted apart, and used apart, whatever their column's collation says."""
    source = two_databases["source"]
    if not has_icu(source):
        pytest.skip("this server has no ICU, so no collation that does not tell case apart")
    folded = "create collation bare.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
    source.execute(SCHEMA + folded + "alter table bare.booking alter rate type text collate bare.folded")
    source.execute("insert into bare.person (name) values ('one')")
    rate = "case when n < 3 then 'r' else 'R' end"
    source.execute("insert into bare.booking (property, number, person_id, amount, rate) "
                   f"select 'P', n, 1, 1, {rate} from generate_series(1, 5) n")  # fmt: skip
    entity = BARE.entity["booking"]
    asked = (BARE, entity, entity.root, entity.root.codes[0])
    counted = source.execute(conversion_sql.in_use(*asked), {"property": "P"}).fetchall()
    assert sorted(counted) == [("R", 3), ("r", 2)]
    using = {"property": "P", "codes": ["r"], "outside": []}
    assert sorted(source.execute(conversion_sql.users(*asked), using)) == [("1",), ("2",)]
    (listed,) = BARE.lists
    source.execute("alter table bare.booking rename rate to code")
    table = msgspec.structs.replace(listed, table="booking")
    assert sorted(source.execute(conversion_sql.valid(table))) == [(None, "R"), (None, "r")]
