"""What the command line writes, and where: results to standard output, all else to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from slacktide.core.errors import OutsideError


class NotWritten(OutsideError):
    """The result could not be written: {reason}. What the command did stands: look at it before you run it again."""


def write(text: str) -> None:
    """Write text to standard output; what its encoding has no sign for is escaped. Raises NotWritten."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)  # noqa: T201 -- our own voice
    except BrokenPipeError:
        raise  # whoever read has had enough
    except OSError as error:
        raise NotWritten(reason=error.strerror or str(error)) from error


def write_json(value: Any) -> None:
    """Write one JSON document on one line, in ASCII where standard output is not UTF-8. Raises NotWritten."""
    unicode = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    write(json.dumps(msgspec.to_builtins(value), ensure_ascii=not unicode))


def aside(text: str) -> None:
    """Write text to standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- the command line's own voice


def refuse(message: str, *, as_json: bool, code: str) -> None:
    """Say why something was refused: on standard error, and with `--json` as the one document."""
    aside(message)
    if as_json:
        write_json({"error": code, "message": message})
