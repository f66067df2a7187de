"""The eight tasks of a move in their order: which one it is on, whether its gate holds, and what comes next.

A task's own command asks the gates of the earlier ones itself (`transfer/preparation.py`); this only says how it
stands, so that whoever comes back to a move goes on where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slacktide.cutover.attempt import OVER, State, follows
from slacktide.cutover.go import lacking
from slacktide.transfer.move import CLEAN

if TYPE_CHECKING:
    from slacktide.cutover.record import Attempt
    from slacktide.transfer.move import Move
    from slacktide.transfer.panel import MoveStatus

TASKS = {
    1: ("Connections", "all tests pass", "slacktide move connections {move}"),
    2: ("Property", "the target holds nothing of it, and is not ahead", "slacktide move property {move}"),
    3: ("Configuration", "it is copied", "slacktide move configure {move}"),
    4: ("Conversion", "no mandatory code is without a mapping", "slacktide move convert {move}"),
    5: ("Transfer", "steady", "slacktide move processes start {move}"),
    6: ("System Down Time", "open", "slacktide move downtime check {move}"),
    7: ("Miscellaneous", "all has come, or was left by name", "slacktide move miscellaneous {move}"),
    8: ("Reports", "none", "slacktide move clean {move}"),
}
"""By number: the title, the gate, and the command that does the task."""

TRANSFER, DOWN_TIME, LATE, LAST = 5, 6, 7, 8
_PASSED = {1: "connections tested", 2: "property chosen", 3: "configured", 4: "converted"}


def standing(move: Move, status: MoveStatus, last: Attempt | None) -> dict[str, Any]:
    """Give the task that is to be done now: its number, title, gate, whether that holds, and the next command."""
    passed = _passed(move, status, last)
    task = next((number for number in TASKS if number not in passed), LAST)
    title, gate, command = TASKS[task]
    running = any(panel.state in ("running", "waiting") for panel in status.processes.values())
    if task == TRANSFER and running:
        command = "slacktide move status {move} --watch"
    elif task == DOWN_TIME and last is not None and last.state not in OVER:
        command = follows(move=move.name, state=last.state, role=_role(move, last))
    elif move.state == CLEAN:
        command = "slacktide move report {move}"
    answer = {"task": task, "title": title, "gate": gate, "holds": task == LAST}
    return answer | {"next": command.format(move=move.name)}


def _role(move: Move, attempt: Attempt) -> str:
    """Name a role whose go is missing, or stands no longer."""
    void, missing = lacking(attempt, move=move)
    return next(iter([*void, *missing]), "ROLE")


def _passed(move: Move, status: MoveStatus, last: Attempt | None) -> set[int]:
    """Name the tasks whose gates hold; steady is judged anew each time, and counts as held once the down time runs."""
    passed = {number for number, state in _PASSED.items() if move.task > number or move.state == state}
    if len(passed) < len(_PASSED):
        return passed
    facts = move.facts.get("miscellaneous") or {}
    later = {
        TRANSFER: status.steady if last is None or last.state in OVER else True,
        DOWN_TIME: last is not None and last.state == State.OPEN,
        LATE: bool(facts.get("done_at") or facts.get("left")),
    }
    return passed | {number for number, holds in later.items() if holds}
