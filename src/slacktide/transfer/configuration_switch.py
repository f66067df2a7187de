"""What to move: an entity of the plan switched off, and on again, and old rows left behind, before it is prepared.

A switched-off entity is taken out of the move's own copy of the plan, and its tables are left out by name; the value of
a filter is written into that copy. So all that works by the plan knows. The plan as it was given is kept, and every
change is made from that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import yaml
from psycopg.sql import SQL, Literal

from slacktide.core.errors import InputError, UsageError
from slacktide.plan.document import nearest
from slacktide.plan.load import load_plan_text
from slacktide.plan.model import Phase
from slacktide.postgres import sql
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "configuration.sql")
_GIVEN, _OFF, _FILTERS = "plan_given", "switched_off", "filters"
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # all scalars stay texts, as the plan's own reader has them


class UnknownSwitch(UsageError):
    """The plan has no entity {name!r} that can be switched{hint}: it has {known}. Run `slacktide move property {move} --entity E=off` with one of them."""  # noqa: E501 -- the message is one sentence


class EntityNeeded(InputError):
    """{name!r} cannot be switched off, for {others} of what moves refers to it: switch that off too, or run `slacktide move property {move} --entity {name}=on`."""  # noqa: E501 -- the message is one sentence


class SwitchTooLate(InputError):
    """The move {move!r} is prepared, so what it moves stays as it is: make another one with `slacktide move create`."""


class UnknownFilter(UsageError):
    """The plan has no filter {name!r}{hint}: it has {known}. Run `slacktide move property {move} --filter F=V` with one of them, or without."""  # noqa: E501 -- the message is one sentence


class BadFilter(UsageError):
    """{value!r} is no value for the filter {name!r}, which is a {type}: {reason}. Write it as in `slacktide move property {move} --filter {name}=2015-01-31`, or `{name}=` for all."""  # noqa: E501 -- the message is one sentence


def switches(move: Move) -> dict[str, bool]:
    """Give the entities that can be switched, and whether they move, in the order of the plan as it was given."""
    off = set(move.facts.get(_OFF, []))
    return {
        entity.name: entity.name not in off
        for entity in _given(move).entities
        if entity.phase is not Phase.CONFIGURATION
    }


def filters(move: Move) -> dict[str, str | None]:
    """Give the filters of the plan and their values."""
    return {one.name: move.facts.get(_FILTERS, {}).get(one.name) for one in _given(move).filters}


def require_filters(source: psycopg.Connection[TupleRow], *, move: Move, wanted: Mapping[str, str]) -> None:
    """See that filters are there, and their values of the column's type. Raises UnknownFilter, BadFilter."""
    plan, known = _given(move), filters(move)
    for name, value in wanted.items():
        if name not in known:
            hint, listed = nearest(name, known), ", ".join(known) or "none"
            raise UnknownFilter(name=name, hint=hint, known=listed, move=move.name)
        one = next(one for one in plan.filters if one.name == name)
        kind = plan.entity[one.entity].root.by_name[one.column].type
        try:
            source.execute(SQL("select {}::{}").format(Literal(value or None), SQL(kind)))
        except psycopg.DataError as error:
            reason = error.diag.message_primary
            raise BadFilter(name=name, value=value, type=kind, reason=reason, move=move.name) from error


def switch(
    control: psycopg.Connection[TupleRow],
    *,
    move: Move,
    wanted: Mapping[str, bool],
    kept: Mapping[str, str] | None = None,
) -> Move:
    """Switch entities on or off, and set filters to `kept`; give the move as it then is.

    Raises UnknownSwitch, EntityNeeded, SwitchTooLate.
    """
    now = switches(move)
    for name in wanted:
        if name not in now:
            raise UnknownSwitch(name=name, hint=nearest(name, now), known=", ".join(now), move=move.name)
    off = {name for name, on in {**now, **wanted}.items() if not on}
    values = {name: value for name, value in {**move.facts.get(_FILTERS, {}), **(kept or {})}.items() if value}
    if off == set(move.facts.get(_OFF, [])) and values == move.facts.get(_FILTERS, {}):
        return move
    if "prepared" in move.facts:
        raise SwitchTooLate(move=move.name)
    given = move.facts.get(_GIVEN, move.plan_text)
    for name in sorted(off):
        _require_unneeded(_given(move), name, off=off, move=move.name)
    text = without(given, plan=_given(move), off=off, values=values) if off or values else given
    load_plan_text(text=text, file=move.plan_file)
    facts = msgspec.json.encode({_GIVEN: given, _OFF: sorted(off), _FILTERS: values}).decode()
    control.execute(_STATEMENTS["set_plan"], {"move_id": move.move_id, "plan_text": text, "facts": facts})
    return load_move(control, name=move.name)


def replan(control: psycopg.Connection[TupleRow], *, move: Move, text: str) -> Move:
    """Give a move another plan's text; what is switched off or left behind stays so."""
    off, values = set(move.facts.get(_OFF, [])), move.facts.get(_FILTERS, {})
    plan = load_plan_text(text=text, file=move.plan_file)
    own = without(text, plan=plan, off=off, values=values) if off or values else text
    facts = msgspec.json.encode({_GIVEN: text}).decode()
    control.execute(_STATEMENTS["set_plan"], {"move_id": move.move_id, "plan_text": own, "facts": facts})
    return load_move(control, name=move.name)


def _given(move: Move) -> Plan:
    text = move.facts.get(_GIVEN)
    return move.plan if text is None else load_plan_text(text=text, file=move.plan_file)


def _require_unneeded(plan: Plan, name: str, *, off: set[str], move: str) -> None:
    others = [
        f"{table.name}.{reference.column}"
        for entity in plan.entities
        if entity.name not in off
        for table, reference in entity.references
        if reference.entity == name
    ]
    if others:
        raise EntityNeeded(name=name, others=", ".join(others), move=move)


def without(text: str, *, plan: Plan, off: set[str], values: Mapping[str, str]) -> str:
    """Give a plan's text without some entities, and with the values of its filters.

    The tables of those entities are left out by name; their totals, steps and filters go.
    """
    document: dict[str, Any] = yaml.load(text, Loader=_LOADER)  # noqa: S506 -- it makes texts, lists and mappings only
    for name in sorted(off):
        del document["entities"][name]
        for table in plan.entity[name].tables:
            document.setdefault("left_out", {})[table.qualified] = f"{name} is switched off"
    totals: dict[str, Any] = document.get("totals") or {}
    document["totals"] = {name: total for name, total in totals.items() if total["entity"] not in off}
    steps: dict[str, Any] = document.get("steps") or {}
    kept = {name: {**step, "entities": [e for e in step["entities"] if e not in off]} for name, step in steps.items()}
    document["steps"] = {name: step for name, step in kept.items() if step["entities"]}
    stay = {name: one for name, one in (document.get("filters") or {}).items() if one["entity"] not in off}
    document["filters"] = {name: {**one, "from": values[name]} if name in values else one for name, one in stay.items()}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
