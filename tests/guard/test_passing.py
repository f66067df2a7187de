"""Passing the guard by hand: the guard is asked where that may be done, and the locks are taken where not."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.guard import closing
from slacktide.guard.passing import pass_guard

LOCKS = "select count(*) from pg_locks where locktype = 'advisory' and mode = 'ShareLock' and pid = %s"
JUDGE = "function slacktide.guard_judge(text[], boolean, text, boolean)"


def locks(owner, session):
    return owner.execute(LOCKS, [session.info.backend_pid]).fetchone()[0]


def passes(owner, session):
    """Pass, and give how many locks are held until the end of the transaction."""
    with session.transaction():
        pass_guard(session, organization="RESORT", what="a test")
        return locks(owner, session)


def test_a_right_that_comes_and_goes(guarded, session):
    """Who may ask is refused by the guard; when the right is gone, one passage fails and the next takes the locks."""
    clerk = session()
    assert passes(guarded, clerk) == 2
    guarded.execute(f"grant usage on schema slacktide to slacktide_clerk; grant execute on {JUDGE} to slacktide_clerk")
    assert passes(guarded, clerk) == 2
    closing.begin_closing(guarded, organization="RESORT")
    with pytest.raises(psycopg.Error) as refused:
        passes(guarded, clerk)
    assert refused.value.sqlstate == "ST001"
    guarded.execute(f"revoke execute on {JUDGE} from slacktide_clerk")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        passes(guarded, clerk)
    assert passes(guarded, clerk) == 2
