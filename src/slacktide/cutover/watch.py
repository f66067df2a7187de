"""The watch period: what is looked at from the opening until the first End of Day balances at the target.

The plan names what has to hold before anything is cleaned (`watch`); a plan that names nothing has no watch period.
Beside it stands what nobody can mend but everybody wants to know: whether a user has written at the target, how many
writes the source has refused, which contingency forms are missing. The events:

1. A side cannot be reached: what it would say is unknown, and the period is not over.
2. The property was taken back: the period is the way back's own.
3. End of Day runs while somebody looks: it is not over before that has committed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from slacktide.core.errors import InputError
from slacktide.cutover import contingency
from slacktide.cutover.attempt import State
from slacktide.cutover.precondition import Precondition, Sides, plan_check
from slacktide.cutover.record import Record
from slacktide.guard.written import FirstWrite, first_write, refused
from slacktide.postgres.connection import Unreachable, connect
from slacktide.transfer.move import CLEAN, CLEANING, TAKEN_BACK, back_of

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_TIMEOUT_SECONDS = 3
_LISTED = 10


class StillWatched(InputError):
    """The watch period of {move} is not over: {reasons}. See `slacktide move status {move}`; then `slacktide move clean {move} --apply`."""  # noqa: E501 -- the message is one sentence


class Watch(msgspec.Struct):
    """What is watched after an opening; `over` says that everything may be cleaned.

    `unknown` says why a side could not be asked. `refused_writes` counts at the source since it was left.
    """

    first_write: FirstWrite | None = None
    refused_writes: int | None = None
    forms_missing: list[int] = []
    checks: list[Precondition] = []
    unknown: str | None = None

    @property
    def open_ones(self) -> list[str]:
        """Say what is still waited for."""
        waited = [f"{line.title.lower()}: {line.reason} ({line.mend})" for line in self.checks if not line.ok]
        return [*waited, *([self.unknown] if self.unknown else [])]

    @property
    def over(self) -> bool:
        """Tell whether the period is over."""
        return not self.open_ones


def look(control: _Connection, *, move: Move) -> Watch | None:
    """Look at a move that is open; None where there is nothing to watch, or where it was taken back."""
    last = Record(control, move_id=move.move_id, move=move.name).last()
    back = back_of(control, move=move)
    cleaned = move.state in (CLEANING, CLEAN)  # the period was over when that began
    if last is None or last.state != State.OPEN or cleaned or (back and back.state != TAKEN_BACK):
        return None
    found = Watch(forms_missing=[form.number for form in contingency.forms(control, move=move) if form.missing])
    try:
        _look_at_both(control, move, last, found)
    except Unreachable as error:
        found.unknown = " ".join(str(error).split())
    return found


def _look_at_both(control: _Connection, move: Move, last: Attempt, found: Watch) -> None:
    name, seconds = f"{move.name} watch", _TIMEOUT_SECONDS
    with (
        connect(move.source, name=name, timeout_seconds=seconds) as source,
        connect(move.target, name=name, timeout_seconds=seconds) as target,
    ):
        found.first_write = first_write(target, organization=move.target_property)
        found.refused_writes = refused(source, organization=move.property_code)
        sides = Sides(control, source, target)
        found.checks = [plan_check(sides, move, check, business_date=last.business_date) for check in move.plan.watch]


def require_over(control: _Connection, *, move: Move) -> None:
    """Raise StillWatched while the watch period lasts."""
    found = look(control, move=move)
    if found is not None and move.plan.watch and not found.over:
        raise StillWatched(move=move.name, reasons="; ".join(found.open_ones))


def text(found: Watch) -> str:
    """Write what is watched, a line each."""
    first = found.first_write
    lines = [f"watch period: {'over' if found.over else 'not over'}"]
    if found.unknown:
        return "\n".join([*lines, f"  unknown: {found.unknown}"])
    written = f"{first.at.isoformat()} by {first.login} in {first.relation}" if first else "nobody yet"
    lines += [f"  first write by a user at the target: {written}"]
    lines += [f"  writes refused at the source since it was left: {found.refused_writes:,}"]
    lines += [f"  contingency forms neither entered nor voided: {_numbers(found.forms_missing)}"]
    return "\n".join([*lines, *(_line(check) for check in found.checks)])


def _line(check: Precondition) -> str:
    return f"  {check.title}: " + ("holds" if check.ok else f"NOT YET: {check.reason} Then: {check.mend}")


def _numbers(numbers: list[int]) -> str:
    listed = ", ".join(map(str, numbers[:_LISTED])) + (" ..." if len(numbers) > _LISTED else "")
    return f"{len(numbers)} ({listed})" if numbers else "none"
