"""Fallback: the property moves back, by the same plan and the same engine, with what changed since it was opened.

The way back is a move of its own, the other way round, linked to the forward one. It is made while the property trades
at the target: the old source goes from reference only to prepared, learns what it holds already (`transfer.returning`),
and the four processes bring over the rest. Then it has a down time of its own, as any move. The events:

1. It is asked for again, or was killed anywhere: the way back is found by its link, and each step can be done twice.
2. Both sides are open: never. The old source leaves *reference only* for *prepared*, which only the mover writes, and
   goes back to it where the way back is given up; *open* comes only from the hand over, behind its decision.
3. The control database names the sides the other way round from the moment that the way back is written down, in that
   transaction: at no moment does the organization seem to live nowhere, or at both.
4. Nobody has written at the target yet: it serves as well, and so does abandoning. Both ask for an attempt that is
   open, with its row locked, so that only one of them begins.
5. The way back is abandoned in its down time: the target opens at once, the old source keeps its rows and is reference
   only again, and another try reads everything once more.
6. It has come back: the way out again is the fallback of the way back, by the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.control.audit import record_audit, require_reason
from slacktide.control.organization import set_side
from slacktide.core.errors import InputError
from slacktide.cutover.attempt import State
from slacktide.cutover.record import Record
from slacktide.postgres import sql
from slacktide.transfer import preparation, returning
from slacktide.transfer.ahead import business_date
from slacktide.transfer.conversion import Conversion
from slacktide.transfer.move import TAKEN_BACK, back_of, create_back, load_move, set_fact

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "fallback.sql")
_BACK, _AGAIN = "-back", "-again"
_LONGEST_STEM = 42
FACT = "known_before"
STAYS = "stays"


class NotOpen(InputError):
    """The move {move} is {state}, so there is nothing to take back: {instead}."""


class CameBack(InputError):
    """The move {move} was taken back by {back}. Out again: `slacktide move downtime fallback {back} --reason TEXT`."""


def name_of(move: str) -> str:
    """Name the way back of a move, and the way out again of a way back."""
    stem = move.removesuffix(_BACK)
    return f"{stem[:_LONGEST_STEM]}{_BACK if stem == move else _AGAIN}"


def describe(move: Move) -> list[str]:
    """Say what will be done, a line each, in order."""
    return [
        f"{move.organization} moves back, as {name_of(move.name)}: what changed since is carried while it trades",
        "its old source is prepared: only the mover writes it; what stands there and is equal is not written again",
        "when it is steady: a down time of its own, with the same checks and gos; until then it stays open where it is",
    ]


def begin(control: _Connection, *, move: Move, who: str, reason: str) -> Move:
    """Write the way back down, or find it. Raises NotOpen, TakenAway, CameBack, MoveExists, ReasonMissing."""
    require_reason(reason, what=f"slacktide move downtime fallback {move.name}")
    with control.transaction():
        _require_open(control, move)
        back = back_of(control, move=move)
        if back is None:
            name = name_of(move.name)
            spool = move.spool.removesuffix(move.name) + name
            back = create_back(control, of=move, name=name, spool=spool)
        elif not _begin_anew(control, back):
            _require_under_way(control, move, back)
            return load_move(control, name=back.name)
        returning.invert_codes(control, back=back)
        facts = {"organization": back.organization, "who": who, "reason": reason}
        set_side(control, side="source", state="open", database=back.source, **facts)
        set_side(control, side="target", state="closed", database=back.target, **facts)
        record_audit(control, who=who, what="move downtime fallback", object=f"move {move.name}",
                     after={"back": back.name}, reason=reason)  # fmt: skip
    return load_move(control, name=back.name)


def _begin_anew(control: _Connection, back: Move) -> bool:
    """Let a way back that was given up begin anew; tell whether it was."""
    facts = {"move_id": back.move_id, "taken_back": TAKEN_BACK}
    return control.execute(_STATEMENTS["begin_anew"], facts).rowcount == 1


def _require_open(control: _Connection, move: Move) -> None:
    record = Record(control, move_id=move.move_id, move=move.name)
    record.lock_attempt()
    record.lock_move()
    last = record.last()
    if last is None or last.state != State.OPEN:
        instead = f"the source is opened by `slacktide move downtime abandon {move.name}`, once its down time has begun"
        raise NotOpen(move=move.name, state=last.state if last else "not down yet", instead=instead)


def _require_under_way(control: _Connection, move: Move, back: Move) -> None:
    record = Record(control, move_id=back.move_id, move=back.name)
    last = record.last()
    if last is not None and last.state == State.OPEN:
        raise CameBack(move=move.name, back=back.name)
    record.lock_move()


def prepare(control: _Connection, *, back: Move, forward: Move, who: str, reason: str) -> Move:
    """Let the old source know what it holds, and prepare both sides; what was done stays done.

    Raises NotInvertible, and what preparing raises.
    """
    if preparation.is_prepared(back):
        return back
    returning.seed_keys(back=back, forward=forward)
    if back.configured_at is None:
        with preparation.both(back, what="configure") as (source, target):
            preparation.require_property(control, source, target, move=back)
        preparation.configure(control, move=back, who=who, reason=reason)
    with preparation.both(back, what="way back") as (source, target):
        codes = Conversion(control, source=source, target=target, move=back, who=who, reason=reason)
        codes.map_same()
        returning.require_inverted(control, back=back, used=codes.in_use())
        today = business_date(source, back.plan.property, property_code=back.property_code)
    equal = returning.seed_content(control, back=back, business_date=today)
    set_fact(control, move=back, name=FACT, value=equal)
    return preparation.ensure_prepared(control, move=load_move(control, name=back.name), who=who, reason=reason)


def let_changed_stay(control: _Connection, *, back: Move, forward: Move, who: str, reason: str) -> None:
    """Let what another property has changed at the old source stay as it is, before anything is carried."""
    _note_staying(
        control, returning.let_changed_stay(control, back=back, forward=forward), back, who=who, reason=reason
    )


def settle(control: _Connection, *, back: Move, who: str, reason: str) -> bool:
    """Of what the last verification found different, settle what is shared (see `returning.settle`); tell if any is."""
    found = returning.settle(control, back=back, different=returning.different_ahead(control, back=back))
    _note_staying(control, found.stay, back, who=who, reason=reason)
    return bool(found)


def staying(back: Move) -> dict[str, list[str]]:
    """Give what stays as it is at the old source, where another property changed it, by its keys there."""
    known: dict[str, list[str]] = back.facts.get(STAYS) or {}
    return known


def _note_staying(control: _Connection, found: dict[str, list[str]], back: Move, *, who: str, reason: str) -> None:
    if found:
        known = staying(load_move(control, name=back.name))
        for name, keys in found.items():
            known[name] = sorted({*known.get(name, []), *keys})
        with control.transaction():
            set_fact(control, move=back, name=STAYS, value=known)
            record_audit(control, who=who, what="move downtime fallback", object=f"move {back.name}",
                         after={"stays": found}, reason=reason)  # fmt: skip
