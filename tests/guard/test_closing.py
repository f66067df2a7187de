"""Closing to quiet: the dangerous moments of the barrier, each made to happen."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest

from slacktide.core.errors import SQLSTATE_CLOSED
from slacktide.guard import closing
from slacktide.guard.holders import holders
from slacktide.guard.install import NotAutocommit, install
from slacktide.guard.state import IllegalEvent, State
from slacktide.guard.table import GuardedTable
from slacktide.postgres.connection import connect
from slacktide.postgres.server import Server
from tests.guard.conftest import TABLES

WRITE = "update hotel.folio set note = 'x' where folio_id = 1"
WRITE_PART = "insert into hotel.posting (folio_id) values (1)"
WRITE_CITY = "update hotel.folio set note = 'x' where folio_id = 150"
LOCK = "select pg_advisory_xact_lock(slacktide.guard_lock_class(), slacktide.guard_lock_key('RESORT'))"


def wait_until(connection, statement):
    """Wait until a query gives true, at most ten seconds."""
    limit = time.monotonic() + 10
    while not connection.execute(statement).fetchone()[0]:
        assert time.monotonic() < limit, statement
        time.sleep(0.01)


def test_an_open_writer_holds_quiet_up(guarded, session):
    """Who passed the look before the closing is waited for, and quiet comes when it has ended."""
    writer = session(autocommit=False)
    writer.execute(WRITE)
    closing.begin_closing(guarded, organization="RESORT")
    assert not closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50)
    assert closing.state(guarded, organization="RESORT").state == State.CLOSING
    writer.commit()
    assert closing.try_quiet(guarded, organization="RESORT")
    assert closing.state(guarded, organization="RESORT").state == State.QUIET


def test_a_writer_that_waited_for_the_lock_sees_the_closing(guarded, session):
    """A writer that queues while the closing commits is refused: it looks in a further statement."""
    closer = session(user=None, autocommit=False)
    closer.execute(LOCK)
    writer, outcome = session(), []
    thread = threading.Thread(target=lambda: outcome.append(attempt(writer, WRITE)))
    thread.start()
    wait_until(guarded, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
    closing.begin_closing(guarded, organization="RESORT")
    closer.commit()
    thread.join(10)
    assert outcome == [SQLSTATE_CLOSED]


def attempt(connection, statement):
    """Give the SQLSTATE of a refusal, or None."""
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return None


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
@pytest.mark.parametrize("statement", [WRITE, WRITE_PART, "insert into hotel.event values (7, 'RESORT')"])
def test_an_old_snapshot_gets_a_serialization_failure(guarded, session, isolation, statement):
    """A snapshot from before the closing cannot write after it, though no look can show it the closing."""
    writer = session(autocommit=False, isolation=isolation)
    writer.execute("select count(*) from hotel.folio")
    closing.begin_closing(guarded, organization="RESORT")
    assert closing.try_quiet(guarded, organization="RESORT")
    assert attempt(writer, statement) == "40001"
    writer.rollback()
    assert attempt(writer, statement) == SQLSTATE_CLOSED


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
def test_old_snapshots_of_others_go_on(guarded, session, isolation):
    """The closing of one organization does not fail another's old snapshot."""
    writer = session(autocommit=False, isolation=isolation)
    writer.execute("select count(*) from hotel.folio")
    closing.begin_closing(guarded, organization="RESORT")
    assert attempt(writer, WRITE_CITY) is None
    writer.commit()


def test_an_old_snapshot_cannot_truncate(guarded, session):
    """TRUNCATE from a snapshot before the closing is refused, too."""
    writer = session(autocommit=False, isolation="repeatable read")
    writer.execute("select count(*) from pg_class")
    closing.begin_closing(guarded, organization="RESORT")
    assert attempt(writer, "truncate hotel.posting") == "40001"


def test_truncate_is_waited_for(guarded, session):
    """A TRUNCATE that passed the look holds up the closing of an organization that had no state yet."""
    writer = session(user=None, autocommit=False)
    writer.execute("truncate hotel.posting")
    closing.begin_closing(guarded, organization="NEW")
    assert not closing.try_quiet(guarded, organization="NEW", lock_timeout_ms=50)
    writer.commit()
    assert closing.try_quiet(guarded, organization="NEW")


def test_the_closer_died_before_it_published_the_epoch(guarded, session):
    """`try_quiet` publishes an epoch that a killed closer left behind, before it waits for anybody."""
    first, second = (session(autocommit=False, isolation="repeatable read") for _ in range(2))
    first.execute(WRITE_PART)
    second.execute("select count(*) from hotel.folio")
    closing.register(guarded, organization="RESORT")
    guarded.execute(
        "update slacktide.guard_closing set state = 'closing', epoch = epoch + 1 where organization = 'RESORT'"
    )
    assert not closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50)
    assert attempt(second, WRITE_PART) == "40001"


def test_an_old_look_changes_nothing(guarded):
    """Who was held up between a look and the closing changes nothing once somebody opened meanwhile, even to open."""
    closing.register(guarded, organization="RESORT")
    seen = closing.state(guarded, organization="RESORT")
    closing.reopen(guarded, organization="RESORT", epoch=seen.epoch)
    with pytest.raises(closing.Overtaken):
        closing.begin_closing(guarded, organization="RESORT", epoch=seen.epoch)
    assert closing.state(guarded, organization="RESORT").state == State.OPEN
    seen = closing.state(guarded, organization="RESORT")
    assert closing.begin_closing(guarded, organization="RESORT", epoch=seen.epoch).state == State.CLOSING
    with pytest.raises(closing.Overtaken):
        closing.reopen(guarded, organization="RESORT", epoch=seen.epoch)


def test_an_old_look_lets_no_tester_in(guarded):
    """Testers who are let in by a look that is older than their being turned out stay out."""
    closing.prepare_target(guarded, organization="RESORT")
    seen = closing.state(guarded, organization="RESORT")
    closing.prepare_target(guarded, organization="RESORT")
    with pytest.raises(closing.Overtaken, match="Try again"):
        closing.begin_verifying(guarded, organization="RESORT", epoch=seen.epoch)
    assert closing.state(guarded, organization="RESORT").state == State.PREPARED


def test_a_closing_that_was_rolled_back_disturbs_nobody(guarded, session):
    """An epoch is published only after its row has committed, so a rolled back closing leaves no trace."""
    writer = session(autocommit=False, isolation="repeatable read")
    writer.execute("select count(*) from hotel.folio")
    closing.register(guarded, organization="RESORT")
    with guarded.transaction(force_rollback=True):
        closing._change(guarded, organization="RESORT", event=closing.Event.CLOSE)  # noqa: SLF001 -- half a closing
    closing.register(guarded, organization="RESORT")
    assert attempt(writer, WRITE) is None
    writer.commit()


def test_who_is_refused_does_not_queue_behind_the_closer(guarded, session):
    """While the closer waits for a long writer, others of the organization are refused at once."""
    long, closer, writer = session(autocommit=False), session(user=None, autocommit=False), session()
    long.execute(WRITE)
    closing.begin_closing(guarded, organization="RESORT")
    thread = threading.Thread(target=lambda: closer.execute(LOCK))
    thread.start()
    wait_until(guarded, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
    writer.execute("set statement_timeout = '1s'")
    try:
        assert attempt(writer, WRITE_PART) == SQLSTATE_CLOSED
        assert attempt(writer, WRITE_CITY) is None
    finally:
        long.commit()
        thread.join(10)


def test_closing_and_quiet_survive_a_crash_though_commits_are_asynchronous():
    """What was said is on disk, and with quiet every asynchronous commit that came before it."""
    folder = Path(tempfile.mkdtemp(prefix="slacktide-test-"))
    lazy = {"fsync": "off", "synchronous_commit": "off", "wal_writer_delay": "10s", "autovacuum": "off"}
    server = Server(folder, settings=lazy)
    try:
        with server:
            with connect(server.address(), name="closer") as closer, connect(server.address(), name="clerk") as clerk:
                closer.execute("create table public.folio (folio_id int, property_code text)")
                folio = GuardedTable(schema="public", table="folio", organization="r.property_code")
                install(closer, tables=[folio])
                closer.execute("checkpoint")
                closing.begin_closing(closer, organization="CITY")
                clerk.execute("insert into public.folio values (1, 'RESORT')")
                closing.begin_closing(closer, organization="RESORT")
                assert closing.try_quiet(closer, organization="RESORT")
                server.kill()
            server.restart()
            with connect(server.address(), name="closer") as closer:
                assert closing.state(closer, organization="CITY").state == State.CLOSING
                assert closing.state(closer, organization="RESORT").state == State.QUIET
                assert closer.execute("select count(*) from public.folio").fetchone() == (1,)
                assert attempt(closer, "insert into public.folio values (2, 'RESORT')") == SQLSTATE_CLOSED
    finally:
        shutil.rmtree(server.cluster, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def test_the_life_of_a_source(guarded, session):
    """Closing, quiet, reopened; closing, quiet, reference only: each event as the table says."""
    closing.begin_closing(guarded, organization="RESORT", reason="moving")
    assert closing.begin_closing(guarded, organization="RESORT", reason="moving").state == State.CLOSING
    assert closing.try_quiet(guarded, organization="RESORT")
    assert closing.state(guarded, organization="RESORT").reason == "moving"
    closing.reopen(guarded, organization="RESORT")
    assert attempt(session(), WRITE) is None
    with pytest.raises(IllegalEvent):
        closing.make_reference_only(guarded, organization="RESORT", lives_at="there")
    with pytest.raises(IllegalEvent):
        closing.try_quiet(guarded, organization="RESORT")
    closing.begin_closing(guarded, organization="RESORT")
    assert closing.try_quiet(guarded, organization="RESORT")
    assert closing.make_reference_only(guarded, organization="RESORT", lives_at="there").lives_at == "there"


def test_the_life_of_a_target(guarded, session):
    """Prepared: only the mover; verifying: testers, too, and recorded; open: everybody."""
    writer = session(user=None, autocommit=False)
    writer.execute(WRITE)
    closing.prepare_target(guarded, organization="RESORT")
    assert not closing.try_drained(guarded, organization="RESORT", lock_timeout_ms=50)
    writer.rollback()
    assert closing.try_drained(guarded, organization="RESORT")
    guarded.execute("grant all on schema hotel to slacktide_tester, slacktide_mover; "
                    "grant all on all tables in schema hotel to slacktide_tester, slacktide_mover")  # fmt: skip
    mover, tester, clerk = (session(user=f"slacktide_{name}") for name in ("mover", "tester", "clerk"))
    assert [attempt(who, WRITE) for who in (mover, tester, clerk)] == [None, SQLSTATE_CLOSED, SQLSTATE_CLOSED]
    closing.begin_verifying(guarded, organization="RESORT")
    assert [attempt(who, WRITE) for who in (mover, tester, clerk)] == [None, None, SQLSTATE_CLOSED]
    assert attempt(tester, "truncate hotel.posting") == SQLSTATE_CLOSED
    touched = "select relation, operation, organizations, row_count from slacktide.guard_touched"
    assert guarded.execute(touched).fetchall() == [("hotel.folio", "UPDATE", ["RESORT"], 1)]
    closing.open_target(guarded, organization="RESORT")
    assert [attempt(who, WRITE) for who in (mover, tester, clerk)] == [None, None, None]


def test_a_transaction_of_the_callers_is_refused(guarded, database):
    """A closing that would commit only with the caller's transaction is refused as our own mistake."""
    with connect(database, name="test", autocommit=False) as connection, pytest.raises(NotAutocommit):
        closing.begin_closing(connection, organization="RESORT")


def test_a_root_that_moved_in_while_its_part_was_open(guarded, session):
    """A part judged by its root's old organization is waited for when that root has moved into the closed one."""
    part, root = session(autocommit=False), session()
    part.execute("insert into hotel.posting (folio_id, amount) values (150, 77)")
    root.execute("update hotel.folio set property_code = 'RESORT' where folio_id = 150")
    closing.begin_closing(guarded, organization="RESORT")
    assert not any(closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50) for _ in range(3))
    assert [holder.state for holder in holders(guarded, organization="RESORT")] == ["idle in transaction"]
    later = session(autocommit=False)
    later.execute(WRITE_CITY.replace("150", "160"))
    part.commit()
    assert closing.try_quiet(guarded, organization="RESORT")
    later.commit()


@pytest.fixture
def plain(owner, database):
    """Give the connection of a guard's owner who may not see what others do."""
    for role in ("slacktide_mover", "slacktide_tester", "slacktide_plain"):
        owner.execute(f"do $$ begin create role {role}; exception when duplicate_object then null; end $$")
    owner.execute(
        "grant slacktide_mover, slacktide_tester to slacktide_plain with admin option; "
        "grant all on schema hotel to slacktide_plain; "
        "alter table hotel.folio owner to slacktide_plain; alter table hotel.posting owner to slacktide_plain; "
        "do $$ begin execute format('grant create on database %I to slacktide_plain', current_database()); end $$"
    )
    with connect(database, name="plain") as connection:
        connection.execute("set session authorization slacktide_plain")
        install(connection, tables=TABLES[:2])
        yield connection
    owner.execute("drop owned by slacktide_plain cascade; drop role slacktide_plain")


def test_a_root_that_moved_in_is_seen_without_rights(plain, session):
    """A guard's owner who may not see what others do waits for the same transactions, and for no later ones."""
    part, root, later = session(autocommit=False), session(), session(autocommit=False)
    part.execute("insert into hotel.posting (folio_id, amount) values (150, 77)")
    root.execute("update hotel.folio set property_code = 'RESORT' where folio_id = 150")
    closing.begin_closing(plain, organization="RESORT")
    assert not any(closing.try_quiet(plain, organization="RESORT", lock_timeout_ms=50) for _ in range(3))
    (holder,) = holders(plain, organization="RESORT")
    assert (holder.user, holder.age_seconds, holder.state) == ("slacktide", 0, "")
    later.execute(WRITE_CITY.replace("150", "160"))
    part.commit()
    assert closing.try_quiet(plain, organization="RESORT")
    later.commit()


def test_a_root_that_moved_in_while_its_part_was_being_judged(guarded, session):
    """A writer that has asked whose its part is, and has no lock yet, is waited for when the root moves meanwhile."""
    guarded.execute(
        "create function hotel.owner_of(wanted bigint) returns text language plpgsql as "
        "$$ declare found text := (select property_code from hotel.folio where folio_id = wanted); "
        "begin perform pg_advisory_xact_lock_shared(42); return found; end $$"
    )
    asked = "hotel.owner_of(r.folio_id)"
    install(guarded, tables=[GuardedTable(schema="hotel", table="posting", organization=asked)])
    hand, part, root = session(user=None, autocommit=False), session(), session()
    hand.execute("select pg_advisory_xact_lock(42)")
    thread = threading.Thread(target=lambda: part.execute("insert into hotel.posting (folio_id) values (150)"))
    thread.start()
    wait_until(guarded, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
    root.execute("update hotel.folio set property_code = 'RESORT' where folio_id = 150")
    closing.begin_closing(guarded, organization="RESORT")
    try:
        assert not any(closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50) for _ in range(3))
    finally:
        hand.commit()
        thread.join(10)
    assert closing.try_quiet(guarded, organization="RESORT")


def test_a_root_that_moves_in_while_the_closer_waits(guarded, database, session):
    """A closer whose role or database begins with another isolation sees what was committed while it waited."""
    guarded.execute(f"alter database {guarded.info.dbname} set default_transaction_isolation = 'repeatable read'")
    part, root = session(autocommit=False, isolation="read committed"), session(autocommit=False)
    part.execute("insert into hotel.posting (folio_id, amount) values (150, 77)")
    root.execute("update hotel.folio set property_code = 'RESORT' where folio_id = 150")
    with connect(database, name="closer") as closer:
        closing.begin_closing(closer, organization="RESORT")
        outcome, asked = [], {"organization": "RESORT", "lock_timeout_ms": 10000}
        thread = threading.Thread(target=lambda: outcome.append(closing.try_quiet(closer, **asked)))
        thread.start()
        wait_until(guarded, "select count(*) = 1 from pg_locks where locktype = 'advisory' and not granted")
        root.commit()
        thread.join(20)
        assert outcome == [False]
        part.commit()
        assert any(closing.try_quiet(closer, organization="RESORT") for _ in range(3))


MOVES = {
    "update": "update hotel.root set property_code = 'RESORT'",
    "merge": "merge into hotel.root r using (values (1)) v (id) on v.id = r.root_id "
    "when matched then update set property_code = 'RESORT'",
    "another key": "update hotel.root set root_id = 1000, property_code = 'RESORT' where root_id = 2",
}


@pytest.mark.parametrize("move", MOVES)
def test_a_root_that_moved_to_another_partition(owner, session, move):
    """A root that changes its partition with its organization, to triggers a DELETE and an INSERT, has moved."""
    by = "range (root_id)" if move == "another key" else "list (property_code)"
    values = ("from (0) to (9)", "from (9) to (9999)") if move == "another key" else ("in ('CITY')", "in ('RESORT')")
    owner.execute(
        f"create table hotel.root (root_id bigint, property_code text not null) partition by {by}; "
        f"create table hotel.root_one partition of hotel.root for values {values[0]}; "
        f"create table hotel.root_two partition of hotel.root for values {values[1]}; "
        "create table hotel.line (root_id bigint); grant all on all tables in schema hotel to slacktide_clerk; "
        "insert into hotel.root values (1, 'CITY'), (2, 'CITY')"
    )
    of_root = "(select x.property_code from hotel.root x where x.root_id = r.root_id)"
    root = GuardedTable(schema="hotel", table="root", organization="r.property_code")
    install(owner, tables=[root, GuardedTable(schema="hotel", table="line", organization=of_root, keys=("root_id",))])
    part, mover = session(autocommit=False), session()
    part.execute("insert into hotel.line values (1), (2)")
    mover.execute(MOVES[move])
    closing.begin_closing(owner, organization="RESORT")
    assert not any(closing.try_quiet(owner, organization="RESORT", lock_timeout_ms=50) for _ in range(3))
    part.commit()
    assert closing.try_quiet(owner, organization="RESORT")


def test_a_row_that_only_changes_its_partition_has_not_moved(guarded, session):
    """A row that changes its partition and stays with its organization is no crossing."""
    session().execute("update hotel.event set event_id = event_id + 1500 where event_id < 1000")
    assert guarded.execute("select count(*) from slacktide.guard_crossing").fetchone() == (0,)


def test_an_old_snapshot_that_still_sees_the_old_root(guarded, session):
    """A snapshot from before a root moved in cannot write its parts after quiet by the root's old organization."""
    part, root = session(autocommit=False, isolation="repeatable read"), session()
    guarded.execute("alter table hotel.posting drop constraint posting_folio_id_fkey")
    part.execute("select count(*) from hotel.folio")
    root.execute("update hotel.folio set property_code = 'RESORT' where folio_id = 150")
    closing.begin_closing(guarded, organization="RESORT")
    assert [closing.try_quiet(guarded, organization="RESORT", lock_timeout_ms=50) for _ in range(2)] == [False, True]
    assert attempt(part, "insert into hotel.posting (folio_id) values (150)") == "40001"
