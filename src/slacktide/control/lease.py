"""Task leases, as the control database keeps them. The rule itself is `slacktide.downtime.lease`.

What could go wrong, and what stands against it:

1. Two tasks are opened at once, and each opening finds room below the limit for one: who opens a task of an
   organization for a user holds the lock of the two, counts, and adds in one transaction.
2. A downtime begins between the decision and the lease: both are in one transaction, which holds the shared locks of
   the site and the organization before it reads the clock. Whoever measures quiet takes these locks exclusively, after
   the start; so no lease appears behind it (`control.passage`).
3. A sign of life comes after the lease has ended by its limit: the row is locked and judged first, the end is recorded,
   and the sign refused. What has ended stays so, by a trigger too.
4. A user opens the same task in a second session: a lease of its own, for that session, counted once. It lasts from
   when the user opened the task first, so that logging in again gives no more time.
5. The task goes to another organization, or is done: its leases end with that (`control.task`).
6. The process is killed half way: there is no lease, and nothing was decided.
7. A lease has ended by its limit, nobody has recorded that, and the limit is raised: judged by the new one it would
   live again, in an organization that was measured quiet too. Ends are recorded before a limit is changed, by whoever
   measures quiet, and every minute.
8. Somebody sends the ID of another's lease: a sign of life and a release name session and task, never the lease alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control import passage
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.schedule import Known, known_of
from slacktide.control.session import SessionLimited, act_for, hold_session, see_session, visit
from slacktide.control.setting import control_now
from slacktide.control.task import Task, UnknownTask, task_of
from slacktide.control.user import role_now
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, UsageError
from slacktide.downtime.decision import Decision, decide
from slacktide.downtime.lease import LIMIT, Lease, Standing, standing_by
from slacktide.downtime.setting import lookup
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "lease.sql")
_LARGEST_ID = 2**63


class UnknownLease(UsageError):
    """There is no live lease {id!r}: `slacktide holders` shows those that there are."""


class TooManyTasks(InputError):
    """{user} has {count} tasks of {organization} open, and no more are allowed at once: close one of {tasks} first."""


class Taken(msgspec.Struct, frozen=True):
    """What came of opening a task: the decision and, where that allows it, the lease."""

    decision: Decision
    lease: Lease | None


class Judged(msgspec.Struct, frozen=True):
    """A lease and what it is now."""

    lease: Lease
    standing: Standing

    def answer(self) -> dict[str, Any]:
        """Give the lease as `holders` lists it."""
        return {
            "id": self.lease.id,
            "user": self.lease.user,
            "session": self.lease.session,
            "task": self.lease.task,
            "organization": self.lease.organization,
            "opened_at": format_instant(self.lease.opened_at),
            "last_sign_at": format_instant(self.lease.last_sign_at),
            "state": self.standing.state,
        }


def take_lease(connection: psycopg.Connection[Any], *, session: str, task: str, as_admin: bool = True) -> Taken:
    """Open a task in a session, by a deliberate act of its user: decide, and if that allows it, make the lease.

    A task that is open in this session already keeps its lease. Without `as_admin` an administrator is judged as a
    normal user. Raises SessionOver, SessionLimited, UnknownTask,
    TooManyTasks.
    """
    with connection.transaction():
        user, limited = visit(connection, id=session)
        wanted = task_of(connection, id=task)
        if wanted.state != "open":
            raise UnknownTask(id=task)
        passage.hold(connection, organization=wanted.organization)
        connection.execute(_sql["lock"], {"user": user, "organization": wanted.organization})
        known, now = known_of(connection, organization=wanted.organization), control_now(connection)
        mine = live_leases(connection, user=user, known=known, now=now)
        same = [lease for lease in mine if lease.task == task]
        if limited and not same:
            raise SessionLimited
        decision = decide(
            action="open_task",
            schedule=known.schedule,
            now=now,
            user_is_admin=role_now(connection, user, as_admin=as_admin).admin,
            user=user,
            organization=wanted.organization,
            lease=bool(same),
            session="live",
        )
        if not decision.allowed:
            return Taken(decision, None)
        if not same:
            _check_room(mine, user=user, organization=wanted.organization, known=known, now=now)
        act_for(connection, id=session, organization=wanted.organization)
        return Taken(decision, _take(connection, wanted, same, session=session, user=user, now=now))


def touch_lease(connection: psycopg.Connection[Any], *, session: str, task: str) -> Standing:
    """Give a sign of life of a task that is open in a session; one that has ended is not brought back.

    Raises SessionOver, UnknownLease.
    """
    with connection.transaction():
        see_session(connection, id=session)
        lease = _in_session(connection, session, task)
        if lease is None:
            raise UnknownLease(id=task)
        known, now = known_of(connection, organization=lease.organization), control_now(connection)
        found = standing_by(lease, schedule=known.schedule, settings=known.parameters, now=now)
        if found.live:
            connection.execute(_sql["touch"], {"id": lease.id, "now": now})
            act_for(connection, id=session, organization=lease.organization)
            return Standing("live")
        _end(connection, lease, found)
        return found


def release_lease(connection: psycopg.Connection[Any], *, session: str, task: str) -> None:
    """Close a task in a session; where it is not open, nothing is to be done. Raises SessionOver."""
    with connection.transaction():
        hold_session(connection, id=session)
        lease = _in_session(connection, session, task)
        if lease is not None:
            _end(connection, lease, Standing("ended", "released", control_now(connection)))


def end_lease(connection: psycopg.Connection[Any], *, id: str, who: str, reason: str) -> Judged:  # noqa: A002 -- the word of the interface
    """End a lease for an administrator. Raises UnknownLease, ReasonMissing."""
    require_reason(reason, what=f"slacktide lease end {id}")
    with connection.transaction():
        row = connection.execute(_sql["one"], {"id": id}).fetchone() if _is_number(id) else None
        known, now = known_of(connection), control_now(connection)
        judged = _judged([row] if row else [], known=known, now=now)
        if not judged or not judged[0].standing.live:
            raise UnknownLease(id=id)
        _end_for(connection, judged[0], who=who, reason=reason, now=now)
    return judged[0]


def end_leases(connection: psycopg.Connection[Any], *, organization: str | None, who: str, reason: str) -> list[Judged]:
    """End the leases that live, of an organization or of all, for an administrator. Raises ReasonMissing."""
    require_reason(reason, what="slacktide lease end --all")
    with connection.transaction():
        connection.execute(_sql["hold"], {"organization": organization})  # whose user gives a sign of life waits
        known, now = known_of(connection), control_now(connection)
        found = list_leases(connection, organization=organization, known=known, now=now)
        for one in found:
            _end_for(connection, one, who=who, reason=reason, now=now)
    return found


def record_ends(
    connection: psycopg.Connection[Any], *, organization: str | None = None, known: Known | None = None
) -> int:
    """Record the ends of leases that are over by the rule, of one organization or of all; give how many.

    What nobody records before a limit changes would be judged by another limit. One that somebody else has in hand at
    this moment is left to that.
    """
    with connection.transaction():
        rows = connection.execute(_sql["of_organization"], {"organization": organization}).fetchall()
        if not rows:
            return 0
        facts: dict[str, Any] = {"known": known or known_of(connection), "now": control_now(connection)}
        over = [one.lease.id for one in _judged(rows, **facts) if not one.standing.live]
        rows = connection.execute(_sql["in_hand"], {"ids": over}).fetchall() if over else []
        ended = [one for one in _judged(rows, **facts) if not one.standing.live]
        for one in ended:
            _end(connection, one.lease, one.standing)
    return len(ended)


def _end_for(connection: psycopg.Connection[Any], one: Judged, *, who: str, reason: str, now: datetime) -> None:
    _end(connection, one.lease, Standing("ended", f"ended by {who}", now))
    subject, before = f"lease {one.lease.id}", one.answer()
    record_audit(connection, who=who, what="lease end", object=subject, before=before, reason=reason)


def list_leases(
    connection: psycopg.Connection[Any], *, organization: str | None = None, known: Known, now: datetime
) -> list[Judged]:
    """Give the leases that live, of one organization or of all, oldest first."""
    rows = connection.execute(_sql["of_organization"], {"organization": organization}).fetchall()
    return [one for one in _judged(rows, known=known, now=now) if one.standing.live]


def live_leases(connection: psycopg.Connection[Any], *, user: str, known: Known, now: datetime) -> list[Lease]:
    """Give a user's leases that live, oldest first, as far as their organizations are among what is known."""
    rows = connection.execute(_sql["of_user"], {"user": user}).fetchall()
    return [one.lease for one in _judged(rows, known=known, now=now) if one.standing.live]


def leases_of(connection: psycopg.Connection[Any], *, user: str) -> list[Lease]:
    """Give a user's leases that live now, oldest first."""
    with connection.transaction():
        return live_leases(connection, user=user, known=known_of(connection), now=control_now(connection))


def _take(
    connection: psycopg.Connection[Any], task: Task, same: list[Lease], *, session: str, user: str, now: datetime
) -> Lease | None:
    """Give the session's own lease of the task a sign of life, or make it."""
    own = _in_session(connection, session, task.id)
    if own is not None and own.id in {lease.id for lease in same}:
        connection.execute(_sql["touch"], {"id": own.id, "now": now})
        return msgspec.structs.replace(own, last_sign_at=now)
    if own is not None:
        _end(connection, own, Standing("ended", "opened again", now))
    opened_at = min((lease.opened_at for lease in same), default=now)
    facts = {"user": user, "session": session, "task": task.id, "organization": task.organization}
    row = connection.execute(_sql["add"], facts | {"opened_at": opened_at, "now": now}).fetchone()
    return None if row is None else _lease(row)


def _check_room(mine: list[Lease], *, user: str, organization: str, known: Known, now: datetime) -> None:
    tasks = sorted({lease.task for lease in mine if lease.organization == organization})
    limit = int(lookup(parameter=LIMIT, settings=known.parameters, now=now, organization=organization))
    if len(tasks) >= limit:
        raise TooManyTasks(user=user, count=len(tasks), organization=organization, tasks=", ".join(tasks))


def _in_session(connection: psycopg.Connection[Any], session: str, task: str) -> Lease | None:
    row = connection.execute(_sql["in_session"], {"session": session, "task": task}).fetchone()
    return None if row is None else _lease(row)


def _end(connection: psycopg.Connection[Any], lease: Lease, found: Standing) -> None:
    connection.execute(_sql["end"], {"id": lease.id, "at": found.at, "because": found.because})


def _judged(rows: Iterable[Any], *, known: Known, now: datetime) -> list[Judged]:
    """Judge the leases whose organizations are among what is known."""
    leases = [lease for row in rows if (lease := _lease(row)).organization in known.schedule.organizations]
    facts: dict[str, Any] = {"schedule": known.schedule, "settings": known.parameters, "now": now}
    return [Judged(lease, standing_by(lease, **facts)) for lease in leases]


def _lease(row: Iterable[Any]) -> Lease:
    key, user, session, task, organization, opened_at, last_sign_at, ended_at, because = row
    return Lease(
        id=key,
        user=user,
        session=session,
        task=task,
        organization=organization,
        opened_at=opened_at.astimezone(UTC),
        last_sign_at=last_sign_at.astimezone(UTC),
        ended_at=ended_at and ended_at.astimezone(UTC),
        ended_because=because,
    )


def _is_number(key: str) -> bool:
    return key.isascii() and key.isdigit() and int(key) < _LARGEST_ID
