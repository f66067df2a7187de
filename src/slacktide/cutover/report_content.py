"""What a report says of contents: both sides' totals and rows, and how they were compared."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from slacktide.plan.model import Plan
from slacktide.transfer.ahead import FACT
from slacktide.transfer.verify import by_table

if TYPE_CHECKING:
    from slacktide.cutover.record import Attempt, StepRecord
    from slacktide.transfer.move import Move
    from slacktide.transfer.verify_store import Store

_NEVER = "NOT COMPARED: no content was compared yet, so nothing here is proven."
_AHEAD = "Compared ahead, while the property trades; what is shown are the objects that were equal then."
_BARRIER = "Compared at the barrier, after the last change of the source and before anybody could write at the target."


def comparison(attempt: Attempt | None, *, steps: list[StepRecord], move: Move) -> dict[str, Any]:
    """Say when contents were compared, of how many objects, and every difference that was noted."""
    found, where = _found(attempt), "barrier"
    at = next((step.changed_at for step in steps if step.step == "final_synchronization"), None)
    if not found:
        found, where = move.facts.get(FACT) or {}, "ahead"
    if not found:
        return {
            "where": "never",
            "text": _NEVER,
            "equal": False,
            "read": 0,
            "carried": 0,
            "different": 0,
            "differences": [],
        }
    names = ("equal", "read", "carried", "different", "differences")
    text = _BARRIER if where == "barrier" else _AHEAD
    return {
        "where": where,
        "text": text,
        "at": at if where == "barrier" else found["at"],
        **{name: found[name] for name in names},
    }


def totals(attempt: Attempt | None, *, move: Move, store: Store) -> list[dict[str, Any]]:
    """Give each control total by label: both sides, and what is between them."""
    found = _found(attempt).get("totals")
    if found is None:
        carried = store.carried()
        sums = carried.totals if carried else {}
        found = {
            f"{name} {label}".strip(): {"source": str(value), "target": str(value)}
            for name, labels in sums.items()
            for label, value in sorted(labels.items())
        }
    by_total: dict[str, list[tuple[str, dict[str, str]]]] = defaultdict(list)
    for name, both in sorted(found.items()):
        total, _, label = name.partition(" ")
        by_total[total].append((label, both))
    return [
        {"total": total.name, "title": total.title, "money": total.money, "label": label, **both,
         "difference": str(Decimal(both["target"]) - Decimal(both["source"]))}
        for total in move.plan.totals
        for label, both in by_total[total.name]
    ]  # fmt: skip


def rows(attempt: Attempt | None, *, move: Move, store: Store) -> list[dict[str, Any]]:
    """Give the rows of each table on both sides, and of a root how many objects were written since Start."""
    found = _found(attempt)
    both: dict[str, dict[str, int]] = found.get("rows", {})
    if not both and (carried := store.carried()):
        both = dict.fromkeys(("source", "target"), by_table(move.plan.moving, carried.rows))
    written = {entity.name: found["moved"].get(entity.name, 0) for entity in move.plan.moving} if found else {}
    return [
        {"table": table.qualified, "name": name, **sides, "difference": sides["target"] - sides["source"],
         "written_since_start": written.get(name)}
        for name, table in move.plan.table.items()
        if both
        for sides in [{side: both[side].get(name, 0) for side in ("source", "target")}]
    ]  # fmt: skip


def left_out(plan: Plan) -> dict[str, str]:
    """Name every table and column that the plan leaves out, with its reason."""
    columns = {
        f"{table.qualified}.{column}": reason
        for entity in plan.entities
        for table in entity.tables
        for column, reason in table.left_out.items()
    }
    return dict(plan.left_out) | columns


def counters(steps: list[StepRecord]) -> list[dict[str, Any]]:
    """Give each number range: the source's last number, and the target's before and after."""
    details = [step.detail or {} for step in steps if step.step == "counters"]
    return [counter for detail in details for counter in detail.get("counters", [])]


def _found(attempt: Attempt | None) -> dict[str, Any]:
    """Give what was kept at the barrier; an attempt that was given up proves nothing of what is there now."""
    return (attempt.verification if attempt and attempt.abandoned_at is None else None) or {}
