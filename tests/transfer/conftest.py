"""A line between two databases for each test, cloned from templates that are prepared once."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from tests.transfer.line import Databases, Line

SEED = """
insert into bare.person (name, email) select 'person ' || n, 'p' || n || '@x' from generate_series(1, 20) n;
insert into bare.booking (property, number, person_id, amount, note, raw, share, flags, seen)
    select case when n % 4 = 0 then 'Q' else 'P' end, 'N' || n, 1 + n % 20, n,
        E'line\\nbreak\\ttab \\\\N "quoted" <tag> & \\x01 \\u00e9 \\U0001F600', decode('00ff5c', 'hex'), -0.0::float8,
        '{"a": "<&\\\\n"}', now() from generate_series(1, 40) n;
insert into bare.night select booking_id, date '2026-01-01' + d, null, 10.50 from bare.booking, generate_series(0, 2) d;
insert into bare.posting (booking_id, amount, reference) select booking_id, 1.25, 'R' || booking_id from bare.booking;
insert into bare.account (property, name) values ('P', 'a'), ('P', 'b'), ('Q', 'c');
insert into bare.invoice (account_id, number, issued)
    select account_id, 'I' || account_id, '2026-01-01' from bare.account;
insert into bare.line (invoice_id, posting_id, amount) select invoice_id, invoice_id, 3 from bare.invoice;
"""


@pytest.fixture
def two_databases(server, database):
    """Give connections to a bare source and a bare target."""
    other = conninfo_to_dict(database)["dbname"] + "_other"
    server.create_database(other)
    with (
        psycopg.connect(database, autocommit=True) as source,
        psycopg.connect(server.address(other), autocommit=True) as target,
    ):
        yield {"source": source, "target": target}


@pytest.fixture(scope="session")
def databases(server):
    """Give the templates of this session's lines."""
    return Databases(server)


@pytest.fixture
def bare_line(databases, tmp_path):
    """Give a line that is prepared, with an empty source, and not started."""
    line = Line(**databases.addresses(), folder=tmp_path)
    try:
        yield line
    finally:
        line.drop()


@pytest.fixture
def started(bare_line):
    """Give a started line with a few objects, whose pass is still to come."""
    bare_line.sql(SEED)
    bare_line.start()
    return bare_line


@pytest.fixture
def own_line(started):
    """Give a started line with a few objects that have arrived; at the end, everything must hold."""
    started.drain()
    yield started
    started.drain()
    started.check()


@pytest.fixture(scope="module")
def kept(databases, tmp_path_factory):
    """Keep one line for the tests of a module that leave it as good as they found it."""
    lines = []
    yield lines, lambda: Line(**databases.addresses(), folder=tmp_path_factory.mktemp("line"))
    for line in lines:
        line.drop()


@pytest.fixture
def line(kept, request):
    """Give a started line with a few objects that have arrived; at the end, everything must hold.

    The tests of a module share it, until one of them fails.
    """
    lines, make = kept
    if not lines:
        lines.append(make())
        lines[0].sql(SEED)
        lines[0].start()
        lines[0].drain()
    failures = request.session.testsfailed
    try:
        yield lines[0]
        lines[0].drain()
        lines[0].check()
    except BaseException:
        failures = -1
        raise
    finally:
        if request.session.testsfailed != failures:
            lines.pop().drop()
