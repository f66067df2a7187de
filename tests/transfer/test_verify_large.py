"""Objects that the databases cannot put into one text are named by the verification, which goes on with the others."""

from __future__ import annotations

import msgspec
import psycopg
import pytest

from slacktide.transfer.verify import compare, digests
from slacktide.transfer.verify_read import Reader
from slacktide.transfer.verify_sql import Side
from tests.transfer.line import Databases
from tests.transfer.verified import FULL_SCHEMA, PLAN, TODAY, VerifiedLine


@pytest.fixture(scope="module")
def databases(server):
    """Give the templates of this module's lines."""
    return Databases(server, plan=PLAN, schema=FULL_SCHEMA)


@pytest.fixture
def line(databases, tmp_path):
    """Give a line with bookings that have arrived, and the statement by which the second one becomes too large."""
    line = VerifiedLine(**databases.addresses(), folder=tmp_path)
    try:
        line.sql("insert into bare.person (name) values ('one')")
        line.sql("insert into bare.booking (property, number, person_id, amount, rate) "
                 "select 'P', n, 1, 1, 'R' from generate_series(1, 2) n")  # fmt: skip
        line.start()
        line.drain()
        yield line
    finally:
        line.drop()


LARGE = """
update bare.booking set raw = decode(repeat('00', 270000000), 'hex') where number = '2';
update bare.booking set raw = raw || raw where number = '2'
"""


@pytest.mark.long  # the server takes 2 GB of memory for it
def test_named(line):
    """What is too large to be compared differs, by name, whole and ahead; the others are compared, and written down."""
    line.tamper(LARGE)
    found = line.ahead()
    assert [(d.entity, d.key) for d in found.differences] == [("booking", "2")]
    assert found.differences[0].what.startswith("it is too large at the target to be compared: as one text it is more")
    assert found.rows["source"] == found.rows["target"]
    assert (found.rows["source"]["booking"], found.different) == (2, 1)
    line.tamper("update bare.booking set raw = null where number = '2'")
    assert line.compare().equal


def test_at_both_sides(line, monkeypatch):
    """It may be too large at the source, or at both sides: that both say so makes it no equal one."""
    whole = Reader.lines_of

    def lines_of(reader, entity, *, keys, content=True, **values):
        meant = content and entity.name == "booking" and reader.side in large
        if meant and (keys is None or reader.own_keys(entity, ["2"])[0] in keys):
            raise psycopg.errors.ProgramLimitExceeded
        return whole(reader, entity, keys=keys, content=content, **values)

    large = [Side.SOURCE]
    monkeypatch.setattr(Reader, "lines_of", lines_of)
    assert [(d.key, d.what[:32]) for d in line.compare().differences] == [("2", "it is too large at the source to")]
    large.append(Side.TARGET)
    [difference] = line.compare().differences
    assert difference.what.startswith("it is too large at the source and too large at the target to be compared")
    with line.both() as both:
        there = digests(connection=both["target"], side=Side.TARGET, subject=both["subject"])
        assert [(entity, key) for entity, key, digest in there if not digest] == [("booking", "2")]
    accepted = msgspec.structs.replace(line.subject, accepted={"booking": {"2"}})
    with line.both() as both:
        found = compare(**{**both, "subject": accepted}, business_date=TODAY)
    assert (found.equal, [each.key for each in found.accepted]) == (True, ["2"])
