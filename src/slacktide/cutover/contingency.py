"""The contingency pack of a move, as far as it is the same for every kind of property: made, numbered, accounted for.

A hotel without its system goes on by paper, and afterwards every sheet has to find its way back into the system.
What could happen:

1. The property trades while it is read: it is read in one snapshot, whose instant stands on every page.
2. Whoever makes it is killed, or the disk is full: its folder appears whole, by one rename, or not at all; the pack
   counts only once that is done. Its numbers were given out before and are not given out again.
3. Two make one at the same time: their numbers differ, for they are given out under the move's lock.
4. A pack is printed, and the timer makes another: the numbers of the older one stay good. Missing is what is neither
   entered nor voided of the packs that count: the last one, the last one before a Start, and any of which a form was
   entered.
5. The same form is entered by two people: the second one is refused, with who entered it and when.
6. Somebody locks a table of the source for long: reading gives up, and says so, for others wait for their packs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import errors

from slacktide.control.audit import record_audit
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, OutsideError, UsageError
from slacktide.cutover import kind
from slacktide.postgres import sql
from slacktide.postgres.connection import connect

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.rows import TupleRow

    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "contingency.sql")
_LOCK_CLASS = 0xC0A7
_KEPT = 3  # packs in the move's own folder: guest data do not lie about
_LIMITS = "-c lock_timeout=10s -c statement_timeout=60s"  # a list is read within seconds, unless its table is locked
_SNAPSHOT = "set transaction isolation level repeatable read, read only"
AGAIN = timedelta(minutes=2)
LARGEST_AGE = timedelta(hours=1)


class NoPack(UsageError):
    """The plan of {move} names no kind of property that has a contingency pack: make one by hand, and waive it at Start: --waive contingency=NAME."""  # noqa: E501 -- the message is one sentence


class NothingToRead(InputError):
    """The source of {move} has no property {property!r} to make a contingency pack of: see `slacktide move property {move}`."""  # noqa: E501 -- the message is one sentence


class PackNotRead(OutsideError):
    """The source of {move} cannot be read for a contingency pack ({reason}): see who locks its tables, then `slacktide move contingency {move}`; workers try again by themselves."""  # noqa: E501 -- the message is one sentence


class PackNotWritten(OutsideError):
    """The contingency pack of {move} cannot be written into {folder} ({reason}): make room there, or name another folder: slacktide move contingency {move} -o FOLDER."""  # noqa: E501 -- the message is one sentence


class UnknownForm(UsageError):
    """The move {move} has printed no form {number}: {missing}."""


class FormSettled(InputError):
    """Form {number} of {move} was {state} by {who} at {at}: {missing}."""


class Made(msgspec.Struct, frozen=True):
    """A pack that was made: `begun_at` by the control database's clock, `instant` by the source's."""

    pack: int
    begun_at: datetime
    instant: datetime
    folder: str


class Form(msgspec.Struct, frozen=True):
    """A numbered form; `counts` says whether its pack does, so that it is missing while it is only printed."""

    number: int
    kind: str
    pack: int
    state: str
    who: str | None
    at: datetime | None
    reason: str | None
    counts: bool

    @property
    def missing(self) -> bool:
        """Tell whether somebody still has to find it."""
        return self.counts and self.state == "printed"


def make(connection: psycopg.Connection[TupleRow], *, move: Move, who: str, folder: Path | None = None) -> Made:
    """Make a pack and give it. Raises NoPack, NothingToRead, PackNotRead, PackNotWritten, Unreachable.

    Without a folder it goes to the move's own one, where older packs are deleted.
    """
    found = kind.find(move.plan.kind)
    if found is None:
        raise NoPack(move=move.name)
    number = _begin(connection, move, who)
    try:
        pack = _read(found, move)
        forms = _give_out(connection, move, number, pack)
        place = _write(pack, move=move, number=number, forms=forms, folder=folder or folder_of(move))
    except Exception as error:
        _note_failure(connection, move, number, error)
        raise
    facts = {"pack": number, "instant": pack.instant, "folder": str(place)}
    with connection.transaction():
        _run(connection, move, "made", **facts)
        record_audit(connection, who=who, what="move contingency", object=move.name, after=facts, reason="")
    if folder is None:
        _forget_older(place.parent)
    made = last_made(connection, move=move)
    assert made is not None  # noqa: S101 -- it was noted just now
    return made


def folder_of(move: Move) -> Path:
    """Give the folder of a move's own packs; it goes with the move's spool."""
    return Path(move.spool) / "contingency"


def last_made(connection: psycopg.Connection[TupleRow], *, move: Move) -> Made | None:
    """Give the last pack that was made."""
    row = _run(connection, move, "last_made").fetchone()
    return Made(*row) if row else None


def problems(connection: psycopg.Connection[TupleRow], *, move: Move) -> list[str]:
    """Say why the last pack was not made, if it was not."""
    rows = _run(connection, move, "problem").fetchall()
    return [f"contingency pack {pack}, begun {format_instant(at)}: {error}" for pack, at, error in rows]


def give_up(connection: psycopg.Connection[TupleRow], *, name: str, reason: str) -> None:
    """Note why the pack of a move that is under way will not be made: whoever made it was ended."""
    connection.execute(_STATEMENTS["given_up"], {"name": name, "error": reason})


def due(connection: psycopg.Connection[TupleRow], *, every: timedelta) -> list[str]:
    """List the moves whose pack is due, by name."""
    facts = {"every": every, "again": min(AGAIN, every)}
    return [name for (name,) in connection.execute(_STATEMENTS["due"], facts)]


def own(connection: psycopg.Connection[TupleRow], *, move: Move) -> bool:
    """Take the making of a move's pack for this connection; False where another one has it."""
    row = _run(connection, move, "own", **{"class": _LOCK_CLASS}).fetchone()
    return bool(row and row[0])


def forms(connection: psycopg.Connection[TupleRow], *, move: Move) -> list[Form]:
    """List every form that was printed, in order."""
    return [Form(*row) for row in _run(connection, move, "forms")]


def settle(
    connection: psycopg.Connection[TupleRow], *, move: Move, numbers: Sequence[int], state: str, who: str, reason: str
) -> None:
    """Note that forms were `entered` or `voided`, all or none. Raises UnknownForm, FormSettled.

    A form that was voided and turns up is entered with a reason.
    """
    with connection.transaction():
        _run(connection, move, "lock")
        known = {form.number: form for form in forms(connection, move=move)}
        turned_up = state == "entered" and bool(reason)
        for number in numbers:
            _refuse(move, known, number, turned_up=turned_up)
        _run(connection, move, "settle", numbers=list(numbers), state=state, who=who, reason=reason or None)
        record_audit(connection, who=who, what=f"move form {state}", object=move.name,
                     after={"numbers": list(numbers)}, reason=reason)  # fmt: skip


def _refuse(move: Move, known: dict[int, Form], number: int, *, turned_up: bool) -> None:
    missing = [str(form.number) for form in known.values() if form.missing]
    accepted = f"the next that is missing is {missing[0]}" if missing else "none is missing"
    told = f"{accepted}; see `slacktide move form {move.name} list`"
    form = known.get(number)
    if form is None:
        raise UnknownForm(move=move.name, number=number, missing=told)
    if form.state == "voided":
        if turned_up:
            return
        told = f"one that turned up is entered with --reason TEXT; {told}"
    if form.state != "printed" and form.at is not None:
        raise FormSettled(move=move.name, number=number, state=form.state, who=form.who,
                          at=format_instant(form.at), missing=told)  # fmt: skip


def _run(
    connection: psycopg.Connection[TupleRow], move: Move, statement: str, /, **values: Any
) -> psycopg.Cursor[TupleRow]:
    return connection.execute(_STATEMENTS[statement], {"move_id": move.move_id, **values})


def _begin(connection: psycopg.Connection[TupleRow], move: Move, who: str) -> int:
    with connection.transaction():
        _run(connection, move, "lock")
        row = _run(connection, move, "begin", who=who).fetchone()
    return int(row[0]) if row else 0


def _read(found: kind.Kind, move: Move) -> kind.Pack:
    with connect(move.source, name="contingency", autocommit=False, options=_LIMITS) as source:
        source.execute(_SNAPSHOT)
        try:
            pack = found.contingency(source, property_code=move.property_code)
        except (errors.LockNotAvailable, errors.QueryCanceled) as error:
            raise PackNotRead(move=move.name, reason=" ".join(str(error).split())) from error
    if pack is None:
        raise NothingToRead(move=move.name, property=move.property_code)
    return pack


def _give_out(
    connection: psycopg.Connection[TupleRow], move: Move, number: int, pack: kind.Pack
) -> list[tuple[int, str]]:
    kinds = [name for name, count in pack.forms.items() for _ in range(count)]
    with connection.transaction():
        _run(connection, move, "lock")
        return [(form, name) for form, name in _run(connection, move, "give_out", pack=number, kinds=kinds)]


def _write(pack: kind.Pack, *, move: Move, number: int, forms: list[tuple[int, str]], folder: Path) -> Path:
    """Write the pack beside its place, for its owner's eyes only, and give it its name when it is whole."""
    name = f"{pack.stem}-{number}"  # two of one second are told apart
    place, beside = folder / name, folder / f".{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        beside.mkdir(mode=0o700)
        pack.write(beside, move=move.name, number=number, forms=forms)
        beside.rename(place)
        _make_durable(folder)
    except OSError as error:
        raise PackNotWritten(move=move.name, folder=folder, reason=error.strerror or error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return place


def _make_durable(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _note_failure(connection: psycopg.Connection[TupleRow], move: Move, number: int, error: Exception) -> None:
    with contextlib.suppress(psycopg.Error):
        _run(connection, move, "failed", pack=number, error=" ".join(str(error).split()) or type(error).__name__)


def _forget_older(folder: Path) -> None:
    """Keep the last packs of the move's own folder only, and nothing half written by somebody who was killed."""
    packs = sorted((one for one in folder.iterdir() if one.is_dir()), key=lambda one: one.stat().st_mtime)
    for old in packs[:-_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
