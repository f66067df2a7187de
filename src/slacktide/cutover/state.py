"""The state of an organization, or of the site, with what its guarded databases say.

The schedule says what is in effect. Whether anybody still writes is a fact that only the guarded databases know: each
is asked for its durable closing and for the transactions that hold it up. They are the sources and targets of the
moves; of several moves of one organization the latest counts. The places of held work, whose interface tables are
guarded, and the control database, where commands and jobs hold the organization's lock, are asked too (`sharing`).

The durable closing lies in the guarded database itself, so between its commit and the note in the control database
the two differ. The stricter of both holds.

*Quiet* is what a guard has recorded under its lock, never an empty list of holders: where the guard is still open,
or did not answer, somebody may write in the next moment. Of a place and of the control database it is that the lock was
to be had alone after the start. People are waited for everywhere: leases and sessions, which are counted under the lock
of `control.passage`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.control.organization import list_organizations, list_sides
from slacktide.control.origin import doubt_of
from slacktide.control.quiet import people
from slacktide.control.schedule import Known, compile_known
from slacktide.control.setting import control_now, list_settings
from slacktide.core.errors import SlacktideError
from slacktide.cutover import sharing
from slacktide.cutover.sharing import Passable, Sharing, passable
from slacktide.downtime.schedule import Schedule, Side, SideName, SideState, UnknownOrganization
from slacktide.downtime.state import Holders, State, state_of
from slacktide.guard import closing
from slacktide.guard import state as guard_state
from slacktide.guard.closing import Closing
from slacktide.guard.holders import Holder, holders
from slacktide.guard.shared import try_alone
from slacktide.postgres.connection import connect, shown
from slacktide.postgres.sql import load
from slacktide.transfer.move import TAKEN_BACK, Move, list_moves

_sql = load(__package__, "state.sql")
_TIMEOUT_SECONDS = 2
_AT_ONCE = 8

_SIDE_STATE: dict[guard_state.State, SideState] = {
    guard_state.State.OPEN: "open",
    guard_state.State.CLOSING: "closed",
    guard_state.State.QUIET: "closed",
    guard_state.State.VERIFYING: "closed",
    guard_state.State.PREPARED: "closed",
    guard_state.State.REFERENCE_ONLY: "reference only",
}
_STRICTNESS: tuple[SideState, ...] = ("open", "closed", "reference only")
_NOBODY_WRITES = frozenset({guard_state.State.QUIET, guard_state.State.PREPARED, guard_state.State.REFERENCE_ONLY})


class Place(msgspec.Struct, frozen=True):
    """An organization (None: the site) in one database, which knows it as `key`."""

    organization: str | None
    side: SideName
    address: str
    key: str


class Seen(msgspec.Struct, frozen=True):
    """What a guarded database says of an organization."""

    place: Place
    closing: Closing
    holders: list[Holder]


_Said = Seen | Sharing | Passable


class Unseen(msgspec.Struct, frozen=True):
    """A database that did not answer in time: its organizations, and why."""

    address: str
    organizations: frozenset[str | None]
    reason: str


class Measured(msgspec.Struct, frozen=True):
    """What the guarded databases said: those of moves, and whoever shares an organization's lock elsewhere."""

    seen: tuple[Seen, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    sharing: tuple[Sharing, ...] = ()
    passable: tuple[Passable, ...] = ()

    @property
    def every(self) -> list[tuple[str, Holder]]:
        """The transactions that hold anybody up, with the addresses of their databases."""
        found = [(seen.place.address, holder) for seen in self.seen for holder in seen.holders]
        return found + [(one.address, holder) for one in self.sharing for holder in one.holders]

    def holders(self, organization: str | None) -> list[Holder]:
        """Give the transactions that hold the organization (None: the site) up, oldest first, each once."""
        found = [holder for seen in self.seen if seen.place.organization == organization for holder in seen.holders]
        found += [holder for one in self.sharing if one.organization == organization for holder in one.holders]
        once = {(holder.database, holder.id): holder for holder in found}
        return sorted(once.values(), key=lambda holder: -holder.age_seconds)

    def passers(self, organization: str | None) -> list[dict[str, Any]]:
        """Give the roles that could write the organization (None: anybody) all the same, as `status` names them."""
        found = {one.database: one for one in self.passable if organization in one.organizations}
        return [
            {"database": database, "role": passer.role, "because": list(passer.because)}
            for database, one in sorted(found.items())
            for passer in one.passers
        ]


def places(moves: Iterable[Move]) -> list[Place]:
    """Give where the organizations that move are guarded, and for each of these databases the site."""
    found: dict[tuple[str | None, str], Place] = {}
    for move in sorted(moves, key=lambda move: move.move_id):
        if move.state == TAKEN_BACK:
            continue  # then the move that it should have taken back counts
        code = move.organization
        found[code, "source"] = Place(code, "source", move.source, move.property_code)
        found[code, "target"] = Place(code, "target", move.target, move.target_property)
    for address in {place.address for place in found.values()}:
        found[None, address] = Place(None, "source", address, closing.SITE)
    return list(found.values())


def measure_of(connection: psycopg.Connection[TupleRow], wanted: Iterable[str | None] | None = None) -> Measured:
    """Ask the guarded databases of organizations and (None) of the site, or of all; `connection` is to the control one.

    Several are asked at once; one that does not answer in time is unseen.
    """
    chosen = codes(connection) if wanted is None else [*wanted]
    own = [place for place in places(list_moves(connection)) if place.organization in chosen]
    found = measure(own, interfaces=sharing.interfaces(connection, chosen))
    return msgspec.structs.replace(found, sharing=(*found.sharing, *sharing.here(connection, chosen)))


def measure(places: Iterable[Place], *, interfaces: sharing.Interfaces | None = None) -> Measured:
    """Ask the databases of the places of moves, and of held work; one that does not answer in time is unseen."""
    by_address: dict[str, list[Place]] = {}
    for place in places:
        by_address.setdefault(place.address, []).append(place)
    asked: list[Callable[[], list[_Said] | Unseen]] = [partial(_ask, each) for each in by_address.values()]
    asked += [partial(_ask_interface, *each) for each in (interfaces or {}).items()]
    if not asked:
        return Measured()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(lambda ask: ask(), asked))
    unseen = tuple(answer for answer in answers if isinstance(answer, Unseen))
    every = [one for answer in answers if not isinstance(answer, Unseen) for one in answer]
    return Measured(
        tuple(one for one in every if isinstance(one, Seen)),
        unseen,
        tuple(one for one in every if isinstance(one, Sharing)),
        tuple(one for one in every if isinstance(one, Passable)),
    )


def state(
    connection: psycopg.Connection[TupleRow],
    *,
    organization: str | None,
    measured: Measured | None,
    at: datetime | None = None,
) -> State:
    """Give the state of an organization (None: of the site), now or at an instant. Raises UnknownOrganization."""
    return states(connection, organizations=[organization], measured=measured, at=at)[0]


def states(
    connection: psycopg.Connection[TupleRow],
    *,
    organizations: Iterable[str | None],
    measured: Measured | None,
    at: datetime | None = None,
) -> list[State]:
    """Give the states of organizations (None: of the site), now or at an instant.

    `connection` is to the control database. Without a measurement, as for another instant than now, what is down is
    closing. Raises UnknownOrganization.
    """
    with connection.transaction():
        now = at or control_now(connection)
        known = _known(connection, measured, now=now)
    if measured is None:
        return [state_of(schedule=known.schedule, now=now, organization=each) for each in organizations]
    return [_measured(connection, each, known=known, measured=measured, now=now) for each in organizations]


def _measured(
    connection: psycopg.Connection[TupleRow],
    organization: str | None,
    *,
    known: Known,
    measured: Measured,
    now: datetime,
) -> State:
    here = _here(known.schedule, measured, organization)
    left = people(connection, organization=organization, known=known, now=now)
    transactions = len(measured.holders(organization))
    found = state_of(
        schedule=known.schedule,
        now=now,
        organization=organization,
        holders=Holders(leases=len(left.leases), sessions=len(left.waited_for), transactions=transactions),
        verifying=any(
            one.closing.state is guard_state.State.VERIFYING
            for one in measured.seen
            if organization in (None, one.place.organization)
        ),
    )
    quiet = left.settled and all(one.closing.state in _NOBODY_WRITES for one in here)
    quiet = quiet and all(one.drained for one in measured.sharing if one.organization == organization)
    unseen = any(organization in one.organizations for one in measured.unseen)
    if found.state == "quiet" and (unseen or not quiet or not try_alone(connection, organization=organization or "")):
        return msgspec.structs.replace(found, state="closing")
    return found


def _known(connection: psycopg.Connection[TupleRow], measured: Measured | None, *, now: datetime) -> Known:
    """Read what is known, with the sides as the guarded databases say they are."""
    sides = list_sides(connection)
    return compile_known(
        settings=list_settings(connection),
        organizations=list_organizations(connection),
        sides=_sides(sides, measured.seen) if measured else sides,
        around=now,
        doubt=doubt_of(connection),
    )


def codes(connection: psycopg.Connection[TupleRow]) -> list[str | None]:
    """Give the site, as None, and every organization."""
    return [None, *(organization.code for organization in list_organizations(connection))]


def _ask(places: list[Place]) -> list[_Said] | Unseen:
    address = places[0].address
    options = f"-c statement_timeout={_TIMEOUT_SECONDS}s"
    try:
        with connect(address, name="status", timeout_seconds=_TIMEOUT_SECONDS, options=options) as connection:
            if connection.execute(_sql["guarded"]).fetchone() != (True,):
                return []
            whose = passable(connection, [place.organization for place in places])
            return [whose, *(_seen(connection, place) for place in places)]
    except (SlacktideError, psycopg.Error) as error:
        return _unseen(address, [place.organization for place in places], error)


def _ask_interface(address: str, organizations: list[str | None]) -> list[_Said] | Unseen:
    options = f"-c statement_timeout={_TIMEOUT_SECONDS}s"
    try:
        with connect(address, name="status", timeout_seconds=_TIMEOUT_SECONDS, options=options) as connection:
            said: list[_Said] = [*sharing.at(connection, address, organizations)]
            guarded = connection.execute(_sql["guarded"]).fetchone() == (True,)
            return [*said, passable(connection, organizations)] if guarded else said
    except (SlacktideError, psycopg.Error) as error:
        return _unseen(address, organizations, error)


def _unseen(address: str, organizations: Iterable[str | None], error: Exception) -> Unseen:
    return Unseen(shown(address), frozenset(organizations), " ".join(str(error).split()))


def _seen(connection: psycopg.Connection[TupleRow], place: Place) -> Seen:
    closed = closing.state(connection, organization=place.key)
    return Seen(place, closed, holders(connection, organization=place.key))


def _sides(known: Iterable[Side], seen: Iterable[Seen]) -> list[Side]:
    """Give each side in the stricter of the states that the control database and the guarded one know.

    A target that is prepared makes nothing closed by itself: it counts beside its source only.
    """
    merged = {(side.organization, side.side): side for side in known}
    for one in seen:
        if one.place.organization is None:
            continue
        side = _side(one, one.place.organization)
        there = merged.get((side.organization, side.side))
        if there is None or _STRICTNESS.index(side.state) > _STRICTNESS.index(there.state):
            merged[side.organization, side.side] = side
    noted = {(side.organization, side.side) for side in known}
    return [side for key, side in merged.items() if key in noted or (side.organization, "source") in merged]


def _side(one: Seen, organization: str) -> Side:
    return Side(
        organization=organization,
        side=one.place.side,
        state=_SIDE_STATE[one.closing.state],
        since=one.closing.since or datetime.min.replace(tzinfo=UTC),
        lives_at=one.closing.lives_at,
    )


def _here(schedule: Schedule, measured: Measured, organization: str | None) -> list[Seen]:
    """Give what was seen where the organization lives, or of the site everything."""
    seen = [one for one in measured.seen if one.place.organization == organization]
    if organization is None:
        return seen
    if organization not in schedule.organizations:
        raise UnknownOrganization(organization=organization)
    found = schedule.organizations[organization]
    return [one for one in seen if found.sides.get(one.place.side) is found.home]
