"""What a page shows a user above everything else: the downtimes that last, and those within the largest lead time.

`banners` is a pure function; `banner` asks the control database. A banner is a value: a page shows `text` as plain
text, or makes its own of the facts; `state` is `active` or `upcoming`. The active ones come first, then by start.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Literal

import msgspec
import psycopg

from slacktide.control.organization import list_organizations
from slacktide.control.setting import control_now, list_settings
from slacktide.control.user import role_of
from slacktide.core.interval import Period
from slacktide.downtime.setting import Users
from slacktide.notice.occurrence import Downtime, Known
from slacktide.notice.rule import Present, present
from slacktide.notice.wording import line


class Banner(msgspec.Struct, frozen=True, kw_only=True):
    """One downtime as a page shows it. `occurrence` names one of a series; `organization` None is the site."""

    downtime: str
    occurrence: str
    organization: str | None
    state: Literal["active", "upcoming"]
    start: datetime
    end: datetime | None
    users: Users
    text: str
    message: str
    contact: str


def banners(*, known: Known, organizations: Collection[str] | None) -> list[Banner]:
    """Give the banners of the site and of some organizations (None: of all) at the instant of what is known."""
    found = [
        each
        for each in known.downtimes().values()
        if each.name.organization is None or organizations is None or each.name.organization in organizations
    ]
    made = [banner for each in found if (banner := _banner(each, known.now)) is not None]
    return sorted(made, key=lambda each: (each.state, each.start, each.downtime))


def banner(connection: psycopg.Connection[Any], *, user: str | None, at: datetime | None = None) -> list[Banner]:
    """Give the banners for a user: of the site and of its own organizations; an administrator sees all.

    Without a user, and for one that is not known or disabled, of the site alone.
    """
    role = role_of(connection, user) if user is not None else None
    known = Known(
        settings=list_settings(connection),
        organizations={each.code: each for each in list_organizations(connection)},
        now=at or control_now(connection),
    )
    if role is not None and role.admin:
        return banners(known=known, organizations=None)
    return banners(known=known, organizations=role.organizations if role else ())


def _banner(downtime: Downtime, now: datetime) -> Banner | None:
    period, users = downtime.facts.period, downtime.facts.users
    is_now = present(downtime.facts, now=now)
    near = Period(period.start - max(downtime.leads, default=period.start - period.start)).contains(now)
    if is_now is Present.OVER or (is_now is Present.AHEAD and not near):
        return None
    lasts = is_now is Present.LASTING
    return Banner(
        downtime=downtime.name.downtime,
        occurrence=downtime.name.occurrence,
        organization=downtime.name.organization,
        state="active" if lasts else "upcoming",
        start=period.start,
        end=period.end,
        users=users,
        text=line(scope=downtime.scope, period=period, users=users, zone=downtime.zone, lasts=lasts),
        message=downtime.message,
        contact=downtime.contact,
    )
