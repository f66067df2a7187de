"""The mappings of codes as a file: CSV with the columns list, source_code, target_code, in and out.

An empty target code leaves the code out on purpose. A line that begins with "#" is a remark: so are the codes without
a mapping, which `--list` writes after the mappings, to be filled in.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from slacktide.core.errors import UsageError
from slacktide.transfer.conversion import CodeInUse, CodeMapping

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_COLUMNS = ("list", "source_code", "target_code")


class MappingsUnreadable(UsageError):
    """The mappings {file} cannot be read: {reason}. Give a CSV file with the columns list,source_code,target_code, as `slacktide move convert {move} --list` writes it."""  # noqa: E501 -- the message is one sentence


def read(path: Path, *, move: str) -> list[tuple[str, CodeMapping]]:
    """Read mappings, each with its place (`FILE:LINE: `). Raises MappingsUnreadable."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise MappingsUnreadable(file=path, move=move, reason=str(error)) from error
    # a remark stays as an empty line, so that the numbers of the lines are right
    reader = csv.reader("\n" if line.startswith("#") else line for line in io.StringIO(text, newline=""))
    rows = [(reader.line_num, row) for row in reader if row]
    if not rows or tuple(name.strip() for name in rows[0][1]) != _COLUMNS:
        raise MappingsUnreadable(file=path, move=move, reason=f"its first line is not {','.join(_COLUMNS)}")
    return [(f"{path}:{line}: ", _mapping(path, line, row, move)) for line, row in rows[1:]]


def _mapping(path: Path, line: int, row: list[str], move: str) -> CodeMapping:
    if len(row) != len(_COLUMNS) or not row[0] or not row[1]:
        raise MappingsUnreadable(
            file=path, move=move, reason=f"line {line} has no list, no source code, or not three columns"
        )
    return CodeMapping(row[0], row[1], row[2] or None)


def write(mappings: Iterable[CodeMapping], *, codes: Iterable[CodeInUse]) -> str:
    """Write mappings, and as remarks the codes in use without one that holds."""
    text, unmapped = io.StringIO(), {(one.list, one.code): one for one in codes if one.state == "unmapped"}
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    kept = [one for one in mappings if (one.list, one.source_code) not in unmapped]
    writer.writerows([one.list, one.source_code, one.target_code or ""] for one in kept)
    for one in unmapped.values():
        text.write("#")
        writer.writerow([one.list, one.code, ""])
        text.write(f"#   in {one.count} rows of {', '.join(one.columns)}{_what(one)}\n")
    return text.getvalue().rstrip("\n")


def _what(one: CodeInUse) -> str:
    gone = f"; the target has no {one.target_code!r}" if one.target_code else ""
    return (" (mandatory)" if one.mandatory else "") + gone
