"""The decision: may this action go on now, for whom, and if not why, until when, and what to do meanwhile.

A pure function of the schedule, the facts and the instant. The table says what is judged by which downtimes;
here the reasons are found, put in their order and made into an answer. Everything that only a refusal needs
(the message, the dates) is worked out when it is read. While nothing is in effect, what is free then is allowed without
a look at the table: that costs one look-up, of the calm stretch around now.

The order of reasons: `not_administrator`; `reference_only`; then, among the scopes whose downtime denies or
holds this very action, the one whose unbroken period ends last (no end is last of all; a tie goes to the
site).
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from slacktide.core.duration import format_instant, parse_duration
from slacktide.downtime.message import message_of
from slacktide.downtime.parameter import PARAMETERS, RECHECK_INTERVAL, Level
from slacktide.downtime.reason import Code, Reason
from slacktide.downtime.schedule import Phase, Schedule, SideName, SideSchedule
from slacktide.downtime.table import Action, Facts, Verdict, judge

Outcome = Literal["allow", "deny", "login", "hold"]

MAXIMUM_AGE = timedelta(seconds=60)  # an answer and a gate's schedule hold no longer than this without a look
# What is allowed to everybody, by the table, while nothing is in effect.
FREE = frozenset(
    (Action.LOGIN, Action.READ, Action.OPEN_TASK, Action.CONTINUE_TASK, Action.IMPORT, Action.WRITE_INTERFACE)
)
_STALE_MARGIN = timedelta(hours=24)
_UNKNOWN = Phase(users_out=True)


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer. The first of `reasons` is the one that is shown; the others are listed in `also`."""

    decision: Outcome
    organization: str | None
    reasons: tuple[Reason, ...]
    now: datetime
    valid_until: datetime
    recheck: timedelta

    @property
    def allowed(self) -> bool:
        """Tell whether the action may go on."""
        return self.decision == "allow"

    @property
    def reason(self) -> Reason | None:
        """The reason that is shown."""
        return self.reasons[0] if self.reasons else None

    @property
    def code(self) -> Code | None:
        """The stable name of the reason."""
        return self.reasons[0].code if self.reasons else None

    @property
    def scope(self) -> Level | None:
        """Whose downtime it is."""
        return self.reasons[0].scope if self.reasons else None

    @property
    def start(self) -> datetime | None:
        """Since when."""
        return self.reasons[0].start if self.reasons else None

    @property
    def until(self) -> datetime | None:
        """The end of the unbroken period; None without a known end."""
        return self.reasons[0].until if self.reasons else None

    @property
    def next_check(self) -> datetime | None:
        """When held work looks again, at the latest."""
        if self.decision != "hold":
            return None
        recheck = self.now + self.recheck
        return recheck if self.until is None else min(self.until, recheck)

    @property
    def retry_after_seconds(self) -> int | None:
        """Seconds to the end or, where none is known, the recheck interval; None where waiting is no use."""
        if self.reason is None or self.code in ("not_administrator", "reference_only"):
            return None
        wait = self.recheck if self.until is None else self.until - self.now
        return max(1, math.ceil(wait.total_seconds()))

    @property
    def also(self) -> tuple[Reason, ...]:
        """The other reasons."""
        return self.reasons[1:]

    @property
    def message(self) -> str | None:
        """What a person is told; None where nothing is refused."""
        return None if self.reason is None else message_of(self.reason, organization=self.organization)

    def answer(self) -> dict[str, Any]:
        """Give the JSON document of `check` and `POST /api/decision`."""
        return {
            "decision": self.decision,
            "code": self.code,
            "scope": self.scope and self.scope.value,
            "organization": self.organization,
            "message": self.message,
            "start": _text(self.start),
            "until": _text(self.until),
            "next_check": _text(self.next_check),
            "retry_after_seconds": self.retry_after_seconds,
            "valid_until": _text(self.valid_until),
            "also": [
                {
                    "code": reason.code,
                    "scope": reason.scope and reason.scope.value,
                    "start": _text(reason.start),
                    "until": _text(reason.until),
                }
                for reason in self.also
            ],
        }


def decide(
    *,
    action: Action | str,
    schedule: Schedule | None,
    now: datetime,
    user_is_admin: bool = False,
    user: str | None = None,
    own_downtime: bool = False,
    organization: str | None = None,
    side: SideName | None = None,
    lease: bool = False,
    session: Literal["none", "live"] = "none",
    via: Literal["browser", "email", "api"] = "browser",  # noqa: ARG001 -- part of the request; it changes no answer
    writer: Literal["own", "other"] = "own",
    link_asks: bool = True,
    stale: bool = False,
) -> Decision:
    """Decide on an action of a user, or of some work, for an organization (None: none is concerned).

    `user_is_admin` is as the application's current data say; `user` is the name by which a downtime that is verifying
    knows its testers. `own_downtime`: for `change_setting`, that it is
    about a downtime of an organization that the user administers. `lease`: the user's live lease of that very
    task (for `login`: of any). `link_asks`: for `email_link`, that the link's security level asks for a
    log-in. Without a schedule, with one that is in doubt or `stale`, it closes as the specification says. Raises
    UnknownOrganization.
    """
    if schedule is not None and not stale and action in FREE:
        calm = schedule.calm(now, organization=organization, side=side)
        if calm is not None:
            until, end = now + MAXIMUM_AGE, calm.end
            return Decision(
                decision="allow",
                organization=organization,
                reasons=(),
                now=now,
                valid_until=until if until < end else end,  # noqa: FURB136 -- `min` costs a tenth of all of it
                recheck=calm.recheck,
            )
    action = Action(action)
    home = schedule.side(organization, side) if schedule is not None and organization is not None else None
    site, own = _phases(schedule, home, now=now, stale=stale)
    facts = Facts(
        admin=user_is_admin,
        own_downtime=own_downtime,
        lease=lease,
        live_session=session == "live",
        own_writer=writer == "own",
        reference_only=home is not None and home.reference_only(now),
        link_barred=_link_barred(schedule, site, own, now=now),
        link_asks=link_asks,
    )
    verdict, left = judge(action, facts)
    reasons = _downtime_reasons(verdict, site, own, user=user)
    if left and home is not None:
        reasons = (_left_reason(home), *reasons)
    if verdict.not_administrator:
        reasons = (Reason(code="not_administrator"),)
    return Decision(
        decision=_outcome(verdict, reasons, left=left),
        organization=organization,
        reasons=reasons,
        now=now,
        valid_until=_valid_until(schedule, action, now=now, organization=organization, side=side),
        recheck=_recheck(schedule, now=now),
    )


def _outcome(verdict: Verdict, reasons: tuple[Reason, ...], *, left: bool) -> Outcome:
    if verdict.login:
        return "login"
    if not reasons:
        return "allow"
    return "hold" if verdict.outcome == "hold" and not left else "deny"


def _phases(schedule: Schedule | None, home: SideSchedule | None, *, now: datetime, stale: bool) -> tuple[Phase, Phase]:
    """Give the phase of the site and of the organization; where the schedule is not known, one that bars."""
    if schedule is None or schedule.in_doubt:
        return _UNKNOWN, Phase()
    timelines = (schedule.site, home.phases if home else None)
    site, own = (timeline.at(now) if timeline else Phase() for timeline in timelines)
    if not stale:
        return site, own
    near = [
        timeline is not None
        and any(phase.in_effect for phase in timeline.between(now - _STALE_MARGIN, now + _STALE_MARGIN))
        for timeline in timelines
    ]
    return _UNKNOWN if near[0] else site, _UNKNOWN if near[1] else own


def _link_barred(schedule: Schedule | None, site: Phase, own: Phase, *, now: datetime) -> bool:
    if schedule is None or _UNKNOWN in (site, own) or site.in_effect or own.in_effect:
        return True
    return schedule.email_scope.at(now) == "any" and schedule.any_downtime.at(now) is not None


def _downtime_reasons(verdict: Verdict, site: Phase, own: Phase, *, user: str | None) -> tuple[Reason, ...]:
    """Give the scopes whose downtime denies or holds this very action, the one that ends last first."""
    asked = [
        (site, Level.SITE) if verdict.site else None,
        (own, Level.ORGANIZATION) if verdict.organization else None,
    ]
    found = [
        _reason(phase, scope)
        for phase, scope in filter(None, asked)
        if phase is _UNKNOWN or (phase.bars(user) if verdict.users_out else phase.in_effect)
    ]
    # The sort keeps the order of equals, so that a tie goes to the site.
    return tuple(sorted(found, key=_lasting, reverse=True))


def _lasting(reason: Reason) -> tuple[bool, float]:
    return reason.until is None, reason.until.timestamp() if reason.until else 0


def _reason(phase: Phase, scope: Level) -> Reason:
    if phase.period is None:
        return Reason(code="schedule_unknown", scope=scope, phase=phase)
    code: Code = "site_downtime" if scope is Level.SITE else "organization_downtime"
    return Reason(code=code, scope=scope, start=phase.period.start, until=phase.period.end, phase=phase)


def _left_reason(home: SideSchedule) -> Reason:
    since, place = home.reference_since, home.lives_at
    return Reason(code="reference_only", scope=Level.ORGANIZATION, start=since, lives_at=place)


def _valid_until(
    schedule: Schedule | None, action: Action, *, now: datetime, organization: str | None, side: SideName | None
) -> datetime:
    boundary = None
    if schedule is not None:
        link = action is Action.EMAIL_LINK
        boundary = schedule.next_boundary(now, organization=organization, side=side, link=link)
    return now + MAXIMUM_AGE if boundary is None else min(boundary, now + MAXIMUM_AGE)


def _recheck(schedule: Schedule | None, *, now: datetime) -> timedelta:
    return parse_duration(PARAMETERS[RECHECK_INTERVAL].default) if schedule is None else schedule.recheck.at(now)


def _text(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)
