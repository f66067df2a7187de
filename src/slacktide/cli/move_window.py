"""The monitoring windows as text: the four panels, and the steps of the down time."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from slacktide.cli.output import table
from slacktide.core.duration import format_instant
from slacktide.core.size import format_size

if TYPE_CHECKING:
    from datetime import datetime

    from slacktide.cutover.record import Attempt, StepRecord
    from slacktide.transfer.move import Move
    from slacktide.transfer.panel import MoveStatus

_MOST_LABELS = 12
_BARS = "▁▂▃▄▅▆▇█"
_TITLES = {
    "synchronization": "Synchronization",
    "generate": "Generate XML",
    "transfer": "Transfer XML",
    "process": "Process XML",
}


def panels(status: MoveStatus, facts: dict[str, Any]) -> str:
    """Write the four panels, what they amount to, and what comes next."""
    rows = [
        [
            _TITLES[name],
            panel.state,
            f"{panel.queued:,}",
            f"{panel.done:,}",
            f"{panel.failed:,}",
            f"{panel.rate_per_second:,.0f}/s",
            _sparkline(panel.chart),
            f"{panel.lag_seconds:.1f} s",
            _second(panel.since) if panel.since else "",
            panel.waits_for or "",
        ]
        for name, panel in status.processes.items()
    ]
    head = ["process", "state", "queued", "done", "failed", "rate", "last 2 minutes", "lag", "since", "waits for"]
    lines = [
        f"{status.name}: task {status.task}, {status.state}",
        table(rows, head=head),
        _summary(status),
        *_uncounted(status),
        *_miscellaneous(status, facts.get("miscellaneous")),
    ]
    verified = facts.get("verified")
    if verified:
        how = "no difference" if verified["equal"] else f"{verified['different']} objects differ"
        lines.append(f"verified ahead as of batch {verified['batch']}: {how} ({verified['seconds']} s)")
    return "\n".join([*lines, *status.errors])


def _summary(status: MoveStatus) -> str:
    as_of = format_instant(status.as_of) if status.as_of else "nothing yet"
    problems = {k: v for k, v in status.messages.items() if k in ("failed", "waiting", "warning") and v}
    listed = (
        ", ".join(f"{count} {state}" for state, count in problems.items()) or "none failed, waiting or warned about"
    )
    steady = (
        f"steady since {format_instant(status.steady_since)}"
        if status.steady and status.steady_since
        else "not steady yet"
    )
    ends = f", and should end at {_second(status.expected_end)}" if status.expected_end else ""
    left = (
        f"; the pass has {status.pass_left:,} of {status.pass_objects:,} objects left{ends}" if status.pass_left else ""
    )
    return f"{steady}{left}; the target is the source as of {as_of}; messages: {listed}"


def gate(standing: dict[str, Any]) -> str:
    """Write the task that a move is on, its gate, and the command that comes next."""
    holds = "holds" if standing["holds"] else "does not hold yet"
    return (
        f"task {standing['task']}, {standing['title']}: its gate, {standing['gate']}, {holds}\n"
        f"next: `{standing['next']}`"
    )


def way_back(back: Move, *, move: str) -> str:
    """Write that there is a way back, how it stands, and how it goes on."""
    said = f"way back: {back.name}, {back.state}; watch it with `slacktide move status {back.name}`"
    return f"{said}; it goes on by `slacktide move downtime fallback {move} --reason TEXT`"


def _miscellaneous(status: MoveStatus, facts: dict[str, Any] | None) -> list[str]:
    """Write how task 7 stands, once it was begun or left."""
    panel = status.miscellaneous
    if facts is None or panel is None:
        return []
    if panel.state in ("running", "waiting"):
        waits = f", waits for {panel.waits_for}" if panel.waits_for else ""
        return [f"miscellaneous: {panel.state}, {panel.done:,} done, {panel.rate_per_second:,.0f}/s{waits}"]
    return [f"miscellaneous: {miscellaneous(facts)}"]


def miscellaneous(facts: dict[str, Any]) -> str:
    """Write what has come of task 7."""
    if facts.get("left"):
        return f"left at the source by {facts['who']}: {facts['left']}"
    moved = ", ".join(f"{count:,} {name}" for name, count in facts.get("moved", {}).items()) or "nothing"
    behind = ", ".join(f"{count:,} {name}" for name, count in facts.get("left_behind", {}).items() if count)
    said = [f"moved {moved}"] + ([f"left behind by filters {behind}"] if behind else [])
    said += [f"{facts['failed']:,} failed or wait"] if facts.get("failed") else []
    left_out = [f"{one['entity']} {one['key']} (accepted by {one['name']})" for one in facts.get("accepted", [])]
    said += [f"left out {', '.join(left_out)}"] if left_out else []
    said += [f"done at {facts['done_at']}"] if facts.get("done_at") else ["not done yet"]
    return "; ".join(said)


def _uncounted(status: MoveStatus) -> list[str]:
    """Write what Steady does not count at the source; and since when nobody looks, where that is so."""
    found = status.uncounted
    if found is None:
        return []
    kept, limit = format_size(found.log_kept_bytes), format_size(found.log_limit_bytes)
    seen = "" if status.processes["synchronization"].state == "running" else f", as of {_second(found.at)}"
    oldest = found.oldest_transaction or "none"
    lines = [
        f"not counted{seen}: the oldest open transaction that writes at the source: {oldest}",
        f"not counted{seen}: the source keeps {kept} of log for us; at {limit} the slot is given up",
    ]
    if found.log_warning:
        lines.append(
            "WARNING: that is half of the limit or more: end what holds it, or raise SLACKTIDE_SOURCE_LOG_LIMIT"
        )
    return lines


def _second(instant: datetime) -> str:
    return format_instant(instant.replace(microsecond=0))


def _sparkline(rates: list[float]) -> str:
    """Draw rates as bars, the highest one full."""
    top = max(rates, default=0.0) or 1.0
    return "".join(_BARS[round(rate / top * (len(_BARS) - 1))] for rate in rates)


def totals(found: dict[str, dict[str, str]]) -> str:
    """Write control totals of both sides; one of many labels (by day and room type) as its sum and their number."""
    by_total: dict[str, list[dict[str, str]]] = {}
    for name, both in found.items():
        by_total.setdefault(name.partition(" ")[0], []).append(both)
    rows: list[list[str]] = []
    for name, both in found.items():
        total = name.partition(" ")[0]
        if len(by_total[total]) <= _MOST_LABELS:
            rows.append([name, both["source"], both["target"]])
    for total, listed in by_total.items():
        if len(listed) > _MOST_LABELS:
            sums = [str(sum(Decimal(both[side]) for both in listed)) for side in ("source", "target")]
            rows.append([f"{total} ({len(listed):,} lines)", *sums])
    return table(rows, head=["control total", "source", "target"])


def go(found: dict[str, Any]) -> str:
    """Write a go, and the totals that it signs."""
    said = f"{found['name']} gives the go of {found['role']} for {found['move']}"
    if not found["totals"]:
        return f"{said}, beforehand: it stands for whatever totals verification passes."
    lines = [f"{said}, and signs these totals ({found['checksum'][:12]}):", totals(found["totals"])]
    return "\n".join([*lines, *([accepted(found["accepted"])] if found["accepted"] else [])])


def overdue(planned: datetime, *, move: str) -> str:
    """Write that the planned end has passed, and what to do now."""
    said = f"THE PLANNED END HAS PASSED ({_second(planned)}): the property stays closed until it opens, or is given up:"
    return f"{said} slacktide move downtime abandon {move}"


def accepted(found: list[dict[str, Any]]) -> str:
    """Write the objects that were left out by name."""
    return "\n".join(
        f"left out: {one['entity']} {one['key']} ({one['what']}), accepted by {one['name']}: {one['reason']}"
        for one in found
    )


def procedure(attempt: Attempt, steps: list[StepRecord]) -> str:
    """Write the steps of the down time and how it stands."""
    rows = [[step.title, step.state, f"{step.done:,}", f"{step.work_seconds:.2f} s"] for step in steps]
    lines = [
        f"down time, attempt {attempt.attempt}: {attempt.state}",
        table(rows, head=["step", "state", "done", "work"]),
    ]
    return "\n".join([*lines, *([attempt.error] if attempt.error else [])])


def standing(found: dict[str, Any]) -> str:
    """Write where a down time stands: what that means, what it did, what comes next."""
    lines = [f"{found['move']}: {found['result']}. {found['meaning']}"]
    lines += [f"  done: {', '.join(found['done']) or 'nothing yet'}"]
    lines += [f"  next: {found['next']}"] if found["next"] else []
    return "\n".join(lines)


def still_down(found: dict[str, Any]) -> list[str]:
    """Write what keeps the organization down although the down time of the move is over."""
    return [f"still down because of {one['id']} ({one['scope']}): {one['reason']}" for one in found["still_down"]]


def abandoned(found: dict[str, Any]) -> str:
    """Write what an abandoned down time has come to, and what comes next."""
    target = found["target"]
    lines = [
        f"{found['move']}: {found['result']} by {found['abandoned_by']}: {found['reason']}",
        f"source: open after {found['source_open_seconds']} s"
        if found["source_open"]
        else "source: NOT OPEN yet; every worker tries it again",
    ]
    lines += still_down(found)
    if not found["target_cleared"]:
        waits = found["error"] or target.get("waits_for") or "it is being done"
        return "\n".join([*lines, f"target: not cleared yet; every worker tries it again: {waits}"])
    lines.append(
        f"target: cleared, {target.get('rows', 0):,} rows; configuration {target.get('configuration', 'gone')}"
    )
    lines += [f"target: {count} {name} stay: others refer to them" for name, count in target.get("kept", {}).items()]
    again, away = f"slacktide move processes start {found['move']}", f"slacktide move clean {found['move']}"
    return "\n".join([*lines, f"a second try begins with `{again}`; `{away}` takes away what is left"])
