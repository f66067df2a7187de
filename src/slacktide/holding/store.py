"""Held work in the control database: how it arrives, what happens to it, and how it is looked at.

1. Two arrivals of one organization: the later one commits first and is released, then the earlier one commits.
   Arrivals of an organization come one after the other (a lock until the commit), so a lower number has committed
   before.
2. The same write is handed in twice, by a retry of whoever hands it in: its key is there, and that item is the
   answer. The same key for another write is refused.
3. A worker whose connection was lost notes what it did, while another one has the organization: the note goes over
   the connection that holds the organization's lock, so that it cannot come through.
4. An operator and a worker change an item at once: an event counts only if the item is still in the state before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import psycopg

from slacktide.control.audit import record_audit, require_reason
from slacktide.control.schedule import CHANNEL
from slacktide.core.errors import InputError, UsageError
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.holding.item import Arrival, Item, Queue
from slacktide.holding.state import Event, IllegalHeldEvent, State, after
from slacktide.postgres.sql import load

_sql = load(__package__, "held.sql")
_LARGEST_ID = 2**63
SCHEDULE_CHANNEL = CHANNEL
CHANNELS = (CHANNEL, "slacktide_held")
_CONTINUE = "it goes on"
_THE_WRITE = ("step", "work", "payload", "due_on", "discount_until")  # what the same key must mean
LOCK_CLASS = 0x4E1D
"""The class of the locks on an organization's queue, each of a session on the control database."""


class UnknownItem(UsageError):
    """There is no held item {id!r}: `slacktide held list` shows those that there are."""


class KeyTaken(InputError):
    """The key {key!r} belongs to held item {id}, which is another write: give each write a key of its own."""


def arrive(connection: psycopg.Connection[Any], arrival: Arrival) -> Item:
    """Keep a write, in the caller's transaction; the same one again gives the item that is there.

    Raises UnknownOrganization, KeyTaken.
    """
    facts = msgspec.structs.asdict(arrival) | {"payload": msgspec.json.encode(arrival.payload).decode()}
    with connection.transaction():
        connection.execute(_sql["order"], {"organization": arrival.organization})
        connection.execute(_sql["queue_up"], {"organization": arrival.organization})
        row = connection.execute(_sql["arrive"], facts).fetchone()
        if row is not None:
            return _item(row)
        row = connection.execute(_sql["by_key"], {"key": arrival.key}).fetchone()
        if row is None:
            raise UnknownOrganization(organization=arrival.organization)
    present = _item(row)
    if any(getattr(present, name) != getattr(arrival, name) for name in _THE_WRITE):
        raise KeyTaken(key=arrival.key, id=present.id)
    return present


def happen(
    connection: psycopg.Connection[Any],
    item: Item,
    event: Event,
    *,
    because: str = "",
    next_check: datetime | None = None,
    organization: str | None = None,
    sent_to: str | None = None,
    noted: bool = True,
) -> None:
    """Let an event happen to an item; with `noted` it stands in its history. Raises IllegalHeldEvent."""
    facts = {
        "id": item.id,
        "before": item.state,
        "after": after(id=item.id, state=item.state, event=event),
        "event": event,
        "because": because,
        "more": int(event in (Event.RETRY, Event.SET_ASIDE)) - (item.attempts if event is Event.AGAIN else 0),
        "next_check": next_check,
        "organization": organization,
        "sent_to": sent_to,
        "noted": noted,
    }
    if connection.execute(_sql["happened"], facts).fetchone() is None:
        now = item_of(connection, id=str(item.id))
        raise IllegalHeldEvent(id=item.id, state=now.state, event=event, possible="see `slacktide held show`")


def finish(connection: psycopg.Connection[Any], item: Item, *, follow: Sequence[Arrival] = ()) -> None:
    """Note that an item is done, and keep the writes that follow from it, in one transaction."""
    if not follow:
        happen(connection, item, Event.FINISH, noted=False)
        return
    with connection.transaction():
        happen(connection, item, Event.FINISH, noted=False)
        for arrival in follow:
            arrive(connection, arrival)


def take(connection: psycopg.Connection[Any], *, organization: str, count: int) -> list[Item]:
    """Take the next items of an organization, in the order of their arrival (`take`)."""
    rows = connection.execute(_sql["take"], {"organization": organization, "count": count})
    return sorted(map(_item, rows), key=lambda item: item.id)


def put_back(connection: psycopg.Connection[Any], *, organization: str) -> None:
    """Let everything of an organization that was taken and not sent wait again (`put back`, `recover`)."""
    connection.execute(_sql["put_back"], {"organization": organization})


def sent_items(connection: psycopg.Connection[Any], *, organization: str, unknown: bool) -> list[Item]:
    """Give what was sent of an organization and is read now; with `unknown` all that may not have arrived."""
    rows = connection.execute(_sql["sent"], {"organization": organization, "unknown": unknown})
    return list(map(_item, rows))


def item_of(connection: psycopg.Connection[Any], *, id: str) -> Item:  # noqa: A002 -- the word of the interface
    """Give one item. Raises UnknownItem."""
    known = id.isascii() and id.isdigit() and int(id) < _LARGEST_ID
    row = connection.execute(_sql["one"], {"id": id}).fetchone() if known else None
    if row is None:
        raise UnknownItem(id=id)
    return _item(row)


def item_of_key(connection: psycopg.Connection[Any], *, key: str) -> Item | None:
    """Give the item of a key, done or not, if there is one."""
    row = connection.execute(_sql["by_key"], {"key": key}).fetchone()
    return None if row is None else _item(row)


def list_items(connection: psycopg.Connection[Any], *, organization: str | None = None) -> list[Item]:
    """Give what is not done, of one organization or of all, in the order of arrival."""
    return [_item(row) for row in connection.execute(_sql["list"], {"organization": organization})]


def history_of(connection: psycopg.Connection[Any], item: Item) -> list[tuple[datetime, str, str]]:
    """Give what happened to an item: when, what, because of what."""
    return connection.execute(_sql["history"], msgspec.structs.asdict(item)).fetchall()


def held_count(connection: psycopg.Connection[Any], *, organization: str | None = None) -> int:
    """Count what waits, runs or was sent, of one organization or of all."""
    (count,) = connection.execute(_sql["count"], {"organization": organization}).fetchone() or (0,)
    return int(count)


def queue_of(connection: psycopg.Connection[Any], *, organization: str) -> Queue | None:
    """Give the queue of an organization; None for one that never had work."""
    row = connection.execute(_sql["queue"], {"organization": organization}).fetchone()
    return row and Queue(**dict(zip(Queue.__struct_fields__, row, strict=True)))


def queues(connection: psycopg.Connection[Any]) -> dict[str, Queue]:
    """Give all queues by their organization."""
    rows = connection.execute(_sql["queues"])
    return {row[0]: Queue(**dict(zip(Queue.__struct_fields__, row, strict=True))) for row in rows}


def looked(
    connection: psycopg.Connection[Any],
    *,
    organization: str,
    kind: str = "open",
    because: str = "",
    said: str = "",
    until: datetime | None = None,
    next_check: datetime | None = None,
    failures: int = 0,
    seen: int | None = None,
    at: datetime | None = None,
) -> None:
    """Note when the queue of an organization is looked at next (None: now), and why not before.

    `at` is since when that has been so (None: now), for the history.
    """
    facts = {
        "organization": organization,
        "kind": kind,
        "because": because,
        "said": said or because or _CONTINUE,
        "until": until,
    }
    connection.execute(_sql["looked"], facts | {"next_check": next_check, "failures": failures, "seen": seen, "at": at})


def check_now(connection: psycopg.Connection[Any], *, organization: str | None = None) -> None:
    """Let the work of an organization, or of all, be looked at now; that passes no downtime."""
    connection.execute(_sql["check"], {"organization": organization})
    connection.execute(_sql["read_now"], {"organization": organization})


def try_again(connection: psycopg.Connection[Any], item: Item, *, who: str, reason: str) -> None:
    """Let an item that was set aside or refused wait again, with all its retries. Raises IllegalHeldEvent."""
    with connection.transaction():
        happen(connection, item, Event.AGAIN, because=reason)
        subject = f"held {item.id}"
        record_audit(connection, who=who, what="held check", object=subject, before=item.state, reason=reason)


def reassign(connection: psycopg.Connection[Any], item: Item, *, organization: str, who: str, reason: str) -> None:
    """Give an item to another organization, by whose downtimes it is judged from now on.

    Raises IllegalHeldEvent for one that is being written or was sent.
    """
    require_reason(reason, what="the change of a held item's organization")
    with connection.transaction():
        connection.execute(_sql["queue_up"], {"organization": organization})
        if queue_of(connection, organization=organization) is None:
            raise UnknownOrganization(organization=organization)
        happen(connection, item, Event.REASSIGN, because=reason, organization=organization)
        facts = {"before": item.organization, "after": organization, "reason": reason}
        record_audit(connection, who=who, what="held reassign", object=f"held {item.id}", **facts)
        connection.execute(_sql["check"], {"organization": organization})


def due(connection: psycopg.Connection[Any]) -> list[str]:
    """Give the organizations whose work can be looked at now, those first that have waited longest."""
    return [organization for (organization,) in connection.execute(_sql["due"])]


def pause_seconds(connection: psycopg.Connection[Any]) -> float | None:
    """Give how long it is until something may be due; None where nothing waits."""
    (seconds,) = connection.execute(_sql["pause_seconds"]).fetchone() or (None,)
    return None if seconds is None else float(seconds)


def try_own(connection: psycopg.Connection[Any], *, organization: str) -> bool:
    """Become the only one that releases an organization's work, or tell False."""
    facts = {"class": LOCK_CLASS, "organization": organization}
    return connection.execute(_sql["own"], facts).fetchone() == (True,)


def disown(connection: psycopg.Connection[Any], *, organization: str) -> None:
    """Let others release it."""
    connection.execute(_sql["disown"], {"class": LOCK_CLASS, "organization": organization})


def _item(row: Sequence[Any]) -> Item:
    facts = dict(zip(Item.__struct_fields__, row, strict=True))
    return Item(**facts | {"state": State(facts["state"])})
