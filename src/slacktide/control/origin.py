"""A control database that was restored from a backup, and how that is noticed.

A backup is older than the schedule that people made. Downtimes are missing in it or are there again, roles and leases
too; whoever went by it would let the wrong people in. So everything is closed (`schedule_unknown`) from the first
reading on, until an administrator has looked and says `slacktide schedule confirm`. The events:

1. A dump is loaded into another server, or the server was made anew: its number is not the one that was noted.
2. A dump is loaded into a database of the same server, or the database was copied or loaded anew in its place: the
   database or the table of the note is another one.
3. A backup of the whole server is put back and rolled forward to some point: the server goes on in a new timeline. A
   standby that takes over does so too; it may lack what was committed last, so it has to be confirmed as well. While
   it follows or recovers it can be read already, and may be behind: closed, too.
4. The server's files are put back as they were at an instant, or a disk goes back to a snapshot: the database itself
   cannot tell. Servers and workers note the trail's last entry in their own data folder (`witness`). An entry that was
   seen and is not there any more is a doubt, which is written into the database, for everybody.
5. A process that only reads comes first: the doubt follows from a comparison, and nothing has to be written for it.
6. It is confirmed, and then restored once more: what was noted by the confirmation is older than what was seen.
7. The trail was shortened by an administrator's own hands: what is older than its first entry is not missed.
8. The witness's folder is put back together with the database, or nothing ran since the backup but commands: nobody can
   tell. Whoever puts a backup back says `slacktide schedule doubt`.
"""

from __future__ import annotations

from typing import Any

import psycopg

from slacktide.control.audit import ReasonMissing, record_audit
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError
from slacktide.downtime.doubt import Doubt
from slacktide.postgres.sql import load

_sql = load("slacktide.control", "origin.sql")


class NotInDoubt(InputError):
    """The schedule is not in doubt, so that there is nothing to confirm: see `slacktide status`."""


def doubt_of(connection: psycopg.Connection[Any]) -> Doubt | None:
    """Tell whether the schedule is in doubt, since when and why."""
    row = connection.execute(_sql["doubt"]).fetchone()
    return None if row is None else Doubt(row[0], row[1])


def doubt_schedule(connection: psycopg.Connection[Any], *, why: str, who: str) -> Doubt:
    """Close everything until the schedule is confirmed. Raises ReasonMissing."""
    if not why.strip():
        raise ReasonMissing(what="schedule doubt")
    with connection.transaction():
        written = connection.execute(_sql["write_doubt"], {"why": why}).rowcount
        found = doubt_of(connection)
        if written:
            record_audit(connection, who=who, what="schedule doubt", object="schedule", after=_shown(found), reason=why)
        connection.execute(_sql["tell"])
    if found is None:
        raise NotInDoubt
    return found


def confirm_schedule(connection: psycopg.Connection[Any], *, who: str, reason: str) -> Doubt:
    """Say that the schedule is right as it stands; gives the doubt that ends. Raises ReasonMissing, NotInDoubt."""
    if not reason.strip():
        raise ReasonMissing(what="schedule confirm")
    with connection.transaction():
        found = doubt_of(connection)
        if found is None:
            raise NotInDoubt
        connection.execute(_sql["confirm"])
        record_audit(
            connection, who=who, what="schedule confirm", object="schedule", before=_shown(found), reason=reason
        )
        connection.execute(_sql["tell"])
    return found


def _shown(doubt: Doubt | None) -> dict[str, str] | None:
    return None if doubt is None else {"since": format_instant(doubt.since), "why": doubt.why}
