"""The compiled schedule as one JSON document, so that a gate far away decides exactly as the server does.

The document holds what a decision reads and nothing else: of each phase its beginning, whether it bars normal users,
its unbroken period and the texts that are shown. The settings themselves, their reasons and who made them stay at home.
What was over some days before is left out. Texts and zones are written once and named by their place in a list, for
ten thousand downtimes mostly share them.

What could go wrong, and what stands against it:

1. A caller learns of organizations that are none of its business. Only those that it may see are in the document; what
   is in effect anywhere is there as periods without a name, for e-mail links are judged by them.
2. A gate reads a document of another form than it knows, and decides wrongly. The version comes first; a document of
   another one, or one that cannot be read, is no schedule at all.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from slacktide.core.interval import Period
from slacktide.downtime.schedule import Organization, OrganizationSchedule, Phase, Schedule, SideName, SideSchedule
from slacktide.downtime.timeline import Timeline

VERSION = 1

_KEPT = timedelta(days=2)  # a stale answer looks back by a day
V = TypeVar("V")
_Ends = tuple[datetime, datetime | None]


class _Phase(msgspec.Struct, frozen=True, array_like=True):
    """A phase: whether users are out, the unbroken period, the places of message, contact and zone, and the testers.

    Who wrote it before there were testers left them out; who reads it so leaves them.
    """

    users_out: bool
    period: _Ends
    message: int
    contact: int
    zone: int
    testers: list[str] = []


class _Phases(msgspec.Struct, frozen=True, array_like=True):
    """A scope's phases: the first one, then boundaries and what begins at each. None: nothing is in effect."""

    first: _Phase | None
    changes: list[tuple[datetime, _Phase | None]]


class _Side(msgspec.Struct, frozen=True, omit_defaults=True):
    phases: _Phases
    reference_since: datetime | None = None
    lives_at: str | None = None


class _Organization(msgspec.Struct, frozen=True, omit_defaults=True):
    """An organization: where it lives, by the name of a side or, if it has none, by its phases."""

    code: str
    name: str
    zone: str
    home: SideName | _Phases
    sides: dict[SideName, _Side] = {}


class _Values(msgspec.Struct, frozen=True, array_like=True):
    """The values of a parameter of the site, as text: the first one, then boundaries and what begins at each."""

    first: str
    changes: list[tuple[datetime, str]]


class _Document(msgspec.Struct, frozen=True):
    """The document. A reader who does not know `in_doubt` finds the site down, without an end."""

    version: int
    horizon: datetime | None
    texts: list[str]
    site: _Phases
    organizations: list[_Organization]
    any_downtime: list[_Ends]
    recheck: _Values
    email_scope: _Values
    in_doubt: bool = False


class _Version(msgspec.Struct):
    version: int


# -- writing -----------------------------------------------------------------------------------------------------------


def encode_schedule(schedule: Schedule, *, organizations: Collection[str] | None = None, since: datetime) -> bytes:
    """Write a schedule for use from an instant on, with the organizations that may be seen (None: all of them)."""
    since -= _KEPT
    texts = _Texts()
    seen = [each for code, each in schedule.organizations.items() if organizations is None or code in organizations]
    anywhere = (period for period in schedule.any_downtime.since(since).values if period is not None)
    document = _Document(
        version=VERSION,
        horizon=schedule.horizon,
        texts=texts.known,
        site=_written(schedule.site.since(since), texts),
        organizations=[_organization(each, texts, since=since) for each in seen],
        any_downtime=[(period.start, period.end) for period in anywhere],
        recheck=_values(schedule.recheck.since(since).map(lambda _, length: str(msgspec.to_builtins(length)))),
        email_scope=_values(schedule.email_scope.since(since)),
        in_doubt=schedule.in_doubt,
    )
    return msgspec.json.encode(document)


class _Texts:
    """The list of texts, each once."""

    def __init__(self) -> None:
        self.known: list[str] = []
        self._places: dict[str, int] = {}

    def place(self, text: str) -> int:
        """Give a text's place in the list, where it is put if it is new."""
        if text not in self._places:
            self._places[text] = len(self.known)
            self.known.append(text)
        return self._places[text]


def _organization(found: OrganizationSchedule, texts: _Texts, *, since: datetime) -> _Organization:
    who = found.organization
    sides = {name: _side(side, texts, since=since) for name, side in found.sides.items()}
    home = next((name for name, side in found.sides.items() if side is found.home), None)
    lives: SideName | _Phases = home or _written(found.home.phases.since(since), texts)
    return _Organization(code=who.code, name=who.name, zone=who.zone, home=lives, sides=sides)


def _side(side: SideSchedule, texts: _Texts, *, since: datetime) -> _Side:
    return _Side(_written(side.phases.since(since), texts), side.reference_since, side.lives_at)


def _written(timeline: Timeline[Phase], texts: _Texts) -> _Phases:
    def one(phase: Phase) -> _Phase | None:
        if phase.period is None:
            return None
        message, contact, zone = (texts.place(text) for text in (phase.message, phase.contact, phase.zone))
        period = (phase.period.start, phase.period.end)
        return _Phase(phase.users_out, period, message, contact, zone, sorted(phase.testers))

    first, *values = timeline.values
    return _Phases(one(first), [(b, one(value)) for b, value in zip(timeline.boundaries, values, strict=True)])


def _values(timeline: Timeline[str]) -> _Values:
    first, *values = timeline.values
    return _Values(first, list(zip(timeline.boundaries, values, strict=True)))


# -- reading -----------------------------------------------------------------------------------------------------------


def decode_schedule(document: bytes) -> Schedule | None:
    """Read a schedule; None if the document is of another version, or none."""
    try:
        if msgspec.json.decode(document, type=_Version).version != VERSION:
            return None
        return _schedule(msgspec.json.decode(document, type=_Document))
    except (msgspec.MsgspecError, IndexError, ValueError):
        return None


def _schedule(read: _Document) -> Schedule:
    organizations = {one.code: _read_organization(one, read.texts) for one in read.organizations}
    changes: list[tuple[datetime, Period | None]] = []
    for start, end in read.any_downtime:
        changes.append((start, Period(start, end)))
        changes += [] if end is None else [(end, None)]
    return Schedule(
        site=_read_phases(read.site, read.texts),
        organizations=organizations,
        recheck=Timeline(read.recheck.first, read.recheck.changes).map(lambda _, text: _length(text)),
        email_scope=Timeline(read.email_scope.first, read.email_scope.changes),
        horizon=read.horizon,
        in_doubt=read.in_doubt,
        told_of=Timeline(None, changes),
    )


def _read_organization(one: _Organization, texts: list[str]) -> OrganizationSchedule:
    sides: dict[SideName, SideSchedule] = {
        name: SideSchedule(_read_phases(side.phases, texts), side.reference_since, side.lives_at)
        for name, side in one.sides.items()
    }
    home = SideSchedule(_read_phases(one.home, texts)) if isinstance(one.home, _Phases) else sides[one.home]
    return OrganizationSchedule(Organization(one.code, one.name, one.zone), home, sides)


def _read_phases(read: _Phases, texts: list[str]) -> Timeline[Phase]:
    return Timeline(_phase(read.first, texts), [(boundary, _phase(each, texts)) for boundary, each in read.changes])


def _phase(read: _Phase | None, texts: list[str]) -> Phase:
    if read is None:
        return Phase()
    message, contact, zone = texts[read.message], texts[read.contact], texts[read.zone]
    return Phase(
        users_out=read.users_out,
        period=Period(*read.period),
        message=message,
        contact=contact,
        zone=zone,
        testers=frozenset(read.testers),
    )


def _length(text: str) -> timedelta:
    return msgspec.convert(text, timedelta)
