"""Dangerous moments of a table that is altered, or hides its rows, while it is read: absence would mean deletion."""

from __future__ import annotations

import threading

import psycopg
import pytest

from slacktide.transfer.source import ChangesUnseen, SchemaChanged
from tests.transfer.test_moment_object import numbers
from tests.transfer.test_moment_stream import until

REWRITE = "alter table bare.booking alter column amount type numeric(14,3)"
READER = """
do $$ begin create role slacktide_reader; exception when duplicate_object or unique_violation then null; end $$;
grant usage on schema bare, slacktide to slacktide_reader;
grant select on all tables in schema bare, slacktide to slacktide_reader;
alter table bare.booking enable row level security;
create table bare.allowed (booking_id bigint);
grant select on bare.allowed to slacktide_reader;
create policy allowed on bare.booking using (booking_id in (select booking_id from bare.allowed));
"""


@pytest.fixture
def touched(started):
    """Give a line whose objects have arrived, and of which bookings have changed since."""
    started.drain()
    started.sql("update bare.booking set amount = amount + 1 where property = 'P'")
    started.catch_up()
    return started


def test_alter_before_the_snapshot(touched):
    """A batch that waits for an ALTER that rewrites a table sees what that made of it, and stops."""
    before = numbers(touched)
    waits = "select 1 from pg_locks where not granted and pid = %s"
    pid = touched.source.connection.info.backend_pid
    with psycopg.connect(touched.addresses[0]) as other:
        other.execute(REWRITE)

        def commit():
            until(lambda: touched.checking.execute(waits, [pid]).fetchone())
            other.commit()

        committing = threading.Thread(target=commit)
        committing.start()
        with pytest.raises(SchemaChanged, match=r"bare\.booking"):
            touched.step(compare=False)
        committing.join(30)
    assert numbers(touched) == before


def test_alter_between_snapshot_and_read(touched):
    """While a batch is read nobody alters its tables: a rewritten one would be empty in its snapshot."""
    before, refused = numbers(touched), []
    touched.source.watch = False  # it reads every table, and so would lock it

    def alter():
        touched.sql("set lock_timeout = '100ms'")
        try:
            touched.sql(REWRITE)
        except psycopg.errors.LockNotAvailable:
            refused.append(True)

    touched.source.meanwhile = alter
    touched.step(compare=False)
    assert numbers(touched) == before
    assert refused == [True]


def test_hidden_rows(bare_line):
    """Where a policy that was always there hides rows from the reader, reading fails: nothing is taken for absent."""
    line = bare_line
    line.sql(READER + "insert into bare.person (name) values ('p')")
    line.sql("insert into bare.booking (property, number, person_id, amount) values ('P', 'hidden', 1, 1)")
    line.start()
    line.source.connection.execute("set role slacktide_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        line.step(compare=False)


DROP = "alter publication slacktide_m drop table bare.night"
ADD = "alter publication slacktide_m add table bare.night"
UNSEEN = {
    "it was taken out of the publication": DROP,
    "it was made anew as it was": """begin; create table bare.keep as table bare.night; drop table bare.night;
        create table bare.night (booking_id bigint not null references bare.booking, day date not null, room text,
            price numeric(12,2) not null, primary key (booking_id, day), unique (room, day));
        insert into bare.night table bare.keep; drop table bare.keep; commit""",
}


@pytest.mark.parametrize("why", UNSEEN)
def test_out_of_the_publication(started, why):
    """A table whose changes the stream does not tell any more stops the move; prepared again, it is read anew."""
    line = started
    line.drain()
    line.sql(UNSEEN[why])
    line.sql("update bare.night set price = 99 where booking_id = 5")
    line.sql("update bare.booking set amount = 3 where booking_id = 2")
    line.catch_up()
    for _ in range(2):
        with pytest.raises(ChangesUnseen, match=r"bare\.night.*publication"):
            line.step(compare=False)
    line.prepare_again()
    line.drain()
    line.sql("update bare.night set price = 98 where booking_id = 6")
    line.drain()
    line.check()


def test_back_in_the_publication(started):
    """A table that was out of the publication between two batches is read anew, for nobody told its changes."""
    line = started
    line.drain()
    for statement in (DROP, "update bare.night set price = 99 where booking_id = 5", ADD):
        line.sql(statement)
    line.sql("update bare.booking set amount = 3 where booking_id = 2")
    line.drain()
    line.check()


def test_for_all_tables(started):
    """A publication of all tables holds each of them, also one that was made anew."""
    line = started
    line.drain()
    line.sql("drop publication slacktide_m; "
             "create publication slacktide_m for all tables with (publish_via_partition_root = true)")  # fmt: skip
    line.sql("update bare.booking set amount = 3 where booking_id = 2")
    line.drain()
    line.check()
