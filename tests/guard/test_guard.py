"""The guard's function: every route by which a row can be written is judged, by the old and the new row."""

from __future__ import annotations

import time

import psycopg
import pytest

from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY
from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.table import GuardedTable

ROUTES = {
    "insert": "insert into hotel.folio values (50000, 'RESORT', '')",
    "update": "update hotel.folio set note = 'x' where folio_id = 1",
    "delete": "delete from hotel.folio where folio_id = 1",
    "insert a part": "insert into hotel.posting (folio_id) values (1)",
    "update a part": "update hotel.posting set amount = 2 where folio_id = 1",
    "delete a part": "delete from hotel.posting where folio_id = 1",
    "partitioned": "insert into hotel.event values (3, 'RESORT')",
    "update partitioned": "update hotel.event set event_id = 4 where event_id = 1",
    "into a leaf": "insert into hotel.event_leaf values (1003, 'RESORT')",
    "delete from a leaf": "delete from hotel.event_leaf where property_code = 'RESORT'",
    "update a leaf": "update hotel.event_low set event_id = 5 where property_code = 'RESORT'",
    "across partitions": "update hotel.event set event_id = 1500 where event_id = 1",
    "move away": "update hotel.folio set property_code = 'CITY' where folio_id = 1",
    "move in": "update hotel.folio set property_code = 'RESORT' where folio_id = 150",
    "part moves away": "update hotel.posting set folio_id = 150 where folio_id = 1",
    "part moves in": "update hotel.posting set folio_id = 1 where folio_id = 150",
    "on conflict": "insert into hotel.folio values (1, 'CITY', '') on conflict (folio_id) do update set note = 'x'",
    "merge": "merge into hotel.folio f using (values (1), (150)) v (id) on v.id = f.folio_id "
    "when matched then update set note = 'merged'",
    "merge delete": "merge into hotel.folio f using (values (1)) v (id) on v.id = f.folio_id when matched then delete",
    "view": "update hotel.note set note = 'x' where folio_id = 1",
    "function": "select hotel.write_note(1)",
    "with": "with gone as (delete from hotel.posting where folio_id = 1 returning *) select count(*) from gone",
    "mixed": "update hotel.folio set note = 'x'",
    "caught": "do $$ begin update hotel.folio set note = 'x' where folio_id = 1; end $$",
    "prepared statement": "insert into hotel.posting (folio_id) select folio_id from hotel.folio where folio_id < 3",
    "truncate": "truncate hotel.posting",
    "truncate cascade": "truncate hotel.folio cascade",
    "truncate a leaf": "truncate hotel.event_leaf",
    "truncate partitioned": "truncate hotel.event",
}
CITY = {
    "root": "update hotel.folio set note = 'x' where folio_id = 150",
    "part": "insert into hotel.posting (folio_id) values (150)",
    "leaf": "insert into hotel.event_leaf values (1003, 'CITY')",
    "nothing": "update hotel.folio set note = 'x' where folio_id = -1",
}


@pytest.fixture
def closed(guarded):
    """Give the owner's connection; RESORT is closed."""
    closing.begin_closing(guarded, organization="RESORT", reason="moving")
    return guarded


@pytest.mark.parametrize("user", ["slacktide_clerk", None])
@pytest.mark.parametrize("route", ROUTES)
def test_every_route_is_refused(closed, session, refusal, route, user):
    """A closed organization takes no write by any route, from a clerk or a superuser."""
    assert refusal(session(user=user), ROUTES[route]) == SQLSTATE_CLOSED


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_passes_while_open(guarded, session, refusal, route):
    """An open organization takes the same writes as without a guard."""
    assert refusal(session(), ROUTES[route]) is None


@pytest.mark.parametrize("route", CITY)
def test_the_others_go_on(closed, session, refusal, route):
    """Another organization's rows are written as before."""
    assert refusal(session(), CITY[route]) is None


@pytest.mark.parametrize("table", ["folio", "posting", "event", "event_leaf"])
def test_copy_is_refused(closed, session, table):
    """COPY writes no row of a closed organization, into a table or straight into a leaf."""
    line = {"folio": b"50000\tRESORT\tx\n", "posting": b"50000\t1\t1\n"}.get(table, b"1003\tRESORT\n")
    with pytest.raises(psycopg.Error) as caught, session().cursor().copy(f"copy hotel.{table} from stdin") as copy:
        copy.write(line)
    assert caught.value.sqlstate == SQLSTATE_CLOSED


def test_replica_role_is_refused(closed, session, refusal):
    """`session_replication_role = replica` switches no trigger of the guard off."""
    writer = session(user=None)
    writer.execute("set session_replication_role = replica")
    assert refusal(writer, ROUTES["update"]) == SQLSTATE_CLOSED
    assert refusal(writer, ROUTES["into a leaf"]) == SQLSTATE_CLOSED
    assert refusal(writer, ROUTES["truncate"]) == SQLSTATE_CLOSED


def test_a_cascade_is_judged_by_the_root(closed, session, refusal):
    """Deleting a root with its parts is refused though the parts no longer find their root."""
    assert refusal(session(), "delete from hotel.folio where folio_id = 1") == SQLSTATE_CLOSED
    assert refusal(session(), "delete from hotel.folio where folio_id = 150") is None


def test_parts_after_their_root_moved_in_one_transaction(closed, session):
    """A root cannot be moved out first so that its parts are judged by another organization."""
    writer = session(autocommit=False)
    with pytest.raises(psycopg.Error) as caught:
        writer.execute("update hotel.folio set property_code = 'CITY' where folio_id = 1")
    assert caught.value.sqlstate == SQLSTATE_CLOSED


def test_a_caught_refusal_writes_nothing(closed, session):
    """A function that swallows the refusal has written nothing."""
    writer = session()
    writer.execute("do $$ begin insert into hotel.posting (folio_id, amount) values (1, 77); "
                   "exception when others then null; end $$")  # fmt: skip
    assert closed.execute("select count(*) from hotel.posting where amount = 77").fetchone() == (0,)


def test_the_refusal_says_what_and_since_when(closed, session):
    """The refusal names the organization, since when it is closed, why, and the table."""
    with pytest.raises(psycopg.Error) as caught:
        session().execute(ROUTES["update"])
    assert caught.value.diag.message_primary.startswith("RESORT is closed to writes since 20")
    assert "moving" in caught.value.diag.message_primary
    assert "hotel.folio" in caught.value.diag.message_detail


def test_reference_only_says_where_it_lives(closed, session):
    """After the move every write is refused with its own code and the pointer to the target; reading works."""
    assert closing.try_quiet(closed, organization="RESORT")
    closing.make_reference_only(closed, organization="RESORT", lives_at="postgresql://target/hotel")
    writer = session()
    with pytest.raises(psycopg.Error) as caught:
        writer.execute(ROUTES["insert a part"])
    assert caught.value.sqlstate == SQLSTATE_REFERENCE_ONLY
    assert "postgresql://target/hotel" in caught.value.diag.message_hint
    assert writer.execute("select count(*) from hotel.folio where property_code = 'RESORT'").fetchone() == (99,)


def test_savepoint_gives_the_lock_back_with_the_rows(guarded, session, refusal):
    """A lock taken within a savepoint goes with the rows of it, and the next write is judged anew."""
    writer = session(autocommit=False)
    writer.execute("savepoint s")
    writer.execute(ROUTES["update"])
    writer.execute("rollback to savepoint s")
    closing.begin_closing(guarded, organization="RESORT")
    assert closing.try_quiet(guarded, organization="RESORT")
    with pytest.raises(psycopg.Error) as caught:
        writer.execute(ROUTES["update"])
    assert caught.value.sqlstate == SQLSTATE_CLOSED


def test_row_of_no_organization(owner, session, refusal):
    """A row for which the expression gives NULL belongs to nobody and is written as before."""
    owner.execute("create table hotel.profile (profile_id bigint, property_code text); "
                  "grant all on hotel.profile to slacktide_clerk")  # fmt: skip
    install(owner, tables=[GuardedTable(schema="hotel", table="profile", organization="r.property_code")])
    closing.begin_closing(owner, organization="RESORT")
    assert refusal(session(), "insert into hotel.profile values (1, null)") is None
    assert refusal(session(), "insert into hotel.profile values (1, null), (2, 'RESORT')") == SQLSTATE_CLOSED


def test_children_are_judged(owner, session):
    """Rows of a child (INHERITS) are judged, written through the parent or straight."""
    owner.execute("create table hotel.parent (id bigint, property_code text); "
                  "create table hotel.child () inherits (hotel.parent)")  # fmt: skip
    install(owner, tables=[GuardedTable(schema="hotel", table="parent", organization="r.property_code")])
    closing.begin_closing(owner, organization="RESORT")
    for table in ("parent", "child"):
        with pytest.raises(psycopg.Error) as caught:
            session(user=None).execute(f"insert into hotel.{table} values (1, 'RESORT')")
        assert caught.value.sqlstate == SQLSTATE_CLOSED


def test_a_new_partition_is_judged_at_once(closed, session, refusal):
    """A partition that was made after the guard came takes no row of a closed organization."""
    closed.execute("create table hotel.event_next partition of hotel.event for values from (200000000) to (200000010)")
    closed.execute("grant all on hotel.event_next to slacktide_clerk")
    assert refusal(session(), "insert into hotel.event_next values (200000001, 'RESORT')") == SQLSTATE_CLOSED
    assert refusal(session(), "insert into hotel.event values (200000001, 'RESORT')") == SQLSTATE_CLOSED


def test_a_closed_site_refuses_everybody(guarded, session, refusal):
    """The closing of the site refuses every organization, and rows of nobody."""
    closing.begin_closing(guarded, organization=closing.SITE)
    assert closing.try_quiet(guarded, organization=closing.SITE)
    for statement in (ROUTES["update"], CITY["root"], ROUTES["truncate"]):
        assert refusal(session(), statement) == SQLSTATE_CLOSED
    closing.reopen(guarded, organization=closing.SITE)
    assert refusal(session(), CITY["root"]) is None


@pytest.fixture
def subscribed(owner, database, server):
    """Give a publishing database's connection; hotel.folio of the guarded one subscribes to it."""
    password = server.passfile.read_text().strip().rpartition(":")[2]
    name = owner.info.dbname
    server.create_database(f"{name}_source")
    with psycopg.connect(server.address(f"{name}_source"), autocommit=True) as source:
        source.execute("create schema hotel; create publication p for all tables")
        source.execute("create table hotel.folio (folio_id bigint primary key, property_code text, note text)")
        source.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", [name])
        at = f"host={server.socket} dbname={name}_source user=slacktide password={password}"
        options = f"create_slot = false, slot_name = {name}, copy_data = false"
        owner.execute(f"create subscription s connection '{at}' publication p with ({options})")
        yield source
    owner.execute("drop subscription s")
    with psycopg.connect(server.address(), autocommit=True) as other:
        other.execute(f"drop database {name}_source with (force)")


def test_a_subscription_is_refused(owner, subscribed):
    """A subscription, whose worker fires no statement triggers, cannot write a closed organization either."""
    install(owner, tables=[GuardedTable(schema="hotel", table="folio", organization="r.property_code")])
    closing.begin_closing(owner, organization="RESORT")
    subscribed.execute("insert into hotel.folio values (900, 'CITY', '')")
    arrived(owner, "select from hotel.folio where folio_id = 900")
    subscribed.execute("insert into hotel.folio values (901, 'RESORT', '')")
    arrived(owner, "select from pg_stat_subscription_stats where apply_error_count > 0")
    assert owner.execute("select from hotel.folio where folio_id = 901").fetchone() is None
    closing.reopen(owner, organization="RESORT")
    arrived(owner, "select from hotel.folio where folio_id = 901")


def arrived(connection, statement):
    """Wait until a query gives a row, at most twenty seconds."""
    limit = time.monotonic() + 20
    while connection.execute(statement).fetchone() is None:
        assert time.monotonic() < limit, statement
        time.sleep(0.05)
