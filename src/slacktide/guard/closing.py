"""Closing in a database: the durable state, the epoch, the exclusive lock, and quiet.

The order of a closing, and why each crash in between is harmless:

1. The state `closing` and the row's epoch commit in one transaction, flushed. Before: nothing happened. From
   here on every fresh snapshot refuses.
2. The epoch is published: the sequence is raised to the row's. A crash before: old snapshots may still write,
   and hold the shared lock; `try_quiet` publishes before it asks for the exclusive one.
3. The exclusive lock is asked for, queued, and given up after `lock_timeout_ms`. When it is there, all that
   passed a look have ended, and all that come later see the closing or find themselves behind the epoch.
4. Under it `quiet` commits, flushed. A crash before: the state is `closing`, and 3 is done again.

Whoever decides elsewhere that a state is to change, and may be held up before he changes it, names the `epoch` that he
read before he looked whether his decision still stands: then he changes nothing that changed since. Everything that
changes a state raises its epoch, also where the state was reached already.

Every function commits by itself: it needs a connection in autocommit mode, of a role that owns the schema
`slacktide`. Its text says which event of `state.TRANSITIONS` it is.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from slacktide.core.errors import InputError, OutsideError
from slacktide.guard.install import needs_autocommit
from slacktide.guard.state import Event, State, after
from slacktide.postgres.sql import load

SITE = ""
"""The site, where an organization is asked for."""

_ALL = "*"  # what TRUNCATE locks
_STATEMENTS = load(__package__, "closing.sql")


class ReservedName(InputError):
    """{organization!r} stands for all organizations in the guard: name one organization, or '' for the site."""


class Overtaken(OutsideError):
    """The state of {organization!r} has changed in this database since a look at it: nothing was done. Try again."""


class Closing(msgspec.Struct, frozen=True):
    """The state of an organization in a database.

    `since` is None for one that never had another state than open; `epoch` counts its changes.
    """

    organization: str
    state: State
    since: datetime | None = None
    lives_at: str | None = None
    reason: str = ""
    epoch: int = 0


def state(connection: Connection[TupleRow], *, organization: str) -> Closing:
    """Give the organization's state in this database; one that the guard never heard of is open."""
    row = connection.execute(_STATEMENTS["state"], {"organization": organization}).fetchone()
    return _closing(row) if row else Closing(organization, State.OPEN)


def states(connection: Connection[TupleRow]) -> list[Closing]:
    """Give every organization that the guard has heard of, and the site ('')."""
    return [_closing(row) for row in connection.execute(_STATEMENTS["states"])]


def begin_closing(
    connection: Connection[TupleRow], *, organization: str, reason: str = "", epoch: int | None = None
) -> Closing:
    """Commit the durable closing: from now on every new write is refused (`close`). Raises IllegalEvent, Overtaken."""
    return _happen(connection, organization=organization, event=Event.CLOSE, reason=reason, epoch=epoch)


def try_quiet(connection: Connection[TupleRow], *, organization: str, lock_timeout_ms: int = 300) -> bool:
    """Record that nobody writes any more (`quiet`), or give up after `lock_timeout_ms` and tell False.

    To be called again until it is True; `holders` tells who is waited for. It must not be called much more often
    than that: the waiting in the lock's queue is what makes it succeed.
    """
    return _under_lock(connection, organization=organization, lock_timeout_ms=lock_timeout_ms, event=Event.QUIET)


def try_drained(connection: Connection[TupleRow], *, organization: str, lock_timeout_ms: int = 300) -> bool:
    """Tell whether all that passed a look before the last change of state have ended; changes nothing.

    For a target that was prepared, and for a window that has begun: `try_quiet` without the record.
    """
    return _under_lock(connection, organization=organization, lock_timeout_ms=lock_timeout_ms, event=None)


def reopen(
    connection: Connection[TupleRow], *, organization: str, reason: str = "", epoch: int | None = None
) -> Closing:
    """End the closing without a move (`reopen`): everybody may write again. Raises IllegalEvent."""
    return _happen(connection, organization=organization, event=Event.REOPEN, reason=reason, epoch=epoch)


def make_reference_only(
    connection: Connection[TupleRow],
    *,
    organization: str,
    lives_at: str,
    reason: str = "",
    epoch: int | None = None,
) -> Closing:
    """Refuse every write for good, with the pointer `lives_at` (`make reference only`). Raises IllegalEvent."""
    event, facts = Event.MAKE_REFERENCE_ONLY, {"reason": reason, "lives_at": lives_at}
    return _happen(connection, organization=organization, event=event, epoch=epoch, **facts)


def prepare_target(
    connection: Connection[TupleRow], *, organization: str, reason: str = "", epoch: int | None = None
) -> Closing:
    """Let only the mover write (`prepare`); `try_drained` then tells when older writers have ended.

    Raises IllegalEvent, Overtaken.
    """
    return _happen(connection, organization=organization, event=Event.PREPARE, reason=reason, epoch=epoch)


def try_withdraw(
    connection: Connection[TupleRow], *, organization: str, reason: str, epoch: int, lock_timeout_ms: int = 300
) -> bool:
    """Let only the mover write an open target again (`prepare`), if no user has written it and none is writing.

    Tell whether it was closed. Raises IllegalEvent, Overtaken.
    """
    return _under_lock(connection, organization=organization, lock_timeout_ms=lock_timeout_ms, event=Event.PREPARE,
                       reason=reason, epoch=epoch, unwritten=True)  # fmt: skip


def hold(connection: Connection[TupleRow], *, organization: str, epoch: int) -> None:
    """Keep the state as it was at that epoch until the caller's transaction ends. Raises Overtaken."""
    row = connection.execute(_STATEMENTS["state_for_update"], {"organization": organization}).fetchone()
    if row is None or row[1] != epoch:
        raise Overtaken(organization=organization)


def overtake(connection: Connection[TupleRow], *, organization: str, epoch: int) -> None:
    """Raise the epoch and change nothing else: whoever goes by the one that was read before is overtaken.

    Raises Overtaken.
    """
    with connection.transaction():
        hold(connection, organization=organization, epoch=epoch)
        connection.execute(_STATEMENTS["raise"], {"organizations": [organization]})
    _publish(connection)


def begin_verifying(
    connection: Connection[TupleRow], *, organization: str, reason: str = "", epoch: int | None = None
) -> Closing:
    """Let testers write beside the mover; what they write is recorded (`verify`). Raises IllegalEvent, Overtaken."""
    return _happen(connection, organization=organization, event=Event.VERIFY, reason=reason, epoch=epoch)


def open_target(
    connection: Connection[TupleRow], *, organization: str, reason: str = "", epoch: int | None = None
) -> Closing:
    """Let everybody write the target (`open`). Raises IllegalEvent, Overtaken."""
    return _happen(connection, organization=organization, event=Event.OPEN, reason=reason, epoch=epoch)


def release(
    connection: Connection[TupleRow], *, organization: str, reason: str = "", epoch: int | None = None
) -> Closing:
    """Take the guard's state away: an abandoned target, or a source by `clean --all` (`release`)."""
    return _happen(connection, organization=organization, event=Event.RELEASE, reason=reason, epoch=epoch)


def register(connection: Connection[TupleRow], *, organization: str) -> None:
    """Give the organization its row and epoch, where it has none."""
    needs_autocommit(connection)
    if organization == _ALL:
        raise ReservedName(organization=organization)
    names = {"organization": organization}
    if connection.execute(_STATEMENTS["registered"], names).fetchone() is None:
        connection.execute(_STATEMENTS["register"], names)


def _happen(
    connection: Connection[TupleRow],
    *,
    organization: str,
    event: Event,
    reason: str = "",
    lives_at: str | None = None,
    epoch: int | None = None,
) -> Closing:
    register(connection, organization=organization)
    with connection.transaction():
        _change(connection, organization=organization, event=event, reason=reason, lives_at=lives_at, epoch=epoch)
    _publish(connection)
    return state(connection, organization=organization)


def _change(
    connection: Connection[TupleRow],
    *,
    organization: str,
    event: Event,
    reason: str | None = None,
    lives_at: str | None = None,
    epoch: int | None = None,
) -> None:
    """Do the event in the caller's transaction, whose commit it makes a flushed one."""
    connection.execute(_STATEMENTS["synchronous"])
    names = {"organization": organization}
    row = connection.execute(_STATEMENTS["state_for_update"], names).fetchone()
    now = State(row[0]) if row else State.OPEN
    if epoch is not None and row and row[1] != epoch:
        raise Overtaken(organization=organization)
    then = after(organization=organization, state=now, event=event)
    if then is State.OPEN and then is not now:
        connection.execute(_STATEMENTS["begin_watch"], names | {"awaits": event is Event.OPEN})
    facts = {"state": then, "lives_at": lives_at, "reason": reason}
    connection.execute(_STATEMENTS["change"], names | facts)


def _under_lock(
    connection: Connection[TupleRow],
    *,
    organization: str,
    lock_timeout_ms: int,
    event: Event | None,
    reason: str | None = None,
    epoch: int | None = None,
    unwritten: bool = False,
) -> bool:
    """Tell whether the exclusive lock came and nobody is left; then the event, if any, has happened.

    With `unwritten` nobody may have written before, either, since it was opened as a target.
    """
    needs_autocommit(connection)
    _publish(connection)
    names = {"organization": organization}
    others: list[str] = []
    try:
        with connection.transaction():
            _take_exclusive(connection, organization=organization, lock_timeout_ms=lock_timeout_ms)
            others = [other for (other,) in connection.execute(_STATEMENTS["unsettled"], names)]
            held = connection.execute(_STATEMENTS["held"], names | {"written": unwritten}).fetchone() == (True,)
            if not others and not held and event is not None:
                _change(connection, organization=organization, event=event, reason=reason, epoch=epoch)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return False
    _publish(connection)
    if others:
        _settle(connection, organization=organization, others=others)
    elif not held:
        connection.execute(_STATEMENTS["forget"])
    return not others and not held


def _settle(connection: Connection[TupleRow], *, organization: str, others: list[str]) -> None:
    """Draw the line for rows that crossed: older snapshots fail, older transactions are waited for."""
    for other in others:
        register(connection, organization=other)
    connection.execute(_STATEMENTS["raise"], {"organizations": others})
    _publish(connection)
    connection.execute(_STATEMENTS["settle"], {"organization": organization})


def _take_exclusive(connection: Connection[TupleRow], *, organization: str, lock_timeout_ms: int) -> None:
    connection.execute(_STATEMENTS["lock_timeout"], {"milliseconds": f"{lock_timeout_ms}ms"})
    connection.execute(_STATEMENTS["exclusive"], {"organization": organization})


def _publish(connection: Connection[TupleRow]) -> None:
    connection.execute(_STATEMENTS["publish"])


def _closing(row: TupleRow) -> Closing:
    organization, named, since, lives_at, reason, epoch = row
    return Closing(organization, State(named), since, lives_at, reason, epoch)
