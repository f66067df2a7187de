"""What commands share: their common options, and how a result is said.

With `--json` a command writes one JSON document to standard output and everything else to standard error. Without, it
writes what a person reads.
"""

from __future__ import annotations

import getpass
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from cyclopts import Parameter

from slacktide.cli.voice import aside, refuse, write, write_json

__all__ = ["ACTING", "SHOWN", "Acting", "Flag", "Shown", "aside", "refuse", "table", "write", "write_json"]

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
"""An option without a value, to which a command adds its help."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Shown:
    """The options of every command."""

    json: Annotated[Flag, Parameter(help="Write one JSON document to standard output.")] = False

    def say(self, value: Any, text: Callable[[], str] | str) -> int:
        """Write the value as JSON, or its text; give the exit status 0."""
        if self.json:
            write_json(value)
        else:
            write(text if isinstance(text, str) else text())
        return 0

    def note(self, text: str) -> None:
        """Write something beside the result: to standard error with `--json`."""
        print(text, file=sys.stderr if self.json else sys.stdout, flush=True)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Acting(Shown):
    """The options of a command that changes something."""

    reason: Annotated[str | None, Parameter(help="Why; kept in the audit trail.")] = None
    as_: Annotated[str | None, Parameter(name="--as", help="Who does it; default: the system's user and host.")] = None

    @property
    def who(self) -> str:
        """Who does it, as the audit trail keeps it."""
        return self.as_ or f"{getpass.getuser()}@{socket.gethostname()}"


SHOWN, ACTING = Shown(), Acting()
"""The options as they are when none is given: the defaults of a command's parameter."""


def table(rows: list[list[str]], *, head: list[str]) -> str:
    """Lay out rows in columns under a head."""
    everything = [head, *rows]
    widths = [max(len(row[n]) for row in everything) for n in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in everything
    )
