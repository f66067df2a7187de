"""What is printed, whatever it is: sections of columns, rows and totals, as HTML that loads nothing and as PDF.

What somebody typed is data. `plain` takes from it only what would break a line or turn its direction; that it is no
markup is seen to by who renders: here every value is escaped where it is put between tags, and for the PDF, which Typst
makes, all text is handed over as JSON (`paper.typ`).
"""

from __future__ import annotations

import unicodedata
from html import escape
from importlib import resources
from typing import Any

import msgspec

from slacktide.core.errors import OutsideError

_ZERO_WIDTH = 0x200B  # here a line may be broken
_LONGEST_WORD = 24
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_KEPT = {"\u200d", "\ufe0f"}  # they join an emoji's parts


class TypstMissing(OutsideError):
    """A PDF is made by Typst, which is not installed: pip install 'slacktide[contingency]'."""


class Column(msgspec.Struct, frozen=True):
    """A column: its head, its share of the width, and whether it is set to the right, as numbers are."""

    title: str
    share: int
    right: bool = False


class Section(msgspec.Struct, frozen=True):
    """A list under a title, with its totals at its end."""

    title: str
    columns: list[Column]
    rows: list[list[str]]
    totals: list[list[str]] = []
    note: str = ""


def plain(text: str) -> str:
    """Give typed text on one line, without control characters and without those that turn its direction."""
    spaced = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    shown = (" " if c.isspace() else "" if unicodedata.category(c) in _HIDDEN and c not in _KEPT else c for c in spaced)
    return " ".join("".join(shown).split())


def html(section: Section, *, number: int, running: str) -> str:
    """Write a section; `running` is said on top of each printed page of it, behind its title."""
    width = len(section.columns)
    none = f'<tr><td colspan="{width}"><i>none</i></td></tr>'
    return "\n".join([
        f'<section id="s{number}">',
        f"<h2>{escape(section.title)}</h2>",
        f"<p><i>{escape(section.note)}</i></p>" if section.note else "",
        "<table>",
        f'<thead><tr><th class="running" colspan="{width}">{escape(f"{section.title}: {running}")}</th></tr>',
        f"{_row([column.title for column in section.columns], section.columns, cell='th')}</thead>",
        "<tbody>",
        *(_row(row, section.columns) for row in section.rows),
        "" if section.rows else none,
        "</tbody>",
        '<tfoot class="totals">',
        *(_row(row, section.columns) for row in section.totals),
        "</tfoot>",
        "</table>",
        "</section>",
    ])  # fmt: skip


def _row(cells: list[str], columns: list[Column], *, cell: str = "td") -> str:
    pairs = zip(cells, columns, strict=True)
    written = (f"<{cell}{' class=right' if column.right else ''}>{escape(text)}</{cell}>" for text, column in pairs)
    return f"<tr>{''.join(written)}</tr>"


def contents(sections: list[Section]) -> list[str]:
    """Write the entries of a table of contents."""
    return [f'<li><a href="#s{n}">{escape(one.title)}</a></li>' for n, one in enumerate(sections, 1)]


def pdf(template: bytes, document: Any) -> bytes:
    """Print a document by a template, which stands behind `paper.typ`. Raises TypstMissing."""
    try:
        import typst  # noqa: PLC0415 -- large, and only this needs it
    except ImportError:
        raise TypstMissing from None
    shared = resources.files(__package__).joinpath("paper.typ").read_bytes()
    values = msgspec.json.encode(_breakable(msgspec.to_builtins(document))).decode()
    return typst.compile(shared + template, format="pdf", sys_inputs={"document": values}, pdf_tags=False)


def _breakable(value: Any) -> Any:
    """Let every long word within a value be broken, so that it stays in its column."""
    if isinstance(value, str):
        mark = chr(_ZERO_WIDTH)
        words = ([word[n : n + _LONGEST_WORD] for n in range(0, len(word), _LONGEST_WORD)] for word in value.split(" "))
        return " ".join(map(mark.join, words))
    if isinstance(value, dict):
        return {key: _breakable(part) for key, part in value.items()}
    return [_breakable(part) for part in value] if isinstance(value, list) else value
