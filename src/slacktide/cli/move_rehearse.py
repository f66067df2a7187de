"""`slacktide move rehearse`: the whole down time into a shadow target while the property trades, and the prediction."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from slacktide.cli import move_prediction
from slacktide.cli.address import reachable
from slacktide.cli.output import ACTING, Acting, Flag, Shown, write_json
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.errors import UsageError
from slacktide.cutover import prediction
from slacktide.cutover.rehearsal import Rehearsal
from slacktide.postgres.connection import has_password
from slacktide.transfer.move import load_move
from slacktide.worker.presence import require_worker

if TYPE_CHECKING:
    from slacktide.transfer.move import Move


class PasswordInShadow(UsageError):
    """The address of the shadow contains a password, which would be stored: put the address into the environment, and give `slacktide move rehearse {move} --target env:NAME`."""  # noqa: E501 -- the message is one sentence


def rehearse(
    name: Annotated[str, Parameter(name="NAME", help="The move's name.")],
    /,
    *,
    target: Annotated[
        str | None, Parameter(help="The shadow: a database with the target's tables; left out: one is made beside it.")
    ] = None,
    list_: Annotated[Flag, Parameter(name="--list", help="Show what was rehearsed and predicted; do nothing.")] = False,
    options: Acting = ACTING,
) -> int:
    """Do every step of the down time into a shadow target while the property trades, and predict how long it takes."""
    with open_control() as control, control.connect(name="move rehearse") as connection:
        move = load_move(connection, name=name)
        if list_:
            return _say_list(move, connection, options)
        if target is not None and has_password(target):
            raise PasswordInShadow(move=name)
        require_worker(connection)
        reason, lines = options.reason or "", Lines(options)
        run = Rehearsal(connection, move=move, who=options.who, reason=reason, say=lines.say)
        with reachable(move.source, move.target, target), interrupted_by_sigterm():
            run.run(target=target)
        found = prediction.predict(connection, move=move)
        value = {"result": "rehearsed", "move": name, "prediction": found}
        return options.say(
            value, f"{name} is rehearsed, and nothing of it is left.\n\n{move_prediction.predicted(found)}"
        )


def _say_list(move: Move, connection: Any, options: Shown) -> int:
    rehearsals = prediction.rehearsals(connection, move=move)
    truths = prediction.truths(connection, move=move)
    found = prediction.predict(connection, move=move)
    value = {"move": move.name, "prediction": found, "rehearsals": rehearsals,
             "truths": [move_prediction.truth(each) for each in truths]}  # fmt: skip
    return options.say(value, move_prediction.listed(move.name, rehearsals, truths, found))


class Lines:
    """Says each change of a step once, as the down time does."""

    def __init__(self, options: Shown) -> None:
        """Say as the options want."""
        self._options, self._begun = options, clock.monotonic_seconds()
        self._said: dict[str, tuple[str, int, int]] = {}

    def say(self, step: str, title: str, state: str, done: int, total: int) -> None:
        """Say a step, unless that was said already."""
        if self._said.get(step) == (state, done, total):
            return
        self._said[step] = (state, done, total)
        elapsed = clock.monotonic_seconds() - self._begun
        if self._options.json:
            write_json({"step": step, "state": state, "done": done, "total": total,
                        "elapsed_seconds": round(elapsed, 3)})  # fmt: skip
        else:
            self._options.note(f"{elapsed:7.2f} s  {title:<45} {state:<8} {done or ''}")


class interrupted_by_sigterm:  # noqa: N801 -- a context manager reads as a word
    """Take a SIGTERM as an interrupt, so that what was made is taken away again."""

    def __enter__(self) -> None:
        """Begin."""
        self._before = signal.signal(signal.SIGTERM, signal.default_int_handler)

    def __exit__(self, *_: object) -> None:
        """End."""
        signal.signal(signal.SIGTERM, self._before)
