"""Tasks 1 to 5 as far as `prepare`: the gates, one after another, and what is then put into both databases.

Every later command asks the earlier gates itself, so a task with nothing to say can be skipped. The order is: the
target holds none of the property's data, every connection test passes, the configuration is copied, no mandatory code
is without a mapping; then both databases are prepared, and from then on the property's rows at the target are the
mover's alone. The target is asked once more when it is closed: whoever wrote between the look and the closing is found.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from slacktide.control.audit import record_audit
from slacktide.control.organization import set_side
from slacktide.core import clock
from slacktide.core.duration import format_instant
from slacktide.core.errors import InputError, OutsideError
from slacktide.guard import closing
from slacktide.guard.install import describe as describe_guard
from slacktide.guard.state import State
from slacktide.plan.check import check_plan
from slacktide.plan.problem import PlanError
from slacktide.postgres.connection import connect, shown
from slacktide.transfer import configuration, connection_test, conversion, emptiness, prepare
from slacktide.transfer.configuration_property import business_dates
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import load_move, set_fact, set_task
from slacktide.transfer.source import changed_tables, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move

    _Connection = psycopg.Connection[TupleRow]

_FACT = "prepared"
_TASK = 5
_TRIES = 20


class ConnectionsFail(InputError):
    """The connections of the move {move!r} do not pass: {failed}. Mend that, then run `slacktide move connections {move}`."""  # noqa: E501 -- the message is one sentence


class PropertyElsewhere(InputError):
    """The property {property!r} is {state} in the {side}, so the move {move!r} cannot be prepared: see `slacktide move status {move}`."""  # noqa: E501 -- the message is one sentence


class TargetWritten(OutsideError):
    """Transactions that write the property {property!r} at the target have not ended: end them, then run `slacktide move prepare {move} --apply`."""  # noqa: E501 -- the message is one sentence


class Preparation(msgspec.Struct, frozen=True):
    """What is put into both databases, a line each; the checksum is that of these lines and of the plan."""

    source: list[str]
    target: list[str]
    checksum: str


def describe(source: _Connection, *, move: Move) -> Preparation:
    """Say what `apply` will do."""
    here = prepare.describe_source(source, plan=move.plan, move=move.name)
    there = _describe_target(move)
    text = "\n".join([move.plan.checksum, *here, "", *there])
    return Preparation(here, there, hashlib.sha256(text.encode()).hexdigest())


def _describe_target(move: Move) -> list[str]:
    drawn = sum(table.drawn for table in move.plan.late.table.values())
    return [
        *describe_guard(tables=prepare.guarded_tables(move.plan)),
        "make slacktide.mover_move, slacktide.key_map and the sequence slacktide.parking_number",
        f"let slacktide_mover write {len(move.plan.late.table)} tables and draw from {drawn} sequences",
        f"close the property {move.target_property}: from now on only slacktide_mover writes its rows",
    ]


# -- the gates ---------------------------------------------------------------------------------------------------------


def require_property(control: _Connection, source: _Connection, target: _Connection, *, move: Move) -> None:
    """Ask the gates of tasks 1 and 2. Raises TargetTaken, TargetNotEmpty, TargetAhead, ConnectionsFail, PlanError.

    A way back is never held up by what else there is, and a rehearsal brings nothing that stays.
    """
    if move.back_of is None and move.rehearses is None:
        emptiness.require_free(target, target_property=move.target_property, move=move.name)
    emptiness.require_empty(target, plan=move.plan, target_property=move.target_property, move=move.name)
    failed = [test for test in connection_test.run_tests(control, move=move) if not test.ok]
    if failed:
        said = "; ".join(f"{test.name}: {test.reason} ({test.mend})" for test in failed)
        raise ConnectionsFail(move=move.name, failed=said)
    findings = check_plan(plan=move.plan, source=source, target=target)
    if findings.errors:
        raise PlanError(file=move.plan_file, errors=list(findings.errors))
    business_dates(source, target, move=move)


def require_configured(control: _Connection, *, move: Move) -> None:
    """Ask the gate of task 3. Raises NotConfigured."""
    configuration.configured_at(control, move=move)


def require_converted(
    control: _Connection, source: _Connection, target: _Connection, *, move: Move, who: str, reason: str = ""
) -> None:
    """Ask the gates of tasks 3 and 4; codes that are the same on both sides are mapped by themselves.

    Raises NotConfigured, UnmappedCodes.
    """
    require_configured(control, move=move)
    codes = conversion.Conversion(control, source=source, target=target, move=move, who=who, reason=reason)
    codes.map_same()
    conversion.require_mapped(codes.in_use(), move=move.name)


# -- preparing ---------------------------------------------------------------------------------------------------------


@contextmanager
def both(move: Move, *, what: str) -> Iterator[tuple[_Connection, _Connection]]:
    """Open both databases of a move for one command."""
    name = f"{move.name} {what}"
    with connect(move.source, name=name) as source, connect(move.target, name=name) as target:
        yield source, target


def is_prepared(move: Move) -> bool:
    """Tell whether both sides are prepared."""
    return _FACT in move.facts


def ensure_prepared(control: _Connection, *, move: Move, who: str, reason: str = "") -> Move:
    """Do what was not done of tasks 1 to 4 and of `prepare`; give the move as it then is.

    Raises what the gates raise; what was done before one stays done.
    """
    if is_prepared(move):
        return move
    if move.configured_at is None:
        with both(move, what="configure") as (source, target):
            require_property(control, source, target, move=move)
        configure(control, move=move, who=who, reason=reason)
    apply(control, move=move, who=who, reason=reason)
    return load_move(control, name=move.name)


def configure(control: _Connection, *, move: Move, who: str, reason: str = "") -> configuration.Configuration:
    """Copy the configuration, and note who did. Raises AlreadyConfigured, ConfigurationRefused."""
    with control.transaction():
        done = configuration.configure(control, move=move)
        on_to(control, move=move, task=3, state="configured")
        after = {"rows": sum(one.written for one in done.copied), "stubs": done.stubs}
        record_audit(control, who=who, what="move configure", object=f"move {move.name}", after=after, reason=reason)
    return done


def apply(control: _Connection, *, move: Move, who: str, reason: str = "") -> Preparation:
    """Prepare both databases, once the gates of tasks 1 to 4 hold, and record both sides.

    It can be run again: then the source's tables are taken as they are, and what had changed is read again.

    Raises what the gates raise, PropertyElsewhere, Overtaken, TargetWritten.
    """
    with both(move, what="prepare") as (source, target):
        again = _FACT in move.facts
        epoch = _require_here(source, target, move=move, again=again)
        require_property(control, source, target, move=move)
        require_converted(control, source, target, move=move, who=who, reason=reason)
        shown = describe(source, move=move)
        take_as_it_is(Journal(control, move_id=move.move_id, process=""), source, plan=move.plan)
        prepare.prepare_source(source, plan=move.plan, move=move.name)
        prepare.prepare_target(target, plan=move.plan, move=move.name, target_property=move.target_property)
        _close_target(target, move=move, again=again, epoch=epoch)
    with control.transaction():
        _record(control, move=move, who=who, reason=reason, shown=shown, again=again)
    return shown


def take_as_it_is(journal: Journal, source: _Connection, *, plan: Plan) -> None:
    """Have Generate take the source's tables as they are next, and read again what has changed.

    Before anything is mended: afterwards a leaf whose changes were logged with too little looks as it did before.
    """
    current = journal.current()
    if current is not None and current.fingerprint is not None:
        tables = [table.qualified for table in plan.table.values()]
        now = fingerprint_of(source, tables=tables, publication=prepare.publication(journal.move_name()))
        defined, _ = changed_tables(before=current.fingerprint, now=now)
        journal.forget_fingerprint([name for name, _ in defined])


def _require_here(source: _Connection, target: _Connection, *, move: Move, again: bool) -> int | None:
    """Refuse to prepare a property that has moved away already, or that lives at the target; give the target's epoch.

    Until the target is closed a down time may open it: who was here then finds another epoch, and closes nothing.
    """
    here, there = _seen(source, move.property_code), _seen(target, move.target_property)
    if here.state is State.REFERENCE_ONLY:
        raise PropertyElsewhere(property=move.property_code, state=here.state.value, side="source", move=move.name)
    if again and there.state is not State.PREPARED:
        raise PropertyElsewhere(property=move.target_property, state=there.state.value, side="target", move=move.name)
    return there.epoch or None  # none where the guard never heard of it


def _seen(connection: _Connection, organization: str) -> closing.Closing:
    if connection.execute("select to_regclass('slacktide.guard_closing') is not null").fetchone() != (True,):
        return closing.Closing(organization, State.OPEN)
    return closing.state(connection, organization=organization)


def _close_target(target: _Connection, *, move: Move, again: bool, epoch: int | None) -> None:
    """Let only the mover write, wait for who wrote before, and look once more whether that left rows."""
    closing.prepare_target(target, organization=move.target_property, reason=_why_closed(move), epoch=epoch)
    try:
        _await_writers(target, move=move)
        emptiness.require_empty(target, plan=move.plan, target_property=move.target_property, move=move.name)
    except (TargetWritten, emptiness.TargetNotEmpty):
        if move.back_of is not None:
            set_aside(target, move=move)
        elif not again:
            closing.release(target, organization=move.target_property, reason=f"move {move.name} is not prepared")
        raise


def set_aside(target: _Connection, *, move: Move) -> None:
    """Let the target of a way back be what it was before: reference only. It must never be released."""
    place = shown(move.source)
    reason = f"{move.name} is not on its way back"
    closing.make_reference_only(target, organization=move.target_property, lives_at=place, reason=reason)


def _why_closed(move: Move) -> str:
    """Say why the target is closed; of a way back, where the property lives meanwhile."""
    return f"move {move.name}" if move.back_of is None else f"it lives at {shown(move.source)}; move {move.name}"


def _await_writers(target: _Connection, *, move: Move) -> None:
    if not any(closing.try_drained(target, organization=move.target_property) for _ in range(_TRIES)):
        raise TargetWritten(property=move.target_property, move=move.name)


def _record(control: _Connection, *, move: Move, who: str, reason: str, shown: Preparation, again: bool) -> None:
    """Note both sides and that it is done; a later time changes no side."""
    why = reason or f"move {move.name} is prepared"
    if not again:
        code = move.organization
        set_side(control, organization=code, side="source", state="open", database=move.source, who=who, reason=why)
        set_side(control, organization=code, side="target", state="closed", database=move.target, who=who, reason=why)
    set_fact(control, move=move, name=_FACT, value={"at": format_instant(clock.now()), "checksum": shown.checksum})
    on_to(control, move=move, task=_TASK, state="prepared")
    after = {"checksum": shown.checksum}
    record_audit(control, who=who, what="move prepare", object=f"move {move.name}", after=after, reason=reason)


def on_to(control: _Connection, *, move: Move, task: int, state: str) -> None:
    """Note that a move has come to a task; one that is further stays where it is."""
    if move.task <= task:
        set_task(control, move=move, task=task, state=state)
