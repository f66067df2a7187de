"""The state of an organization, or of the site, with what its guarded databases say.

The schedule says what is in effect. Whether anybody still writes is a fact that only the guarded databases know: each
is asked for its durable closing and for the transactions that hold it up. They are the sources and targets of the
moves; of several moves of one organization the latest counts.

The durable closing lies in the guarded database itself, so between its commit and the note in the control database
the two differ. The stricter of both holds.

*Quiet* is what a guard has recorded under its lock, never an empty list of holders: where the guard is still open,
or did not answer, somebody may write in the next moment. Where no database guards an organization, only its people are
waited for: leases and sessions, which are counted under the lock of `control.passage`.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.control.organization import list_organizations, list_sides
from slacktide.control.origin import doubt_of
from slacktide.control.quiet import people
from slacktide.control.schedule import Known, compile_known
from slacktide.control.setting import control_now, list_settings
from slacktide.core.errors import SlacktideError
from slacktide.downtime.schedule import Schedule, Side, SideName, SideState, UnknownOrganization
from slacktide.downtime.state import Holders, State, state_of
from slacktide.guard import closing
from slacktide.guard import state as guard_state
from slacktide.guard.closing import Closing
from slacktide.guard.holders import Holder, holders
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


class Unseen(msgspec.Struct, frozen=True):
    """A database that did not answer in time: its organizations, and why."""

    address: str
    organizations: frozenset[str | None]
    reason: str


class Measured(msgspec.Struct, frozen=True):
    """What the guarded databases said."""

    seen: tuple[Seen, ...] = ()
    unseen: tuple[Unseen, ...] = ()

    def holders(self, organization: str | None) -> list[Holder]:
        """Give the transactions that hold the organization (None: the site) up, oldest first, each once."""
        found = [holder for seen in self.seen if seen.place.organization == organization for holder in seen.holders]
        once = {(holder.database, holder.id): holder for holder in found}
        return sorted(once.values(), key=lambda holder: -holder.age_seconds)


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


def measure(places: Iterable[Place]) -> Measured:
    """Ask the databases of the places, several at once; one that does not answer in time is unseen."""
    by_address: dict[str, list[Place]] = {}
    for place in places:
        by_address.setdefault(place.address, []).append(place)
    if not by_address:
        return Measured()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = list(pool.map(_ask, by_address.values()))
    seen = tuple(one for answer in answers if not isinstance(answer, Unseen) for one in answer)
    return Measured(seen, tuple(answer for answer in answers if isinstance(answer, Unseen)))


def measure_all(connection: psycopg.Connection[TupleRow]) -> Measured:
    """Ask the guarded databases of all moves."""
    return measure(places(list_moves(connection)))


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
    unseen = any(organization in one.organizations for one in measured.unseen)
    if found.state == "quiet" and (unseen or not quiet):
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


def _ask(places: list[Place]) -> list[Seen] | Unseen:
    address = places[0].address
    options = f"-c statement_timeout={_TIMEOUT_SECONDS}s"
    try:
        with connect(address, name="status", timeout_seconds=_TIMEOUT_SECONDS, options=options) as connection:
            if connection.execute(_sql["guarded"]).fetchone() != (True,):
                return []
            return [_seen(connection, place) for place in places]
    except (SlacktideError, psycopg.Error) as error:
        reason = " ".join(str(error).split())
        return Unseen(shown(address), frozenset(place.organization for place in places), reason)


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
