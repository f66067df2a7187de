"""The bare plan with an entity of types whose equality is coarser than what they hold, and of several collations."""

from __future__ import annotations

import psycopg

from slacktide.plan.load import load_plan_text
from slacktide.postgres.connection import connect
from tests.transfer import checker
from tests.transfer.line import HERE, SCHEMA, Line
from tests.transfer.verified import VerifiedLine

TABLES = """
create table bare.odd (
    odd_id bigint generated always as identity primary key, property text not null references bare.property,
    named public.citext, every interval, n numeric, numbers numeric[], document jsonb, padded char(6), price money,
    folded text collate bare.folded unique, bytewise text collate "C",
    german text collate bare.other, unique (odd_id, property));
create table bare.odd_part (odd_id bigint not null references bare.odd, code text collate bare.folded,
    named public.citext, span interval, note text collate "C", german text collate bare.other,
    primary key (odd_id, code, named, span));
create table bare.odd_remark (odd_id bigint not null references bare.odd, line int, remark text collate bare.folded,
    primary key (odd_id, line));
create table bare.kind (code text collate "C" primary key, name text);
create table bare.sort (code text collate bare.other primary key, name text);
create table bare.mark (mark_id bigint generated always as identity primary key);
create table bare.odd_use (odd_use_id bigint generated always as identity primary key,
    property text not null references bare.property, kind text collate "C" references bare.kind,
    sort text collate bare.other references bare.sort,
    mark_id bigint references bare.mark, unique (odd_use_id, property));
"""
ENTITIES = """
  odd:
    title: Odd ones
    phase: online
    table: bare.odd
    key: odd_id
    property: property
    columns:
      odd_id: bigint
      property: text
      named: public.citext?
      every: interval?
      n: numeric?
      numbers: numeric[]?
      document: jsonb?
      padded: char(6)?
      price: money?
      folded: text?
      bytewise: text?
      german: text?
    parts:
      odd_part:
        table: bare.odd_part
        key: [odd_id, code, named, span]
        root: odd_id
        columns: {odd_id: bigint, code: text, named: public.citext, span: interval, note: text?, german: text?}
      odd_remark:
        table: bare.odd_remark
        key: [odd_id, line]
        root: odd_id
        columns: {odd_id: bigint, line: integer, remark: text?}
  kind:
    title: Kinds
    phase: online
    table: bare.kind
    key: code
    drawn: false
    shared: true
    columns: {code: text, name: text?}
  sort:
    title: Sorts
    phase: online
    table: bare.sort
    key: code
    drawn: false
    shared: true
    columns: {code: text, name: text?}
  mark:
    title: Marks
    phase: online
    table: bare.mark
    key: mark_id
    drawn: false
    shared: true
    columns: {mark_id: bigint}
  odd_use:
    title: Uses of odd ones
    phase: online
    table: bare.odd_use
    key: odd_use_id
    drawn: false
    property: property
    columns: {odd_use_id: bigint, property: text, kind: text?, sort: text?, mark_id: bigint?}
    references: {kind: kind, sort: sort, mark_id: mark}
"""


def text_with(entities):
    """Give the bare plan's text with more entities."""
    text = (HERE / "bare.yaml").read_text()
    return text.replace("steps:\n", entities.lstrip("\n") + "steps:\n", 1)


PLAN = load_plan_text(text=text_with(ENTITIES), file="bare.yaml")
# Without case, and another one; where the server has no ICU, collations of its own that tell case apart.
_ICU = """
create collation bare.folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create collation bare.other (provider = icu, locale = 'de');
"""
_CITEXT, _DOMAIN = "create extension citext schema public;", "create domain public.citext as text;"
_BUILT_IN = 'create collation bare.folded from "POSIX"; create collation bare.other from "POSIX";'
SEED = """
insert into bare.odd (property, named, every, n, numbers, document, padded, price, folded, bytewise, german)
    select 'P', 'Name', '1 day', 1.0, '{1.0,2}', '{"a": 1.0}', 'ab', 12.5, 'Abc ' || n,
        'plain & <b> ' || n, 'stra\u00dfe'
    from generate_series(1, 3) n;
insert into bare.odd_part select odd_id, 'Code', 'Name', '1 day', 'a & b', '\u00e4 < \u00f6' from bare.odd;
insert into bare.odd_remark select odd_id, 1, 'Remark' from bare.odd;
insert into bare.kind values ('K & L', 'kind'); insert into bare.sort values ('S & T', 'sort');
insert into bare.mark values (default);
insert into bare.odd_use (property, kind, sort, mark_id) values ('P', 'K & L', 'S & T', 1);
"""


def has_icu(connection):
    """Tell whether the server can have a collation without case."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute("create collation pg_temp.tried (provider = icu, locale = 'und')")
    except psycopg.errors.FeatureNotSupported:
        return False
    return True


def has_citext(connection):
    """Tell whether the server has the extension `citext`."""
    return connection.execute("select from pg_available_extensions where name = 'citext'").fetchone() is not None


def schema(connection):
    """Give the tables, as this server can have them."""
    return (
        SCHEMA
        + (_ICU if has_icu(connection) else _BUILT_IN)
        + (_CITEXT if has_citext(connection) else _DOMAIN)
        + TABLES
    )


class OddLine(VerifiedLine):
    """A line of this plan."""

    def __init__(self, **named):
        super().__init__(**named, plan=PLAN, codes={"rate": {"R": "S"}})

    def drain_and_check(self):
        """Go on to the end; hold the target's texts against the source's, and both by the verification."""
        self.drain()
        with connect(self.addresses[0], name="check") as source:
            Line.compare(self, checker.rows_of(source, self.plan))
        assert [(d.entity, d.key, d.what) for d in self.compare().differences] == []
