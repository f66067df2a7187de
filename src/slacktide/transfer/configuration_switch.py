"""What to move: an entity of the plan switched off, and on again, before anything is prepared.

A switched-off entity is taken out of the move's own copy of the plan, and its tables are left out by name; so all that
works by the plan knows. The plan as it was given is kept, and every change is made from that one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from slacktide.core.errors import InputError, UsageError
from slacktide.plan.document import nearest
from slacktide.plan.load import load_plan_text
from slacktide.plan.model import Phase
from slacktide.postgres import sql
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.move import Move

_STATEMENTS = sql.load(__package__, "configuration.sql")
_GIVEN, _OFF = "plan_given", "switched_off"
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # all scalars stay texts, as the plan's own reader has them


class UnknownSwitch(UsageError):
    """The plan has no entity {name!r} that can be switched{hint}: it has {known}. Run `slacktide move property {move} --entity E=off` with one of them."""  # noqa: E501 -- the message is one sentence


class EntityNeeded(InputError):
    """{name!r} cannot be switched off, for {others} of what moves refers to it: switch that off too, or run `slacktide move property {move} --entity {name}=on`."""  # noqa: E501 -- the message is one sentence


class SwitchTooLate(InputError):
    """The move {move!r} is prepared, so what it moves stays as it is: make another one with `slacktide move create`."""


class UnknownFilter(UsageError):
    """The plan has no filter {name!r}, for it has none: run `slacktide move property {move}` without --filter."""


def switches(move: Move) -> dict[str, bool]:
    """Give the entities that can be switched, and whether they move, in the order of the plan as it was given."""
    off = set(move.facts.get(_OFF, []))
    return {
        entity.name: entity.name not in off
        for entity in _given(move).entities
        if entity.phase is not Phase.CONFIGURATION
    }


def switch(control: psycopg.Connection[TupleRow], *, move: Move, wanted: Mapping[str, bool]) -> Move:
    """Switch entities on or off; give the move as it then is.

    Raises UnknownSwitch, EntityNeeded, SwitchTooLate.
    """
    now = switches(move)
    for name in wanted:
        if name not in now:
            raise UnknownSwitch(name=name, hint=nearest(name, now), known=", ".join(now), move=move.name)
    off = {name for name, on in {**now, **wanted}.items() if not on}
    if off == set(move.facts.get(_OFF, [])):
        return move
    if "prepared" in move.facts:
        raise SwitchTooLate(move=move.name)
    given = move.facts.get(_GIVEN, move.plan_text)
    for name in sorted(off):
        _require_unneeded(_given(move), name, off=off, move=move.name)
    text = without(given, plan=_given(move), off=off) if off else given
    load_plan_text(text=text, file=move.plan_file)
    facts = msgspec.json.encode({_GIVEN: given, _OFF: sorted(off)}).decode()
    control.execute(_STATEMENTS["set_plan"], {"move_id": move.move_id, "plan_text": text, "facts": facts})
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


def without(text: str, *, plan: Plan, off: set[str]) -> str:
    """Give a plan's text without some entities: their tables are left out by name, their totals and steps go."""
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
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
