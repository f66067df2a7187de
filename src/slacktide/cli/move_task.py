"""`slacktide move create`, `list` and tasks 1 to 4: `connections`, `property`, `configure`, `convert`; and `prepare`.

Each asks the gates of the tasks before it, by `transfer.preparation`.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from slacktide.cli.address import reachable
from slacktide.cli.move_process import refuse_in_down_time
from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, aside, table
from slacktide.cli.plan import plan_file
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.control.organization import ensure_organization
from slacktide.core.configuration import data_folder
from slacktide.core.errors import ExitStatus, InputError, UsageError
from slacktide.plan.check import check_plan
from slacktide.plan.load import load_plan
from slacktide.plan.problem import PlanError
from slacktide.postgres.connection import connect, has_password, shown
from slacktide.transfer import conversion_file, plan_mending, preparation
from slacktide.transfer.configuration_property import business_dates, properties, property_at
from slacktide.transfer.configuration_switch import filters, require_filters, switch, switches
from slacktide.transfer.connection_test import one_database, run_tests
from slacktide.transfer.conversion import CodeInUse, Conversion, UnmappedCodes, require_mapped
from slacktide.transfer.emptiness import require_empty
from slacktide.transfer.move import Move, create_move, list_moves, load_move

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.configuration import Configuration
    from slacktide.transfer.configuration_property import Property

    _Connection = psycopg.Connection[TupleRow]

_Name = Annotated[str, Parameter(name="NAME", help="The move's name.")]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,47}")


class BadMoveName(UsageError):
    """{name!r} cannot be a move's name: use letters, digits, "_", "." and "-", at most 48, a letter or digit first, as in `slacktide move create resort`."""  # noqa: E501 -- the message is one sentence


class PasswordInAddress(UsageError):
    """The address given with --{side} contains a password, which would be stored: keep it in the environment or a file, and run `slacktide move create {name} --{side} env:NAME` (or file:PATH)."""  # noqa: E501 -- the message is one sentence


class PropertyOfAnother(InputError):
    """The source has another property {code!r}, whose objects would be taken for those of {property}: give another one, as in `slacktide move create NAME --target-property CODE`."""  # noqa: E501 -- the message is one sentence


class OneDatabase(InputError):
    """The source and the target are one database, {address}: give another one, as in `slacktide move create NAME --target env:NEW`."""  # noqa: E501 -- the message is one sentence


class BadSwitch(UsageError):
    """{text!r} is no switch: write --entity E=on or --entity E=off, as in `slacktide move property {move} --entity trace=off`."""  # noqa: E501 -- the message is one sentence


class BadDefault(UsageError):
    """{text!r} is no default: write `slacktide move convert {move} --default LIST=CODE`, as in market=Other."""


@contextmanager
def _opened(name: str, what: str) -> Iterator[tuple[_Connection, Move]]:
    """Open the control database and find a move, whose databases can be reached."""
    with open_control() as control, control.connect(name=f"move {what}") as connection:
        move = load_move(connection, name=name)
        with reachable(move.source, move.target):
            yield connection, move


def _answer(move: Move) -> dict[str, Any]:
    return {
        "name": move.name,
        "plan": move.plan_file,
        "property": move.property_code,
        "target_property": move.target_property,
        "source": shown(move.source),
        "target": shown(move.target),
        "spool": move.spool,
        "task": move.task,
        "state": move.state,
    }


# -- create and list ---------------------------------------------------------------------------------------------------


def create(
    name: _Name,
    /,
    *,
    plan: Annotated[str, Parameter(help="The plan's file, or the word hotel for the hotel's.")],
    property_: Annotated[str, Parameter(name="--property", help="The property's code in the source.")],
    source: Annotated[str, Parameter(help="The database that it moves from: a URL, env:NAME, file:PATH.")],
    target: Annotated[str, Parameter(help="The database that it moves to.")],
    target_property: Annotated[str | None, Parameter(help="Its code at the target; left out: the same.")] = None,
    options: Acting = ACTING,
) -> int:
    """Write down a new move, once its plan fits both databases."""
    if not _NAME.fullmatch(name):
        raise BadMoveName(name=name)
    with open_control() as control, control.connect(name="move create") as connection, reachable(source, target):
        for side, address in (("source", source), ("target", target)):
            if has_password(address):
                raise PasswordInAddress(side=side, name=name)
        file = plan_file(plan)
        becomes = target_property or property_
        found = _fits(load_plan(path=file), source, target, code=property_, becomes=becomes, options=options)
        facts = {"name": name, "plan_file": str(file), "plan_text": file.read_text(encoding="utf-8"), "source": source}
        facts |= {"property": property_, "target_property": becomes, "target": target}
        facts["spool"] = str(data_folder() / "spool" / name)
        answer = _answer(_write_down(connection, found, facts, options))
    return options.say(answer, f"{name}: {property_} moves; see first: slacktide move connections {name}")


def _fits(plan: Plan, source: str, target: str, *, code: str, becomes: str, options: Shown) -> Property:
    """Hold the plan against both databases; give the property. Raises OneDatabase, PlanError, NoSuchProperty."""
    with connect(source, name="move create") as here, connect(target, name="move create") as there:
        if one_database(here, there):
            raise OneDatabase(address=shown(target))
        findings = check_plan(plan=plan, source=here, target=there)
        if findings.errors:
            raise PlanError(file=plan.file, errors=list(findings.errors))
        for problem in findings.warnings:
            options.note(f"warning: {problem}")
        found = property_at(here, plan=plan, code=code, address=source)
        if becomes != code and properties(here, plan=plan, code=becomes):
            raise PropertyOfAnother(code=becomes, property=code)
        return found


def _write_down(connection: _Connection, found: Property, facts: dict[str, str], options: Acting) -> Move:
    reason = options.reason or ""
    with connection.transaction():
        ensure_organization(
            connection, code=found.code, name=found.name, zone=found.zone, who=options.who, reason=reason
        )
        move = create_move(connection, **facts)
        record_audit(
            connection, who=options.who, what="move create", object=f"move {move.name}", after=_answer(move),
            reason=reason,
        )  # fmt: skip
    return move


def list_(*, options: Shown = SHOWN) -> int:
    """List all moves."""
    with open_control() as control, control.connect(name="move list") as connection:
        answers = [_answer(move) for move in list_moves(connection)]
    rows = [[one["name"], one["property"], str(one["task"]), one["state"]] for one in answers]
    return options.say(answers, lambda: table(rows, head=["name", "property", "task", "state"]))


# -- tasks 1 to 4 ------------------------------------------------------------------------------------------------------


def connections(name: _Name, /, *, options: Acting = ACTING) -> int:
    """Task 1: test the connections; 1 if a test fails."""
    with _opened(name, "connections") as (connection, move):
        tests = run_tests(connection, move=move)
        passed = all(test.ok for test in tests)
        if passed:
            preparation.on_to(connection, move=move, task=1, state="connections tested")
    rows = [["ok" if test.ok else "FAILS", test.name, test.reason + (f": {test.mend}" if test.mend else "")]
            for test in tests]  # fmt: skip
    options.say(tests, lambda: table(rows, head=["", "test", "reason"]))
    return ExitStatus.DONE if passed else ExitStatus.REFUSED


def property_(
    name: _Name,
    /,
    *,
    entity: Annotated[tuple[str, ...], Parameter(help="Switch an entity: E=on or E=off; can be repeated.")] = (),
    filter_: Annotated[tuple[str, ...], Parameter(name="--filter", help="Set a filter of the plan: F=V.")] = (),
    options: Acting = ACTING,
) -> int:
    """Task 2: show what moves, switch entities, and see that the target holds none of it."""
    # a refusal takes back what was switched
    with _opened(name, "property") as (connection, before), connection.transaction():
        move = _switch(connection, before, entity, filter_, options)
        with preparation.both(move, what="property") as (source, target):
            require_empty(target, plan=move.plan, target_property=move.target_property, move=name)
            here = property_at(source, plan=move.plan, code=move.property_code, address=move.source)
            dates = business_dates(source, target, move=move)
        preparation.on_to(connection, move=move, task=2, state="property chosen")
    answer = {
        "property": here,
        "target_property": move.target_property,
        "business_date": dates,
        "entities": switches(move),
        "filters": filters(move),
    }
    return options.say(answer, lambda: _property_text(msgspec.to_builtins(answer)))


def _switch(
    connection: _Connection, move: Move, entities: tuple[str, ...], kept: tuple[str, ...], options: Acting
) -> Move:
    wanted, values = {}, {text.partition("=")[0]: text.partition("=")[2] for text in kept}
    with connect(move.source, name=f"{move.name} property") as source:
        require_filters(source, move=move, wanted=values)
    for text in entities:
        name, _, state = text.partition("=")
        if state not in {"on", "off"}:
            raise BadSwitch(text=text, move=move.name)
        wanted[name] = state == "on"
    with connection.transaction():
        after = switch(connection, move=move, wanted=wanted, kept=values)
        if after is not move:
            record_audit(
                connection, who=options.who, what="move property", object=f"move {move.name}",
                before=switches(move) | filters(move), after=switches(after) | filters(after),
                reason=options.reason or "",
            )  # fmt: skip
    return after


def _property_text(answer: dict[str, Any]) -> str:
    here, dates = answer["property"], answer["business_date"]
    lines = [
        f"{here['code']}  {here['name']}  {here['zone']}, at the target {answer['target_property']}",
        f"business date {dates['source']}, at the target {dates['target'] or 'made by `move configure`'}",
        *(f"  {'on ' if on else 'off'} {entity}" for entity, on in answer["entities"].items()),
        *(f"  filter {name}: {value or 'all'}" for name, value in answer["filters"].items()),
    ]
    return "\n".join(lines)


def configure(name: _Name, /, *, options: Acting = ACTING) -> int:
    """Task 3: copy the configuration, once."""
    with _opened(name, "configure") as (connection, move):
        with preparation.both(move, what="configure") as (source, target):
            preparation.require_property(connection, source, target, move=move)
        done = preparation.configure(connection, move=move, who=options.who, reason=options.reason or "")
    return options.say(done, lambda: _configuration_text(done))


def _configuration_text(done: Configuration) -> str:
    rows = [[one.title, str(one.read), str(one.written), str(one.read - one.written)] for one in done.copied]
    return table(rows, head=["configuration", "read", "written", "already there"])


def convert(
    name: _Name,
    /,
    *,
    list_all: Annotated[Flag, Parameter(name="--list", help="Show the mappings, and the codes without one.")] = False,
    mappings: Annotated[Path | None, Parameter(help="A CSV file: list,source_code,target_code.")] = None,
    default: Annotated[
        tuple[str, ...], Parameter(help="LIST=CODE: map all codes in use without a mapping; can be repeated.")
    ] = (),
    options: Acting = ACTING,
) -> int:
    """Task 4: map codes, those that are the same on both sides too; 1 while a mandatory one has no mapping."""
    defaults = _defaults(default, move=name)
    given = conversion_file.read(mappings, move=name) if mappings is not None else []
    with _opened(name, "convert") as (connection, move), preparation.both(move, what="convert") as (source, target):
        preparation.require_configured(connection, move=move)
        acting = {"who": options.who, "reason": options.reason or ""}
        codes = Conversion(connection, source=source, target=target, move=move, **acting)
        changed = codes.put(given, defaults=defaults)
        used, known = codes.in_use(), codes.mappings()
        file = conversion_file.write(codes.valid_mappings(), codes=used) if list_all else None
        unmapped = [one for one in used if one.state == "unmapped"]
        refusal = _refusal(unmapped, move=name)
        if refusal is None:
            preparation.on_to(connection, move=move, task=4, state="converted")
    answer = {"mappings": known, "codes": used, "unmapped": unmapped, "ready": refusal is None,
              "read_again": changed.objects}  # fmt: skip
    summary = f"{len(known)} mappings; {len(used)} codes in use, {len(unmapped)} of them without a mapping"
    options.say(answer, file or "\n".join([summary, *([_unmapped_text(unmapped)] if unmapped else [])]))
    if refusal is None or list_all:
        return ExitStatus.DONE
    aside(refusal)
    return ExitStatus.REFUSED


def _refusal(unmapped: list[CodeInUse], *, move: str) -> str | None:
    try:
        require_mapped(unmapped, move=move)
    except UnmappedCodes as error:
        return str(error)
    return None


def _unmapped_text(unmapped: list[CodeInUse]) -> str:
    rows = [
        [one.list, one.code, str(one.count), "yes" if one.mandatory else "no", ", ".join(one.columns)]
        for one in unmapped
    ]
    return table(rows, head=["list", "code", "rows", "mandatory", "in"])


def _defaults(texts: tuple[str, ...], *, move: str) -> dict[str, str]:
    """Give the codes by their lists. Raises BadDefault."""
    parts = {text: text.partition("=") for text in texts}
    for text, (name, _, code) in parts.items():
        if not (name and code):
            raise BadDefault(text=text, move=move)
    return {name: code for name, _, code in parts.values()}


# -- prepare -----------------------------------------------------------------------------------------------------------


def prepare(
    name: _Name,
    /,
    *,
    apply: Annotated[Flag, Parameter(help="Do what is shown.")] = False,
    plan: Annotated[
        str | None, Parameter(help="The move's plan, mended: go on by it after the source's schema has changed.")
    ] = None,
    options: Acting = ACTING,
) -> int:
    """Show what is put into both databases; with --apply, put it there."""
    with _opened(name, "prepare") as (connection, before):
        move = before if plan is None else _mended(connection, before, plan, options, apply=apply)
        with preparation.both(move, what="prepare") as (source, _):
            what = preparation.describe(source, move=move)
        if apply:
            options.note(_preparation_text(what))
            what = preparation.apply(connection, move=move, who=options.who, reason=options.reason or "")
    answer = {"name": name, **msgspec.to_builtins(what), "applied": apply}
    done = f"{name}: both databases are prepared; go on with `slacktide move processes start {name}`"
    todo = f"nothing was done: `slacktide move prepare {name} --apply` does it"
    return options.say(answer, lambda: done if apply else f"{_preparation_text(what)}\n{todo}")


def _mended(connection: _Connection, move: Move, plan: str, options: Acting, *, apply: bool) -> Move:
    """Take a mended plan, or say what it would have read again."""
    refuse_in_down_time(connection, move)
    file = plan_file(plan)
    text = file.read_text(encoding="utf-8")
    with preparation.both(move, what="prepare") as (source, target):
        mended = plan_mending.describe(source, target, move=move, text=text, file=str(file))
    options.note(f"by the mended plan {', '.join(mended.read_again) or 'nothing'} is read again")
    if not apply:
        return move
    return plan_mending.take(connection, move=move, mended=mended, who=options.who, reason=options.reason or "")


def _preparation_text(what: preparation.Preparation) -> str:
    lines = ["in the source:", *(f"  {line}" for line in what.source)]
    lines += ["in the target:", *(f"  {line}" for line in what.target), f"checksum {what.checksum}"]
    return "\n".join(lines)
