"""Predictions and what came of them, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slacktide.cli.output import table
from slacktide.core.duration import format_instant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from slacktide.cutover.prediction import Prediction, Rehearsed, Truth


def _second(instant: datetime) -> str:
    return format_instant(instant.replace(microsecond=0))


def _steps(predicted: Mapping[str, float], took: Mapping[str, float] | None = None) -> str:
    names = [*predicted, *(name for name in took or () if name not in predicted)]
    rows = [
        [name, f"{predicted.get(name, 0):.2f} s", *([f"{took.get(name, 0):.2f} s"] if took is not None else [])]
        for name in names
    ]
    return table(rows, head=["step", "predicted", *(["took"] if took is not None else [])])


def predicted(found: Prediction | None) -> str:
    """Write what is expected of the down time, were it started now."""
    if found is None:
        return "Nothing is predicted: it was not rehearsed."
    given = f"{found.objects:,} objects to bring, by rehearsal {found.rehearsal} of {_second(found.rehearsed_at)}"
    whole = f"in all {found.work_seconds:.2f} s of work, {found.elapsed_seconds:.2f} s from Start to open"
    giving_up = f"to abandon it: {found.source_open_seconds:.2f} s until the source is open"
    return "\n".join([
        f"If it were started now ({given}):",
        _steps(found.steps),
        f"{whole}; waiting for people comes on top",
        f"where testers are let in: {found.round_seconds:.2f} s more, as everything is compared again",
        f"{giving_up}, then {found.target_clear_seconds:.2f} s until the target is cleared",
        f"error so far: {found.error}",
    ])  # fmt: skip


def truth(found: Truth) -> dict[str, Any]:
    """Give a prediction beside what came of it, as JSON has it."""
    return {
        "what": found.what,
        "at": found.at,
        "predicted": found.predicted,
        "took": {"steps": found.steps, "work_seconds": round(found.work_seconds, 3),
                 "elapsed_seconds": round(found.elapsed_seconds, 3)},
        "tested": found.tested,
        "expected_seconds": round(found.expected_seconds, 3),
        "error": found.error,
    }  # fmt: skip


def beside(found: Truth) -> str:
    """Write a prediction beside what came of it."""
    expected = found.predicted
    tested = " with testers" if found.tested else ""
    work = f"in all {found.expected_seconds:.2f} s predicted{tested}, {found.work_seconds:.2f} s of work"
    whole = f"from Start to open {expected.elapsed_seconds:.2f} s predicted, {found.elapsed_seconds:.2f} s"
    return "\n".join([
        f"{found.what} of {_second(found.at)}, predicted by rehearsal {expected.rehearsal}: {found.error}",
        _steps(expected.steps, found.steps),
        f"{work}; {whole} with all waiting",
    ])  # fmt: skip


def listed(move: str, rehearsals: Sequence[Rehearsed], truths: Sequence[Truth], found: Prediction | None) -> str:
    """Write all rehearsals, what is expected, and each prediction beside what came of it."""
    if not rehearsals:
        return f"{move} was not rehearsed: slacktide move rehearse {move}"
    rows = [
        [str(each.rehearsal), _second(each.begun_at), each.who, each.state, each.shadow,
         f"{each.measured.work_seconds:.2f} s" if each.measured else "", each.error or ""]
        for each in rehearsals
    ]  # fmt: skip
    head = ["#", "begun", "by", "state", "into", "work", "why not"]
    return "\n\n".join([table(rows, head=head), predicted(found), *(beside(each) for each in truths)])
