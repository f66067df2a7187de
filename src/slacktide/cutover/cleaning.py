"""Taking away what `prepare` made: the last act of a move that is open, or of one that never went down. And its proof.

The events:

1. The property came back, or went out again: the move that was last takes along what those before it left.
2. A way back that is not open is taken away: its target is the old source, and becomes reference only again; it is
   never released, for then both sides would be open.
3. The watch period is not over: nothing is taken away (`watch`).
4. Another move needs the guard of one of the databases: it stays there. The database itself is asked, not a list.
5. The command is killed here: *cleaning* was written down before, everything can be taken away twice, and whoever asks
   for it again goes on. Until then nobody does anything else with the move (`Record.lock_move`).
6. Something is there still, whatever the reason: the proof names it, and the move is not said to be clean.
7. It is given up, taken back or started at this moment: *cleaning* is written down with the attempt's and the move's
   row locked, if all stands as it was looked at; who is first is first.
8. One of its processes has a batch in hand: whoever cleans owns all that could run, and waits until its owner is gone.
9. Another move of the property is under way, or has brought it elsewhere: what that one has closed stays closed.
10. Whoever cleans is held up and has lost what he owns, without knowing it: he names the epochs that he read before he
   looked, and releases nothing that has changed since.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slacktide.control.organization import set_side
from slacktide.core import clock
from slacktide.core.errors import InputError, OutsideError
from slacktide.cutover import report, watch
from slacktide.cutover.attempt import OVER, State
from slacktide.cutover.record import Record
from slacktide.guard import closing, install
from slacktide.guard.state import State as Guarded
from slacktide.postgres import sql
from slacktide.postgres.connection import connect, shown
from slacktide.transfer import preparation, prepare
from slacktide.transfer.journal import DOWN_TIME, OWNED, Journal, OwnedElsewhere
from slacktide.transfer.move import CLEAN, CLEANING, TAKEN_BACK, back_of, forward_of

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "cleaning.sql")
_WAITS_SECONDS = 10.0  # for who has a batch in hand
_LOOK_SECONDS = 0.1


class HasWayBack(InputError):
    """The move {move} has a way back, {back}, which is cleaned first and takes it along: `slacktide move clean {back} --apply`."""  # noqa: E501 -- the message is one sentence


class StillRunning(InputError):
    """{process} of {move} runs, or is wanted to: `slacktide move processes stop {move}`, then `slacktide move clean {move} --apply` again."""  # noqa: E501 -- the message is one sentence


class Changed(InputError):
    """The down time of {move} has changed since it was looked at, so nothing is taken away: see `slacktide move status {move}`, then `slacktide move clean {move}`."""  # noqa: E501 -- the message is one sentence


class NotClean(OutsideError):
    """Not everything of {move} is gone: {left}. Mend that, then `slacktide move clean {move} --apply` again."""


def require(control: _Connection, *, move: Move) -> None:
    """See that it may be cleaned. Raises HasWayBack, StillRunning, StillWatched."""
    _require_alone(control, move)
    watch.require_over(control, move=move)


def _require_alone(control: _Connection, move: Move) -> None:
    """See that it has no way back, and that none of its processes is wanted. Raises HasWayBack, StillRunning."""
    back = back_of(control, move=move)
    if back is not None and back.state != TAKEN_BACK:
        raise HasWayBack(move=move.name, back=back.name)
    facts = {"move_id": move.move_id, "down_time": DOWN_TIME}
    for (process,) in control.execute(_STATEMENTS["wanted"], facts).fetchall():
        raise StillRunning(process=process, move=move.name)


def legs(control: _Connection, *, move: Move, is_open: bool) -> list[Move]:
    """Give what is cleaned: the move, and where it is open as a way back, all that came before it."""
    found = [move]
    while is_open and (before := forward_of(control, move=found[-1])) is not None:
        found.append(before)
    return found


def describe(moves: list[Move], *, is_open: bool, everything: bool) -> list[str]:
    """Say what goes and what stays, a line each."""
    move = moves[0]
    lines = [line for each in moves for line in _what_goes(each)]
    if is_open:
        lines.append(f"kept: the reconciliation report, made before: `slacktide move report {move.name}`")
        lines.append("control: no fallback any more; what came after the move stays where the property lives")
    if move.back_of is not None and not is_open:
        lines.append(
            f"STAYS: {shown(move.target)} refuses writes of {move.target_property}: it lives at {shown(move.source)}"
        )
    elif is_open and not everything:
        refused = f"the source refuses writes of {move.property_code}"
        lines.append(f"STAYS: {refused}; `--all` takes that too, and it can then be written")
    else:
        lines.append("source: the guard's triggers, where no other move needs them: the source can then be written")
    return lines


def _what_goes(move: Move) -> list[str]:
    return [
        f"source: the publication {prepare.publication(move.name)}, its slot, and the replica identities that were set",
        "target: the key map and the mover's rights",
        "target: the guard's triggers, where no other move needs them",
        f"control: the journal of {move.name}, messages too; spool: {move.spool}",
    ]


def clean(
    control: _Connection, *, moves: list[Move], is_open: bool, everything: bool, who: str, reason: str
) -> list[str]:
    """Do what `describe` says, and prove it; give what was proven.

    The reports of what is open are made before what they are made from goes.

    Raises HasWayBack, StillRunning, Changed, Overtaken, NotClean.
    """
    move = moves[0]
    for each in moves if is_open and move.state not in (CLEANING, CLEAN) else ():
        report.make(control, move=each, who=who)
    sides = _look(move, is_open=is_open, both=everything or not is_open)
    _begin(control, move, is_open=is_open)
    identities = _identities(move)
    for each in moves:
        with connect(each.source, name="clean") as source:
            prepare.clean_source(source, move=each.name, known=each.slots)
        with connect(each.target, name="clean") as target:
            prepare.clean_target(target, plan=each.plan, move=each.name)
        shutil.rmtree(Path(each.spool), ignore_errors=True)
    if move.back_of is not None and not is_open:
        _stay_where_it_is(control, move, who=who, reason=reason)
    else:
        _release(move, sides)
    left = [text for each in moves for text in _left(each)] + _not_put_back(move, identities)
    if left:
        raise NotClean(move=move.name, left="; ".join(left))
    with control.transaction():
        for each in moves:
            control.execute("select slacktide.forget_journal(%s)", [each.move_id])
        if move.back_of is not None and not is_open:
            control.execute(_STATEMENTS["taken_back"], {"move_id": move.move_id, "state": TAKEN_BACK})
    if move.configured_at is None and not is_open:
        control.execute(_STATEMENTS["forget_move"], {"move_id": move.move_id})
    return [
        "proven: no publication, slot, key map or right of the mover is left",
        f"proven: {len(identities)} replica identities are as they were before",
    ]


def _begin(control: _Connection, move: Move, *, is_open: bool) -> None:
    """Own all that could run, and note that it is being cleaned, if it stands as it was looked at.

    Raises AnotherUnderWay, HasWayBack, StillRunning, Changed.
    """
    limit = clock.monotonic_seconds() + _WAITS_SECONDS
    for process in OWNED:
        _own(Journal(control, move_id=move.move_id, process=process), move, limit)
    record = Record(control, move_id=move.move_id, move=move.name)
    with control.transaction():
        record.lock_attempt()
        record.require_alone(move.organization)
        control.execute(_STATEMENTS["cleaning"], {"move_id": move.move_id, "state": CLEANING})
        last = record.last()  # another one may have begun before we had the move's row
        if (State(last.state) if last else None) not in ({State.OPEN} if is_open else {None, *OVER}):
            raise Changed(move=move.name)
        _require_alone(control, move)


def _own(journal: Journal, move: Move, limit: float) -> None:
    """Own a process as long as the connection lives; its owner's batch in hand is waited for. Raises StillRunning."""
    while True:
        try:
            return journal.own()
        except OwnedElsewhere as elsewhere:
            if clock.monotonic_seconds() > limit:
                raise StillRunning(process=journal.process, move=move.name) from elsewhere
        clock.sleep(_LOOK_SECONDS)


def _look(move: Move, *, is_open: bool, both: bool) -> list[tuple[str, closing.Closing]]:
    """Give the property's state at the target, and at the source, where there still is a guard that is ours to release.

    A source that was left goes on to refuse: it is not looked at, nor released, but where `both` are to be. Of a move
    that is not open the source is open; where it is not, another move, or a downtime, has closed it, and goes on to.
    """
    if not preparation.is_prepared(move):
        return []
    sides = [(move.target, move.target_property), (move.source, move.property_code)]
    found = []
    for address, organization in sides if both else sides[:1]:
        with connect(address, name="clean") as connection:
            if connection.execute(_STATEMENTS["guarded"]).fetchone() == (True,):
                found.append((address, closing.state(connection, organization=organization)))
    return found if is_open else [(at, seen) for at, seen in found if at == move.target or seen.state is Guarded.OPEN]


def _release(move: Move, sides: list[tuple[str, closing.Closing]]) -> None:
    """Let the sides be what they are without a move, if nothing has changed there since they were looked at."""
    for address, seen in sides:
        with connect(address, name="clean") as connection:
            if connection.execute(_STATEMENTS["guarded"]).fetchone() == (True,):  # else it is clean already
                closing.release(connection, organization=seen.organization, reason="clean", epoch=seen.epoch)
                remove_guard(connection, prepare.guarded_tables(move.plan))


def _stay_where_it_is(control: _Connection, move: Move, *, who: str, reason: str) -> None:
    """Give a way back up: the old source is reference only, and the sides are named as before it was begun."""
    with connect(move.target, name="clean") as target:
        preparation.set_aside(target, move=move)
    facts = {"organization": move.organization, "who": who, "reason": reason or f"{move.name} is given up"}
    place = shown(move.source)
    with control.transaction():
        set_side(control, side="target", state="open", database=move.source, **facts)
        set_side(control, side="source", state="reference only", database=move.target, lives_at=place, **facts)


def remove_guard(connection: _Connection, tables: Any) -> None:
    """Take the triggers away, and what the guard keeps where nothing else is guarded, unless somebody needs them."""
    if connection.execute(_STATEMENTS["guard_needed"]).fetchone() == (True,):
        return
    install.remove(connection, tables=tables)
    connection.execute(_STATEMENTS["forget_guard"])


# -- the proof ---------------------------------------------------------------------------------------------------------


def _left(move: Move) -> list[str]:
    """Name what of a move is still in one of its databases."""
    found = []
    facts = {"publication": prepare.publication(move.name), "move": move.name, "slots": prepare.slots_of(move.name),
             "known": move.slots}  # fmt: skip
    for side, address in (("source", move.source), ("target", move.target)):
        with connect(address, name="clean") as connection:
            found += [f"{side}: {text}" for (text,) in connection.execute(_STATEMENTS["left"], facts)]
            if connection.execute(_STATEMENTS["has_key_map"]).fetchone() == (True,):
                found += [f"{side}: {text}" for (text,) in connection.execute(_STATEMENTS["left_of_keys"], facts)]
    return [*found, *([f"the spool {move.spool}"] if Path(move.spool).exists() else [])]


def _identities(move: Move) -> dict[str, str]:
    """Give the replica identities that will be put back, by table; none where another move needs those of now."""
    with connect(move.source, name="clean") as source:
        if source.execute(_STATEMENTS["has_identities"]).fetchone() != (True,):
            return {}
        return dict(source.execute(_STATEMENTS["identities"], {"move": prepare.publication(move.name)}).fetchall())


def _not_put_back(move: Move, before: dict[str, str]) -> list[str]:
    with connect(move.source, name="clean") as source:
        now: dict[str, str] = dict(source.execute(_STATEMENTS["identities_now"], {"relations": [*before]}).fetchall())
    return [f"source: the replica identity of {name}" for name, was in before.items() if now.get(name, was) != was]
