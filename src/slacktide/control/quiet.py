"""Who is left of the people: live leases, and the sessions of normal users that have acted since the last opening.

1. Somebody is let in a moment before the start, and the lease is committed a moment after the counting: the counting
   holds the scope's lock alone (`control.passage`), so it comes before the look at the schedule, or after the commit.
   Where the lock does not come in time, nobody can say that the scope is quiet.
2. A session has a form open from before the downtime: it has acted since the scope was last open, so it is waited for,
   until its user logs out, it is idle for too long, or an administrator ends it.
3. An administrator works on: leases count, whosever they are; sessions of administrators are listed and not counted.
4. A lease is over by its limit, which is raised afterwards: what was measured is recorded, so that it stays over.
5. A user becomes an administrator, or a normal user, while the counting goes on: the current data count.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control import passage
from slacktide.control.lease import Judged, list_leases, record_ends
from slacktide.control.schedule import Known
from slacktide.control.session import Session, list_sessions


class People(msgspec.Struct, frozen=True):
    """Who is left. `settled` tells whether this was counted with the lock, so that nobody is on the way in."""

    leases: list[Judged] = []
    sessions: list[Session] = []
    settled: bool = True

    @property
    def waited_for(self) -> list[Session]:
        """The sessions that count: those of normal users."""
        return [session for session in self.sessions if not session.admin]


def people(connection: psycopg.Connection[Any], *, organization: str | None, known: Known, now: datetime) -> People:
    """Count who is left of an organization's people (None: of the site's).

    While it is not down, nobody is held up for it.
    """
    down = state_down(known, now=now, organization=organization)
    with connection.transaction():
        settled = passage.try_close(connection, organization=organization) if down else True
        if down:
            record_ends(connection, organization=organization, known=known)
        since = known.schedule.last_open_since(now, organization=organization)
        return People(
            leases=list_leases(connection, organization=organization, known=known, now=now),
            sessions=list_sessions(connection, organization=organization, since=since),
            settled=settled,
        )


def state_down(known: Known, *, now: datetime, organization: str | None) -> bool:
    """Tell whether a downtime of the scope is in effect."""
    schedule = known.schedule
    timelines = [schedule.site] if organization is None else [schedule.site, schedule.side(organization).phases]
    return any(timeline.at(now).in_effect for timeline in timelines)
