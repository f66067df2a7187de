"""Taking away what `prepare` made: the last act of a move that is open, or of one that never went down. And its proof.

The events:

1. The property came back, or went out again: the move that was last takes along what those before it left.
2. A way back that is not open is taken away: its target is the old source, and becomes reference only again; it is
   never released, for then both sides would be open.
3. The watch period is not over: nothing is taken away (`watch`).
4. Another move needs the guard of one of the databases: it stays there. The database itself is asked, not a list.
5. The command is killed here: everything can be taken away twice.
6. Something is there still, whatever the reason: the proof names it, and the move is not said to be clean.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slacktide.control.organization import set_side
from slacktide.core.errors import InputError, OutsideError
from slacktide.cutover import report, watch
from slacktide.guard import closing, install
from slacktide.postgres import sql
from slacktide.postgres.connection import connect, shown
from slacktide.transfer import preparation, prepare
from slacktide.transfer.move import TAKEN_BACK, back_of, forward_of

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_STATEMENTS = sql.load(__package__, "cleaning.sql")


class HasWayBack(InputError):
    """The move {move} has a way back, {back}, which is cleaned first and takes it along: `slacktide move clean {back} --apply`."""  # noqa: E501 -- the message is one sentence


class NotClean(OutsideError):
    """Not everything of {move} is gone: {left}. Mend that, then `slacktide move clean {move} --apply` again."""


def require(control: _Connection, *, move: Move) -> None:
    """See that it may be cleaned. Raises HasWayBack, StillWatched."""
    back = back_of(control, move=move)
    if back is not None and back.state != TAKEN_BACK:
        raise HasWayBack(move=move.name, back=back.name)
    watch.require_over(control, move=move)


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
    """Do what `describe` says, and prove it; give what was proven. Raises NotClean.

    The reports of what is open are made before what they are made from goes.
    """
    move = moves[0]
    for each in moves if is_open else ():
        if each.state != report.CLEAN:
            report.make(control, move=each, who=who)
    identities = _identities(move)
    for each in moves:
        with connect(each.source, name="clean") as source:
            prepare.clean_source(source, move=each.name)
        with connect(each.target, name="clean") as target:
            prepare.clean_target(target, plan=each.plan, move=each.name)
        shutil.rmtree(Path(each.spool), ignore_errors=True)
    if move.back_of is not None and not is_open:
        _stay_where_it_is(control, move, who=who, reason=reason)
    else:
        _release(move, is_open=is_open, everything=everything)
    left = [text for each in moves for text in _left(each)] + _not_put_back(move, identities)
    if left:
        raise NotClean(move=move.name, left="; ".join(left))
    for each in moves:
        control.execute("select slacktide.forget_journal(%s)", [each.move_id])
    if move.back_of is not None and not is_open:
        control.execute(_STATEMENTS["taken_back"], {"move_id": move.move_id, "state": TAKEN_BACK})
    return [
        "proven: no publication, slot, key map or right of the mover is left",
        f"proven: {len(identities)} replica identities are as they were before",
    ]


def _release(move: Move, *, is_open: bool, everything: bool) -> None:
    """Let the sides be what they are without a move; a source that was left goes on to refuse, but for `everything`."""
    sides = [(move.target, move.target_property)]
    if everything or not is_open:
        sides.append((move.source, move.property_code))
    for address, organization in sides:
        with connect(address, name="clean") as connection:
            if connection.execute(_STATEMENTS["guarded"]).fetchone() == (True,):  # else it is clean already
                closing.release(connection, organization=organization, reason="clean")
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
    facts = {"publication": prepare.publication(move.name), "move": move.name, "slots": prepare.slots_of(move.name)}
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
