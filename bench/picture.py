"""Make the README's picture from what a real run of the demonstration said.

    make demo 2>&1 | tee demo.txt
    python -m bench.picture demo.txt docs/demo.svg

Nothing is drawn that was not said. Lines are left out where the picture says `...`, cut at its width, and a file is
named without its folder.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

_WIDTH = 112
_TITLE = "make demo"
_FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)  # would be fetched from elsewhere
_BEGINS = re.compile(r"^\[ *\d+\.\d s\]")
_FOLDER = re.compile(r"(?:\.\.)?/[\w./-]*/(?=[\w-]+\.\w+)")
_LEFT_OUT = "..."
_SHOWN_OF_TABLES = re.compile(
    r"^(rows of|control total|profile |reservation|folio|ar_invoice |guest_ledger|ar_ledger|deposit_ledger|rooms"
    r"|promised|killed|objects|down for)"
)


def main(text: str) -> str:
    """Give the picture of a run as SVG."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO())
    for line in shortened(text.splitlines()):
        console.print(coloured(_FOLDER.sub("", line)[:_WIDTH]), no_wrap=True, overflow="crop")
    return console.export_svg(title=_TITLE, code_format=_FONTS.sub("", CONSOLE_SVG_FORMAT))


def shortened(lines: list[str]) -> list[str]:
    """Keep the commands, the panels before the kill and when it is steady, and what matters at the end."""
    at = next(n for n, line in enumerate(lines) if line.startswith("rows of"))
    groups = grouped(lines[:at])
    kill = next(n for n, group in enumerate(groups) if "killed with -9" in group[0])
    panels = [n for n, group in enumerate(groups) if len(group) > 1 and group[1].startswith("process ")]
    kept: list[str] = []
    for number, group in enumerate(groups):
        if number not in panels or number in (kill - 1, panels[-1]):
            kept += group
        elif kept[-1:] != [_LEFT_OUT]:
            kept.append(_LEFT_OUT)
    return kept + tables(lines[at:])


def tables(lines: list[str]) -> list[str]:
    """Keep what matters of the tables; where something is left out, each ends with `...`."""
    kept: list[str] = []
    for block in "\n".join(lines).strip().split("\n\n"):
        rows = block.split("\n")
        shown = [row for row in rows if _SHOWN_OF_TABLES.match(row)]
        kept += ["", *shown, *([_LEFT_OUT] if len(shown) < len(rows) else [])]
    return kept


def grouped(lines: list[str]) -> list[list[str]]:
    """Group lines: each that begins with a time, with those behind it that do not."""
    groups: list[list[str]] = []
    for line in lines:
        if _BEGINS.match(line) or not groups:
            groups.append([line])
        else:
            groups[-1].append(line)
    return groups


def coloured(line: str) -> Text:
    """Colour a line as a terminal would: times dim, commands bold, what matters in colour."""
    text = Text(line)
    text.highlight_regex(_BEGINS.pattern, "bright_black")
    text.highlight_regex(r"\$ slacktide .*", "bold cyan")
    text.highlight_regex(r".*killed with -9.*", "bold red")
    text.highlight_regex(r"\b(steady since|differences: 0)\b", "bold green")
    text.highlight_regex(r"not steady yet", "yellow")
    text.highlight_regex(r"^(process +state|rows of|control total) .*", "bold")
    return text


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(main(Path(sys.argv[1]).read_text(encoding="utf-8")), encoding="utf-8")
