"""The contingency pack as one HTML page that loads nothing: for a screen that still works, and for printing from it.

Every value is escaped here, where it is put between tags; the page's frame is `contingency.html`. The head of each
table stands on each printed page, with the property and the instant; printed page numbers are the browser's.
"""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slacktide.hotel.contingency_form import Form
    from slacktide.hotel.contingency_page import Document
    from slacktide.hotel.contingency_table import Column, Section


def html(document: Document) -> bytes:
    """Give the whole pack as one page."""
    frame = Template(resources.files(__package__).joinpath("contingency.html").read_text(encoding="utf-8"))
    contents = [f'<li><a href="#s{n}">{escape(one.title)}</a></li>' for n, one in enumerate(document.sections, 1)]
    return frame.substitute(
        property=escape(document.property),
        instant=escape(document.instant),
        business_date=escape(document.business_date),
        pack=escape(document.pack),
        contents="\n".join([*contents, '<li><a href="#forms">Forms</a></li>']),
        sections="\n".join(_section(document, one, number=n) for n, one in enumerate(document.sections, 1)),
        forms="\n".join(map(_form, document.forms)),
    ).encode()


def _section(document: Document, section: Section, *, number: int) -> str:
    width = len(section.columns)
    running = f"{section.title}: {document.property}, as of {document.instant}"
    none = f'<tr><td colspan="{width}"><i>none</i></td></tr>'
    return "\n".join([
        f'<section id="s{number}">',
        f"<h2>{escape(section.title)}</h2>",
        f"<p><i>{escape(section.note)}</i></p>" if section.note else "",
        "<table>",
        f'<thead><tr><th class="running" colspan="{width}">{escape(running)}</th></tr>',
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


def _form(form: Form) -> str:
    heads = "".join(f"<th>{escape(column)}</th>" for column in form.columns)
    row = f"<tr>{'<td></td>' * len(form.columns)}</tr>"
    lines = (
        f'<div class="fields">{"".join(f"<div>{escape(field)}</div>" for field in line)}</div>' for line in form.fields
    )
    table = f"<table><tr>{heads}</tr>{row * form.empty_rows}</table>" if form.columns else ""
    return (
        f'<div class="form"><h3>{escape(form.title)} <b>No. {form.number}</b></h3>\n{table}\n'
        + "\n".join(lines)
        + "</div>"
    )
