"""Who passes the guard: the mover's role in force, and nothing that anybody could set."""

from __future__ import annotations

import pytest

from slacktide.core.errors import SQLSTATE_CLOSED
from slacktide.guard import closing
from slacktide.guard.install import install
from slacktide.guard.right import grant_mover, revoke_mover
from slacktide.guard.table import GuardedTable
from slacktide.postgres.connection import connect

WRITE = "update hotel.folio set note = 'x' where folio_id = 1"
DENIED = "42501"


@pytest.fixture
def closed(guarded):
    """Give the owner's connection; RESORT is closed and the mover has its rights."""
    names = [("hotel", "folio"), ("hotel", "posting"), ("hotel", "event")]
    grant_mover(guarded, tables=names, sequences=[("hotel", "posting_posting_id_seq")])
    closing.begin_closing(guarded, organization="RESORT")
    return guarded


def test_the_mover_passes(closed, database, refusal):
    """Whoever connects with the role `slacktide_mover` writes what is closed to everybody."""
    with connect(database, name="mover", role="slacktide_mover") as mover:
        assert refusal(mover, WRITE) is None
        assert refusal(mover, "insert into hotel.posting (folio_id) values (1)") is None


def test_set_role_and_session_authorization_pass(closed, session, refusal):
    """A superuser passes by taking the mover's role on, in either way, and no longer when it is put back."""
    operator = session(user=None)
    for take, leave in (
        ("set role slacktide_mover", "reset role"),
        ("set session authorization slacktide_mover", "reset session authorization"),
    ):
        operator.execute(take)
        assert refusal(operator, WRITE) is None
        operator.execute(leave)
        assert refusal(operator, WRITE) == SQLSTATE_CLOSED


def test_a_superuser_does_not_pass(closed, session, refusal):
    """A superuser, who is a member of every role, is refused as long as it acts as itself."""
    assert refusal(session(user=None), WRITE) == SQLSTATE_CLOSED


def test_membership_alone_does_not_pass(closed, session, refusal):
    """A member of the mover's role is refused until it takes the role on."""
    closed.execute("create role slacktide_member in role slacktide_mover")
    try:
        closed.execute("grant usage on schema hotel to slacktide_member; "
                       "grant all on hotel.folio to slacktide_member")  # fmt: skip
        member = session(user="slacktide_member")
        assert refusal(member, WRITE) == SQLSTATE_CLOSED
        member.execute("set role slacktide_mover")
        assert refusal(member, WRITE) is None
        member.close()
    finally:
        closed.execute("drop owned by slacktide_member; drop role slacktide_member")


def test_the_clerk_cannot_take_it(closed, session, refusal):
    """A role that is no member cannot take the mover's on: not by SET, set_config, or a function of anybody."""
    closed.execute(
        "create function hotel.as_mover() returns void language sql set role = slacktide_mover "
        "begin atomic update hotel.folio set note = 'x' where folio_id = 1; end; "
        "create function hotel.take() returns void language plpgsql security definer as "
        "$$ begin set role slacktide_mover; update hotel.folio set note = 'x' where folio_id = 1; end $$; "
        "create function hotel.of_the_mover() returns void language sql security definer "
        "begin atomic update hotel.folio set note = 'x' where folio_id = 1; end; "
        "alter function hotel.of_the_mover() owner to slacktide_mover",
    )
    clerk = session()
    assert refusal(clerk, "set role slacktide_mover") == DENIED
    assert refusal(clerk, "select set_config('role', 'slacktide_mover', false)") == DENIED
    assert refusal(clerk, "select hotel.as_mover()") == DENIED
    assert refusal(clerk, "select hotel.take()") == DENIED
    assert refusal(clerk, "select hotel.of_the_mover()") == SQLSTATE_CLOSED


def test_a_setting_of_ones_own_does_not_pass(closed, session, refusal):
    """Settings that anybody can make, and objects of the same names, change nothing."""
    clerk = session()
    clerk.execute("set slacktide.role = 'slacktide_mover'; set search_path = pg_temp, hotel; "
                  "create temp table guard_closing (organization text, state text); "
                  "create function pg_temp.current_setting(text) returns text language sql as "
                  "'select ''slacktide_mover''::text'")  # fmt: skip
    assert refusal(clerk, WRITE) == SQLSTATE_CLOSED


def test_the_guards_functions_are_not_for_others(guarded, session, refusal):
    """Nobody but the owner reads the guard's tables or calls its functions."""
    clerk = session()
    assert refusal(clerk, "select slacktide.guard_publish()") == DENIED
    assert refusal(clerk, "update slacktide.guard_closing set state = 'open'") == DENIED


def test_no_function_is_for_everybody(guarded):
    """After one install nobody but its owner can execute a function of the guard: a trigger's neither."""
    of_ours = "from pg_proc where pronamespace = 'slacktide'::regnamespace"
    for_all = guarded.execute(f"select proname {of_ours} and has_function_privilege('slacktide_clerk', oid, 'execute')")
    assert for_all.fetchall() == []
    assert guarded.execute(f"select count(*) {of_ours} and proname like 'guard\\_on\\_%'").fetchone() == (3,)


def test_a_trigger_function_runs_nobodys_code(guarded, session, refusal):
    """Who may use the schema cannot put a trigger of ours on a table whose types run code of his own as the owner."""
    guarded.execute(
        "grant usage on schema slacktide to slacktide_clerk; create schema attic authorization slacktide_clerk"
    )
    name = "select oid::regprocedure::text from pg_proc where proname like 'guard\\_on\\_hotel\\_folio%'"
    (function,) = guarded.execute(name).fetchone()
    clerk = session()
    clerk.execute(
        "create type attic.code as (n int); "
        "create function attic.text(attic.code) returns text language plpgsql as "
        "$$ begin raise exception '%', current_user using errcode = 'AT001'; end $$; "
        "create cast (attic.code as text) with function attic.text(attic.code); "
        "create table attic.own (property_code attic.code)"
    )
    trigger = f"create trigger own after insert on attic.own for each row execute function {function}"
    assert refusal(clerk, f"{trigger}; insert into attic.own values (row(1))") == DENIED


def test_row_level_security_does_not_hide_the_root(owner, session, refusal):
    """Where row level security would hide roots from the guard's owner, writes fail rather than pass."""
    owner.execute("create table hotel.secret (id bigint, property_code text); "
                  "grant all on hotel.secret to slacktide_clerk; "
                  "alter table hotel.folio enable row level security, force row level security")  # fmt: skip
    organization = "(select f.property_code from hotel.folio f where f.folio_id = r.id)"
    install(owner, tables=[GuardedTable(schema="hotel", table="secret", organization=organization)])
    closing.begin_closing(owner, organization="RESORT")
    assert refusal(session(), "insert into hotel.secret values (1, 'RESORT')") == SQLSTATE_CLOSED


def test_rights_are_taken_back(closed, database, refusal):
    """After `revoke_mover` the mover's role can do nothing in the plan's tables."""
    names = [("hotel", "folio"), ("hotel", "posting"), ("hotel", "event")]
    revoke_mover(closed, tables=names, sequences=[("hotel", "posting_posting_id_seq")])
    with connect(database, name="mover", role="slacktide_mover") as mover:
        assert refusal(mover, WRITE) == DENIED
