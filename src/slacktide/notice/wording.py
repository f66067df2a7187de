"""The words of notices: the subject and text of a mail, the line of a banner, and the document of the webhook.

The reason of a downtime is for the audit trail and stands in none of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from slacktide.core.duration import format_instant
from slacktide.core.interval import Period
from slacktide.downtime.message import shown
from slacktide.downtime.setting import Users
from slacktide.notice.rule import Kind

_HEADS = {
    Kind.AHEAD: "{scope} will be {word} from {start}",
    Kind.STARTED: "{scope} is {word} {until}",
    Kind.ENDED: "{scope}: the downtime is over",
    Kind.CANCELLED: "{scope}: the downtime of {start} is cancelled",
}


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a notice of a downtime tells, as it is kept with it; `before` and `before_end` are what was told before.

    `still` says until when another downtime keeps the scope down after this one has ended.
    """

    kind: Kind
    downtime: str
    occurrence: str
    organization: str | None
    scope: str
    start: datetime
    end: datetime | None
    users: Users
    message: str
    contact: str
    zone: str
    lead: timedelta | None = None
    before: datetime | None = None
    before_end: datetime | None = None
    still: tuple[datetime | None, ...] = ()


def headline(content: Content) -> str:
    """Say it in one line: the subject of a mail."""
    if content.kind is Kind.CHANGED:
        return f"{content.scope}: the downtime {_change(content)}"
    return _HEADS[content.kind].format(
        scope=content.scope, word=_word(content.users), start=_at(content.start, content), until=_until(content)
    )


def text(content: Content, *, address: str | None = None) -> str:
    """Say it in full, as plain text; `address` is the site's own, for a link."""
    lines = [
        f"{headline(content)}.",
        _period(content) if content.kind is not Kind.CANCELLED else "It will not take place.",
        *_still(content),
        *([] if content.kind in (Kind.ENDED, Kind.CANCELLED) else [_meaning(content.users)]),
        *([content.message] if content.message else []),
        f"Ask {content.contact}.",
        *([address] if address else []),
    ]
    return "\n\n".join(lines) + "\n"


def line(*, scope: str, period: Period, users: Users, zone: str, lasts: bool) -> str:
    """Say of a downtime what a banner says: that it lasts, or that it is to come."""
    until = f"until {shown(period.end, zone)}" if period.end else "until further notice"
    start = "" if lasts else f"from {shown(period.start, zone)} "
    verb = "is" if lasts else "will be"
    return f"{scope} {verb} {_word(users)} {start}{until} ({zone}). {_meaning(users)}"


def document(content: Content, *, notice: int, at: datetime) -> dict[str, Any]:
    """Give what the webhook gets: a type, the instant of the notice, and the facts."""
    return {
        "type": f"downtime.{content.kind}",
        "timestamp": format_instant(at),
        "data": {
            "notice": str(notice),
            "downtime": content.downtime,
            "occurrence": content.occurrence or None,
            "scope": "site" if content.organization is None else "organization",
            "organization": content.organization,
            "start": format_instant(content.start),
            "end": _instant(content.end),
            "users": content.users,
            "before": content.before and {"start": format_instant(content.before), "end": _instant(content.before_end)},
            "still_until": [_instant(each) for each in content.still],
            "text": headline(content),
            "message": content.message or None,
            "contact": content.contact,
        },
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _change(content: Content) -> str:
    """Say what is another now: the start before the end, the end before whether users may work."""
    if content.before is not None and content.before != content.start:
        return f"is moved from {_at(content.before, content)} to {_at(content.start, content)}"
    if content.before is None or content.before_end == content.end:
        return "lets users work on" if content.users == "in" else "keeps users out"
    if content.end is None:
        return "lasts until further notice"
    later = content.before_end is not None and not Period(content.end).contains(content.before_end)
    return f"{'is extended and lasts' if later else 'now ends'} {_until(content)}"


def _period(content: Content) -> str:
    if content.kind is Kind.ENDED:
        return f"It began at {_at(content.start, content)} ({content.zone})."
    return f"From {_at(content.start, content)} {_until(content)} ({content.zone}), for administrative reasons."


def _still(content: Content) -> list[str]:
    if not content.still:
        return []
    ends = [each for each in content.still if each is not None]
    until = "until further notice" if len(ends) < len(content.still) else f"until {_at(max(ends), content)}"
    return [f"Another downtime keeps it down {until}."]


def _meaning(users: Users) -> str:
    if users == "in":
        return "Users may work on meanwhile; what goes into the ERP waits, and goes on by itself afterwards."
    return "Users cannot work in it meanwhile; what goes into the ERP waits, and goes on by itself afterwards."


def _word(users: Users) -> str:
    return "in a downtime with its users in" if users == "in" else "down"


def _until(content: Content) -> str:
    return f"until {_at(content.end, content)}" if content.end else "until further notice"


def _at(instant: datetime, content: Content) -> str:
    return shown(instant, content.zone)
