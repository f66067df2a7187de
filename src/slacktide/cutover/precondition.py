"""What must hold before *Start Down Time Procedures* (migration specification, section 3): ten lines, and our own.

Each is shown with its state, the reason and the way to mend it. Looking changes nothing.
"""

from __future__ import annotations

import contextlib
import shlex
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec
from psycopg import errors
from psycopg.sql import SQL, Identifier

from slacktide.control import downtime as control_downtime
from slacktide.control.quiet import people
from slacktide.control.schedule import known_of
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError
from slacktide.cutover import contingency, partner, prediction
from slacktide.downtime.setting import Setting
from slacktide.guard import closing, presence
from slacktide.guard.state import State
from slacktide.postgres.connection import copyable
from slacktide.transfer import acceptance, emptiness, panel
from slacktide.transfer.journal import PROCESSES
from slacktide.transfer.prepare import guarded_tables

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.cutover.prediction import Verdict
    from slacktide.plan.model import Check
    from slacktide.transfer.move import Move

WAIVABLE = ("contingency", "prediction", "partners")


class Precondition(msgspec.Struct):
    """One line: whether it holds, why not, and how to mend it; `waived_by` names who took it on himself."""

    number: int
    name: str
    title: str
    ok: bool
    reason: str = ""
    mend: str = ""
    waived_by: str | None = None


class PreconditionsFail(InputError):
    """The down time of {move} cannot start: {reasons}. See `slacktide move downtime check {move}`."""


class Wish(msgspec.Struct, frozen=True):
    """What Start was told: the downtime, the business date (None: today's at the property), who waives what.

    `open_by` is the hour by which the property has to be open again; None where nobody named one.
    """

    downtime_id: str | None = None
    business_date: date | None = None
    waived: dict[str, str] = {}
    open_by: datetime | None = None


class Finding(msgspec.Struct):
    """All lines, and what Start goes on with."""

    lines: list[Precondition]
    downtime: Setting | None
    business_date: date

    @property
    def ok(self) -> bool:
        """Tell whether Start may go on."""
        return all(line.ok or line.waived_by for line in self.lines)


class Sides(msgspec.Struct, frozen=True):
    """The three databases of a move, connected."""

    control: Any
    source: Any
    target: Any


def check(sides: Sides, *, move: Move, wish: Wish, now: datetime) -> Finding:
    """Judge every precondition."""
    downtime, in_effect = _downtime(sides.control, move, wish)
    named = wish.business_date or _today(sides.source, move, now)
    lines = [
        *_transfer(sides.control, move),
        in_effect,
        _people(sides.control, move, now=now),
        _business_date(sides, move, named),
        *(plan_check(sides, move, check) for check in move.plan.checks),
        _contingency(sides.control, move, wish, now=now),
        _prediction(sides.control, move, wish, downtime, now=now),
        _judged(10, "partners", "The partners' checklist is filled", partner.judge(sides.control, move=move), wish),
        _untouched(sides.target, move),
        _guarded(sides.source, move, "source"),
        _guarded(sides.target, move, "target"),
        _lives_here(sides.source, move),
    ]
    return Finding(lines, downtime, named)


def _transfer(control: psycopg.Connection[TupleRow], move: Move) -> list[Precondition]:
    status = panel.status(control, move=move)
    running = [name for name in PROCESSES if status.processes[name].state != "stopped"]
    problems = status.processes["process"].failed  # without those that are accepted
    return [
        Precondition(1, "steady", "Transfer is steady", status.steady, "" if status.steady else "it is not steady",
                     f"slacktide move status {move.name} --watch"),
        Precondition(2, "stopped", "All four processes are stopped", not running,
                     f"{', '.join(running)} runs" if running else "", f"slacktide move processes stop {move.name}"),
        Precondition(3, "messages", "No message is failed or waiting", problems == 0,
                     f"open errors: {problems}" if problems else "", f"slacktide move error list {move.name}"),
        _verified(control, move),
    ]  # fmt: skip


def _verified(control: psycopg.Connection[TupleRow], move: Move) -> Precondition:
    """Judge by what stands now: the processes have to run for another comparison. The down time compares all anyhow."""
    found, line = (
        move.facts.get("verified"),
        Precondition(3, "verified", "Verification ahead found no difference", ok=True),
    )
    different = acceptance.different(control, move=move) if found and found["different"] else 0
    if different:
        name, line.ok = move.name, False
        line.reason = f"{different} {'object differs' if different == 1 else 'objects differ'}"
        line.mend = (
            f"slacktide move processes start {name}; slacktide move verify {name}; slacktide move processes stop {name}"
        )
    elif found is None:
        line.reason = "nothing was verified ahead, so the down time reads everything"
    return line


def _downtime(control: psycopg.Connection[TupleRow], move: Move, wish: Wish) -> tuple[Setting | None, Precondition]:
    line = Precondition(4, "downtime", "A downtime of the property, users out, is in effect", ok=False)
    line.mend = f"slacktide downtime schedule --organization {move.organization} --for PT2H --users out --reason TEXT"
    there = control_downtime.downtimes_in_effect(control, organization=move.organization)
    found = [setting for setting in there if wish.downtime_id in (None, setting.id)]
    if len(found) != 1:
        listed = ", ".join(setting.id for setting in there)
        line.reason = "none is" if wish.downtime_id is None else _unusable(control, wish.downtime_id)
        if there:
            line.reason = f"{len(there)} are: {listed}" if found else line.reason
            line.mend = (
                f"slacktide move downtime check {move.name} --downtime {there[0].id}, or another one of {listed}"
            )
        return None, line
    answer = control_downtime.show_downtime(control, id=str(found[0].id))
    line.ok = answer["users"] == "out"
    if not line.ok:
        line.reason = f"the downtime {found[0].id} leaves users in"
        line.mend = f"slacktide downtime end {found[0].id} --reason TEXT; {line.mend}"
    return found[0], line


def _unusable(control: psycopg.Connection[TupleRow], key: str) -> str:
    """Say why a downtime that was named is none of the property's in effect."""
    try:
        setting = control_downtime.downtime_of(control, id=key)
    except control_downtime.UnknownDowntime:
        return f"there is no downtime {key}"
    if setting.organization is None:
        return f"the downtime {key} is the site's, and a move takes one of its property"
    return f"the downtime {key} of {setting.organization} is not one of the property in effect"


def _people(control: psycopg.Connection[TupleRow], move: Move, *, now: datetime) -> Precondition:
    known = known_of(control, organization=move.organization)
    left = people(control, organization=move.organization, known=known, now=now)
    ids = [("lease", one.lease.id, one.lease.user) for one in left.leases]
    ids += [("session", one.id, one.user) for one in left.waited_for]
    found = [f"{kind} {key} of {user}" for kind, key, user in ids]
    reason = ", ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")  # noqa: PLR2004 -- as many as are read
    if not found and not left.settled:
        reason = "somebody is about to open a task"
    mend = f"slacktide holders --organization {move.organization}"
    if ids:
        mend = f"slacktide {ids[0][0]} end {ids[0][1]} --reason TEXT, or wait for them: {mend}"
    return Precondition(5, "sessions", "No lease and no session is left", not reason, reason, mend)


def _today(source: psycopg.Connection[TupleRow], move: Move, now: datetime) -> date:
    zone = _property(source, move, move.property_code, move.plan.property.zone)
    return now.astimezone(ZoneInfo(zone or "UTC")).date()


def _property(connection: psycopg.Connection[TupleRow], move: Move, code: str, column: str) -> Any:
    table = move.plan.property
    row = connection.execute(
        SQL("select {} from {} where {} = %s").format(
            Identifier(column), Identifier(table.schema, table.table), Identifier(table.column)
        ),
        [code],
    ).fetchone()
    return row[0] if row else None


def _business_date(sides: Sides, move: Move, named: date) -> Precondition:
    table = move.plan.property
    here = _property(sides.source, move, move.property_code, table.business_date)
    there = _property(sides.target, move, move.target_property, table.business_date)
    rolling = _property(sides.source, move, move.property_code, table.end_of_day)
    line = Precondition(
        6, "business_date", "The business date is the one named, and no End of Day is under way", ok=True
    )
    if here != named:
        line.reason, line.mend = f"the source's is {here}, not {named}", f"name it: --business-date {here}"
    elif rolling:
        line.reason, line.mend = "End of Day is under way at the source", "wait for its end"
    elif there is not None and there > here:
        line.reason, line.mend = f"the target's is {there}, later than {here}", "set the target's business date back"
    line.ok = not line.reason
    return line


def plan_check(sides: Sides, move: Move, check: Check, **facts: object) -> Precondition:
    """Ask one of the plan's own checks; `facts` are its parameters besides the property."""
    connection, address, code = (
        (sides.source, move.source, move.property_code)
        if check.database == "source"
        else (sides.target, move.target, move.target_property)
    )
    rows = [row[0] for row in connection.execute(check.sql, {"property": code, **facts})]
    shown = " ".join(rows[:5]) + (f" And {len(rows) - 5} more." if len(rows) > 5 else "")  # noqa: PLR2004 -- as many as are read
    mend = check.mend.replace("{address}", copyable(address)).replace("{property}", shlex.quote(code))
    return Precondition(7, check.name, check.title, not rows, shown, mend)


def _contingency(control: psycopg.Connection[TupleRow], move: Move, wish: Wish, *, now: datetime) -> Precondition:
    made = contingency.last_made(control, move=move)
    ok = made is not None and now - made.begun_at <= contingency.LARGEST_AGE
    reason = "" if ok else "none was made" if made is None else f"the last one is of {format_instant(made.begun_at)}"
    mend = f"slacktide move contingency {move.name}, or waive it by name: --waive contingency=NAME"
    waived_by = wish.waived.get("contingency")
    title = "The contingency pack is at most an hour old"
    return Precondition(8, "contingency", title, ok, reason, "" if ok else mend, None if ok else waived_by)


def _prediction(
    control: psycopg.Connection[TupleRow], move: Move, wish: Wish, downtime: Setting | None, *, now: datetime
) -> Precondition:
    end = downtime.end if downtime else None
    verdict = prediction.judge(control, move=move, now=now, end=end, open_by=wish.open_by)
    return _judged(9, "prediction", "The predicted duration fits the window", verdict, wish)


def _judged(number: int, name: str, title: str, verdict: Verdict, wish: Wish) -> Precondition:
    waived_by = None if verdict.ok else wish.waived.get(name)
    return Precondition(number, name, title, verdict.ok, verdict.reason, verdict.mend, waived_by)


def _untouched(target: psycopg.Connection[TupleRow], move: Move) -> Precondition:
    found = emptiness.check(target, plan=move.plan, target_property=move.target_property, move=move.name)
    listed = ", ".join(f"{row.count} in {row.table} (such as {row.example})" for row in found[:5])
    return Precondition(
        11, "target", "The target holds no row of the property that the mover did not write", not found, listed,
        "take these rows away at the target",
    )  # fmt: skip


def _lives_here(source: psycopg.Connection[TupleRow], move: Move) -> Precondition:
    """Judge that no other move has brought the property somewhere else, or is bringing it here."""
    line = Precondition(13, "lives_here", "The property lives at the source", ok=True)
    with contextlib.suppress(errors.UndefinedTable, errors.InvalidSchemaName):  # line 12 says that
        seen = closing.state(source, organization=move.property_code)
        line.ok = seen.state in (State.OPEN, State.CLOSING, State.QUIET)
        where = f", and lives at {seen.lives_at}" if seen.lives_at else ""
        line.reason, line.mend = ("", "") if line.ok else (f"it is {seen.state} there{where}", "slacktide move list")
    return line


def _guarded(connection: psycopg.Connection[TupleRow], move: Move, side: str) -> Precondition:
    reason = ""
    try:
        presence.verify_presence(connection, tables=guarded_tables(move.plan))
    except presence.GuardMissing as error:
        reason = str(error)
    return Precondition(12, f"guard_{side}", f"The {side}'s tables are guarded", not reason, reason,
                        f"slacktide move prepare {move.name} --apply")  # fmt: skip
