"""Notices in the control database: what was told, the notices, and what happens to their deliveries.

Whoever sends takes a number first, and holds its lock for as long as the connection lives. A delivery that is being
sent carries the number, so that nobody else's note counts, and that it is found when its sender is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg

from slacktide.control.setting import ClockSilent
from slacktide.core.duration import format_instant
from slacktide.core.interval import Period
from slacktide.downtime.setting import Setting
from slacktide.notice import failure
from slacktide.notice.occurrence import Name
from slacktide.notice.rule import Facts, Kind, Stage, Told
from slacktide.notice.state import EXPIRED, RECOVERED, SUPERSEDED, Event, IllegalDeliveryEvent, State, after
from slacktide.notice.wording import Content
from slacktide.postgres.sql import load

_sql = load(__package__, "notice.sql")
_Connection = psycopg.Connection[Any]
Channel = Literal["mail", "webhook"]
NOTICE_CHANNEL = "slacktide_notice"  # NOTIFY when something was planned, or looked at anew
LASTS = timedelta(days=1)
LOCK_CLASS = 0x407C
"""The class of the locks of those who send, each of a session on the control database."""


class Asking(msgspec.Struct, frozen=True):
    """What a mail tells that asks to act on a task."""

    task: str
    subject: str
    text: str


class Milestone(msgspec.Struct, frozen=True):
    """What a notice tells of a milestone of a move."""

    move: str
    organization: str
    milestone: str
    subject: str
    text: str


def milestone_document(told: Milestone, *, notice: int, at: datetime) -> dict[str, Any]:
    """Give what the webhook gets of a milestone."""
    facts = {"move": told.move, "organization": told.organization, "milestone": told.milestone, "text": told.subject}
    return {"type": f"move.{told.milestone}", "timestamp": format_instant(at), "data": {"notice": str(notice), **facts}}


class Delivery(msgspec.Struct, frozen=True):
    """A notice to one user, or to the webhook, that is being sent by the one who claimed it."""

    id: int
    notice: int
    content: Content | Asking | Milestone
    planned_at: datetime
    recipient: str
    key: str
    attempts: int
    organization: str | None


CONTENTS: Mapping[str, Any] = {"task": Asking, "milestone": Milestone}
"""What a notice of a kind tells, where it is not of a downtime."""


def look(connection: _Connection) -> datetime:
    """Be the only one that plans until the end of the transaction, and give the instant."""
    row = connection.execute(_sql["look"]).fetchone()
    if row is None:
        raise ClockSilent
    at: datetime = row[0]
    return at.astimezone(UTC)


def told_of(connection: _Connection, *, since: datetime) -> dict[Name, Told]:
    """Give what was told of downtimes: of those still to come or lasting, and of those over since an instant."""
    return {
        Name(downtime, organization, occurrence): Told(Stage(stage), Facts(Period(start, end), users), lead)
        for _, downtime, organization, occurrence, stage, start, end, users, lead in connection.execute(
            _sql["subjects"], {"since": since}
        )
    }


def tell(
    connection: _Connection,
    *,
    name: Name,
    told: Told,
    sequence: int,
    content: Content,
    configured: Mapping[Channel, bool],
) -> None:
    """Keep what is told, the notice and its deliveries, in the caller's transaction."""
    facts = msgspec.structs.asdict(name) | {
        "stage": told.stage,
        "start": told.facts.period.start,
        "end": told.facts.period.end,
        "users": told.facts.users,
        "lead": told.lead,
        "sequence": sequence,
    }
    (subject,) = connection.execute(_sql["tell"], facts).fetchone() or (None,)
    notice = _add(connection, subject=subject, kind=content.kind, content=content)
    facts = {"notice": notice, "organization": name.organization, "configured": configured["mail"]}
    connection.execute(_sql["plan_mail"], facts)
    if configured["webhook"]:
        connection.execute(_sql["plan_one"], {"notice": notice, "channel": "webhook", "recipient": ""})


def ask(connection: _Connection, *, asking: Asking, user: str) -> None:
    """Plan a mail that asks a user to act on a task, in the caller's transaction."""
    notice = _add(connection, subject=None, kind="task", content=asking)
    connection.execute(_sql["plan_one"], {"notice": notice, "channel": "mail", "recipient": user})
    connection.execute(_sql["planned"])


def tell_milestone(connection: _Connection, *, milestone: Milestone, configured: Mapping[Channel, bool]) -> None:
    """Plan a notice to the administrators of a move's organization, and to the webhook, in the caller's transaction."""
    notice = _add(connection, subject=None, kind="milestone", content=milestone)
    facts = {"notice": notice, "organization": milestone.organization, "configured": configured["mail"]}
    connection.execute(_sql["plan_milestone"], facts)
    if configured["webhook"]:
        connection.execute(_sql["plan_one"], {"notice": notice, "channel": "webhook", "recipient": ""})
    connection.execute(_sql["planned"])


def looked_at(connection: _Connection, settings: Iterable[Setting]) -> None:
    """Note which versions of the settings were looked at, let go what is superseded, and wake whoever sends."""
    seen = [(int(each.id), each.sequence) for each in settings if each.definition.is_downtime]
    facts = {"downtimes": [each for each, _ in seen], "sequences": [sequence for _, sequence in seen]}
    connection.execute(_sql["looked_at"], facts)
    connection.execute(_sql["supersede"], {"because": SUPERSEDED})
    connection.execute(_sql["planned"])


def new_sender(connection: _Connection) -> int:
    """Take a number to send by, whose lock lasts as long as the connection."""
    (number, _) = connection.execute(_sql["new_sender"], {"class": LOCK_CLASS}).fetchone() or (0, None)
    return int(number)


def claim(connection: _Connection, *, channel: Channel, sender: int) -> Delivery | None:
    """Take the next delivery of a channel; it counts as an attempt from now on. None where there is none."""
    with connection.transaction():
        connection.execute(_sql["turn"], {"channel": channel})
        row = connection.execute(_sql["claim"], {"channel": channel, "sender": sender}).fetchone()
    if row is None:
        return None
    id_, notice, kind, content, planned_at, recipient, key, attempts, organization = row
    told: Content | Asking | Milestone = msgspec.json.decode(content, type=CONTENTS.get(kind, Content))
    return Delivery(id_, notice, told, planned_at, recipient, key, attempts, organization)


def address_of(connection: _Connection, *, user: str, organization: str | None) -> str | None:
    """Give the address of a user whom it concerns now; None for one whom it does not, or who has none."""
    row = connection.execute(_sql["address"], {"name": user, "organization": organization}).fetchone()
    return row and str(row[0])


def happen(
    connection: _Connection,
    delivery: Delivery,
    event: Event,
    *,
    sender: int,
    because: str = "",
    pause: timedelta = timedelta(),
) -> None:
    """Let an event happen to a delivery that is being sent by this sender. Raises IllegalDeliveryEvent."""
    facts = {
        "id": delivery.id,
        "before": State.SENDING,
        "after": after(id=delivery.id, state=State.SENDING, event=event),
        "because": because,
        "less": int(event in (Event.PUT_BACK, Event.HOLD)),
        "pause": pause,
        "sender": sender,
    }
    if connection.execute(_sql["happened"], facts).fetchone() is None:
        raise IllegalDeliveryEvent(id=delivery.id, state="not ours any more", event=event)


def tidy(connection: _Connection) -> None:
    """Find what was left by senders that are gone, what is superseded, and what could not be sent in time."""
    facts = {"class": LOCK_CLASS, "most": failure.ATTEMPTS, "because": RECOVERED}
    with connection.transaction():
        if connection.execute(_sql["alone"]).fetchone() == (True,):
            connection.execute(_sql["recover"], facts)
            connection.execute(_sql["supersede"], {"because": SUPERSEDED})
            connection.execute(_sql["expire"], {"because": EXPIRED, "lasts": LASTS})


def channel_failed(connection: _Connection, *, channel: Channel, because: str) -> None:
    """Let a whole channel wait, longer after each failure."""
    (failures,) = connection.execute(_sql["failures"], {"channel": channel}).fetchone() or (0,)
    facts = {"channel": channel, "because": because, "pause": failure.channel_pause(failures + 1)}
    connection.execute(_sql["channel_failed"], facts)


def channel_works(connection: _Connection, *, channel: Channel) -> None:
    """Note that a channel's server takes what it is given."""
    connection.execute(_sql["channel_works"], {"channel": channel})


def channels(connection: _Connection) -> list[tuple[str, int, str, datetime]]:
    """Give how the channels are: name, failures in a row, why, and when it is tried next."""
    return connection.execute(_sql["channels"]).fetchall()


def pause_seconds(connection: _Connection, *, channel: Channel) -> float | None:
    """Give how long it is until the next delivery of a channel may be tried; None where nothing waits."""
    (seconds,) = connection.execute(_sql["pause_seconds"], {"channel": channel}).fetchone() or (None,)
    return None if seconds is None else float(seconds)


def list_notices(connection: _Connection, *, state: str | None, last: int) -> list[tuple[Any, ...]]:
    """Give the newest notices with how many deliveries are in which state: all, or those with one in a state."""
    return connection.execute(_sql["list"], {"state": state, "last": last}).fetchall()


def list_deliveries(connection: _Connection, *, notices: Sequence[int], states: Sequence[str]) -> list[tuple[Any, ...]]:
    """Give the deliveries of some notices that are in some states."""
    return connection.execute(_sql["deliveries"], {"notices": [*notices], "states": [*states]}).fetchall()


def _add(
    connection: _Connection, *, subject: int | None, kind: Kind | str, content: Content | Asking | Milestone
) -> int:
    facts = {"subject": subject, "kind": str(kind), "content": msgspec.json.encode(content).decode()}
    (notice,) = connection.execute(_sql["add"], facts).fetchone() or (0,)
    return int(notice)
