"""What the command line writes, and where: results to standard output, all else to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec


def write(text: str) -> None:
    """Write text to standard output."""
    print(text, flush=True)  # noqa: T201 -- the command line's own voice


def write_json(value: Any) -> None:
    """Write one JSON document on one line."""
    write(json.dumps(msgspec.to_builtins(value), ensure_ascii=False))


def aside(text: str) -> None:
    """Write text to standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- the command line's own voice


def refuse(message: str, *, as_json: bool, code: str) -> None:
    """Say why something was refused: on standard error, and with `--json` as the one document."""
    aside(message)
    if as_json:
        write_json({"error": code, "message": message})
