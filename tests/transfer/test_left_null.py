"""A reference that is left null, and the part to which it leads goes: by no foreign key, or with its whole leaf."""

from __future__ import annotations

import pytest

from slacktide.plan.load import load_plan_text
from tests.transfer.line import SCHEMA, Databases
from tests.transfer.odd import text_with
from tests.transfer.verified import VerifiedLine

TABLES = """
create table bare.book (book_id bigint primary key, property text not null references bare.property,
    unique (book_id, property));
create table bare.page (page_id bigint primary key, book_id bigint not null references bare.book)
    partition by range (page_id);
create table bare.page_1 partition of bare.page for values from (1) to (10);
create table bare.page_2 partition of bare.page for values from (10) to (20);
create table bare.mark (mark_id bigint primary key, property text not null references bare.property, page_id bigint,
    unique (mark_id, property));
"""
ENTITIES = """
  book:
    title: Books
    phase: online
    table: bare.book
    key: book_id
    drawn: false
    property: property
    columns: {book_id: bigint, property: text}
    parts:
      page:
        table: bare.page
        key: page_id
        drawn: false
        root: book_id
        columns: {page_id: bigint, book_id: bigint}
  mark:
    title: Marks
    phase: online
    table: bare.mark
    key: mark_id
    drawn: false
    property: property
    columns: {mark_id: bigint, property: text, page_id: bigint?}
    references: {page_id: {to: book.page, unknown: leave null}}
"""
PLAN = load_plan_text(text=text_with(ENTITIES), file="bare.yaml")
MARKS = "select mark_id from bare.mark where page_id is not null order by 1"
GONE = {
    "deleted": ("delete from bare.page where page_id = 1", [2, 3]),
    "with its object": ("delete from bare.page where book_id = 1; delete from bare.book where book_id = 1", [3]),
    "with its leaf": ("alter table bare.page detach partition bare.page_2", [1]),
}


@pytest.fixture(scope="module")
def databases(server):
    """Give the templates of this module's lines."""
    return Databases(server, plan=PLAN, schema=SCHEMA + TABLES)


@pytest.fixture
def line(databases, tmp_path):
    """Give a line whose marks have arrived, each with its page, to which the target has a foreign key."""
    line = VerifiedLine(**databases.addresses(), folder=tmp_path, plan=PLAN, codes={"rate": {"R": "S"}})
    try:
        line.sql("insert into bare.book values (1, 'P'), (2, 'P'); "
                 "insert into bare.page values (1, 1), (11, 1), (12, 2); "
                 "insert into bare.mark values (1, 'P', 1), (2, 'P', 11), (3, 'P', 12)")  # fmt: skip
        line.start()
        line.drain()
        line.tamper("set role none; alter table bare.mark add foreign key (page_id) references bare.page; "
                    "set role slacktide_mover")  # fmt: skip
        assert [mark for (mark,) in line.checking.execute(MARKS)] == [1, 2, 3]
        yield line
    finally:
        line.drop()


@pytest.mark.parametrize("how", GONE)
def test_part_goes(line, how):
    """What led to a part that is not there any more is null at the target, and equal to the source."""
    statement, marks = GONE[how]
    line.sql(statement)
    line.drain()
    assert line.problems() == []
    assert [mark for (mark,) in line.checking.execute(MARKS)] == marks
    assert line.compare().differences == []
