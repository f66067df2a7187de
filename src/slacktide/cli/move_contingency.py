"""`slacktide move contingency` and `form`: what a property goes on by while it is down, and its numbered forms."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from slacktide.cli.address import reachable
from slacktide.cli.output import ACTING, Acting, table
from slacktide.control.audit import require_reason
from slacktide.control.database import open_control
from slacktide.core import clock
from slacktide.core.duration import format_instant
from slacktide.core.errors import UsageError
from slacktide.cutover import contingency as packs
from slacktide.transfer.move import load_move

if TYPE_CHECKING:
    from collections.abc import Iterable

    from slacktide.cutover.contingency import Form

_Name = Annotated[str, Parameter(name="NAME", help="The move's name.")]
_MOST = 10_000


class BadNumber(UsageError):
    """{text!r} is no number of a form: give one as it stands on the form, as 12, or several of them as 12-40; `slacktide move form NAME list` shows them."""  # noqa: E501 -- the message is one sentence


class NumberMissing(UsageError):
    """Which form was {state}? Give its number, or several: `slacktide move form {move} {action} 12-40`."""


def contingency(
    name: _Name,
    /,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="The folder that it goes to; left out: the move's own.")
    ] = None,
    options: Acting = ACTING,
) -> int:
    """Make the contingency pack now, as HTML and PDF: the house as it stands, and numbered forms."""
    with open_control() as control, control.connect(name="move contingency") as connection:
        move = load_move(connection, name=name)
        begun = clock.monotonic_seconds()
        with reachable(move.source):
            made = packs.make(connection, move=move, who=options.who, folder=output)
        numbers = [form.number for form in packs.forms(connection, move=move) if form.pack == made.pack]
    seconds = round(clock.monotonic_seconds() - begun, 1)
    files = sorted(str(path) for path in Path(made.folder).iterdir())
    value = {"move": name, "pack": made.pack, "instant": made.instant, "folder": made.folder, "files": files,
             "forms": {"first": min(numbers), "last": max(numbers)}, "seconds": seconds}  # fmt: skip
    said = f"pack {made.pack} of {name} as of {format_instant(made.instant)}, forms {min(numbers)} to {max(numbers)}"
    return options.say(value, "\n".join([f"{said} ({seconds} s)", *files]))


def form(
    name: _Name,
    action: Annotated[Literal["list", "enter", "void"], Parameter(name="list|enter|void", help="What to do.")],
    /,
    *numbers: Annotated[str, Parameter(name="NUMBER", help="The form's number, or several as 12-40.")],
    options: Acting = ACTING,
) -> int:
    """List the forms that are missing; note that forms were entered into the system, or that they are void."""
    with open_control() as control, control.connect(name="move form") as connection:
        move = load_move(connection, name=name)
        if action == "list":
            return _list(packs.forms(connection, move=move), name, options)
        state = {"enter": "entered", "void": "voided"}[action]
        listed = _numbers(numbers)
        if not listed:
            raise NumberMissing(state=state, move=name, action=action)
        if action == "void":
            require_reason(options.reason or "", what=f"slacktide move form {name} void")
        packs.settle(connection, move=move, numbers=listed, state=state, who=options.who, reason=options.reason or "")
        left = [one.number for one in packs.forms(connection, move=move) if one.missing]
    return options.say(
        {"move": name, "state": state, "numbers": listed, "missing": left},
        f"{_spans(listed)} {state}; {f'missing: {_spans(left)}' if left else 'none is missing'}",
    )


def _list(found: list[Form], name: str, options: Acting) -> int:
    missing = [one for one in found if one.missing]
    by_kind: dict[str, list[int]] = {}
    for one in missing:
        by_kind.setdefault(one.kind, []).append(one.number)
    states = Counter("of older packs" if one.state == "printed" and not one.counts else one.state for one in found)
    counted = ", ".join(f"{count:,} {state}" for state, count in sorted(states.items())) or "no form was printed yet"
    rows = [[kind, str(len(numbers)), _spans(numbers)] for kind, numbers in by_kind.items()]
    text = table(rows, head=["missing", "how many", "numbers"]) if rows else "No form is missing."
    value = {"move": name, "missing": [one.number for one in missing], "forms": found}
    return options.say(value, f"{text}\n{counted}")


def _numbers(texts: Iterable[str]) -> list[int]:
    """Read numbers and spans of numbers, each number once. Raises BadNumber."""
    found: set[int] = set()
    for text in texts:
        first, _, last = text.partition("-")
        ends = [first, last] if "-" in text else [first, first]
        if not all(end.isascii() and end.isdigit() for end in ends) or not 0 <= int(ends[1]) - int(ends[0]) < _MOST:
            raise BadNumber(text=text)
        found |= {*range(int(ends[0]), int(ends[1]) + 1)}
    return sorted(found)


def _spans(numbers: list[int]) -> str:
    """Write numbers in order, those that follow each other as one span."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)
