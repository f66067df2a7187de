"""`slacktide demo`: the demonstrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from slacktide.cli import move_window
from slacktide.cli.output import SHOWN, Shown, table
from slacktide.core import clock

if TYPE_CHECKING:
    from slacktide.demo.move import Shown as MoveShown

app = App(name="demo", help="Demonstrations on servers of their own, which leave nothing running.")


@app.command
def move(
    *,
    bookings: Annotated[
        Path | None, Parameter(help="The published bookings (csv or zip); left out: the sample.")
    ] = None,
    options: Shown = SHOWN,
) -> int:
    """Move the hotel RESORT from one database to another while it trades, through one short down time."""
    from slacktide.demo import move as demonstration  # noqa: PLC0415 -- only a demonstration needs it

    begun = clock.monotonic_seconds()

    def say(line: str) -> None:
        options.note(f"[{clock.monotonic_seconds() - begun:6.1f} s] {line}")

    found = demonstration.run(bookings=bookings, say=say, window=lambda seen: say(_window(seen)))
    return options.say(found, _closing(found))


@app.command
def downtime(*, options: Shown = SHOWN) -> int:
    """Close one organization for half a minute while people work: who gets in, what waits, and how it goes on."""
    from slacktide.demo import downtime as demonstration  # noqa: PLC0415 -- only a demonstration needs it

    begun = clock.monotonic_seconds()
    found = demonstration.run(say=lambda line: options.note(f"[{clock.monotonic_seconds() - begun:6.1f} s] {line}"))
    rows = [["yes" if check.holds else "NO", check.promise, check.seen] for check in found]
    return options.say(found, table(rows, head=["holds", "promised", "seen"]))


def _window(seen: dict[str, Any]) -> str:
    rows = [
        [name, panel["state"], f"{panel['queued']:,}", f"{panel['done']:,}", f"{panel['lag_seconds']:.1f} s",
         panel["waits_for"] or ""]
        for name, panel in seen["processes"].items()
    ]  # fmt: skip
    steady = f"steady since {seen['steady_since']}" if seen["steady"] else "not steady yet"
    head = ["process", "state", "queued", "done", "lag", "waits for"]
    return f"{steady}; the target is the source as of {seen['as_of'] or '-'}\n{table(rows, head=head)}"


def _closing(found: MoveShown) -> str:
    result, promises = found.result, found.promises
    rows = [[name, f"{both['source']:,}", f"{both['target']:,}"] for name, both in found.rows.items()]
    return "\n\n".join(
        [
            table(rows, head=["rows of", "source", "target"]),
            move_window.totals(result["totals"]),
            (
                f"promised changes found at the target: {promises['found']:,} of {promises['promised']:,}\n"
                f"killed with -9 on the way: {', '.join(found.killed)}\n"
                f"objects verified by content: {result['verified_objects']:,}, differences: {result['differences']}\n"
                f"down for {result['down_seconds']:.1f} s, of which the procedure worked {result['work_seconds']:.2f} s"
            ),
        ]
    )
