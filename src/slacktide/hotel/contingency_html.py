"""The contingency pack as one HTML page that loads nothing: for a screen that still works, and for printing from it.

Every value is escaped here, where it is put between tags; the page's frame is `contingency.html`. The head of each
table stands on each printed page, with the property and the instant; printed page numbers are the browser's.
"""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template
from typing import TYPE_CHECKING

from slacktide.cutover import paper

if TYPE_CHECKING:
    from slacktide.hotel.contingency_form import Form
    from slacktide.hotel.contingency_page import Document


def html(document: Document) -> bytes:
    """Give the whole pack as one page."""
    frame = Template(resources.files(__package__).joinpath("contingency.html").read_text(encoding="utf-8"))
    running = f"{document.property}, as of {document.instant}"
    return frame.substitute(
        property=escape(document.property),
        instant=escape(document.instant),
        business_date=escape(document.business_date),
        pack=escape(document.pack),
        contents="\n".join([*paper.contents(document.sections), '<li><a href="#forms">Forms</a></li>']),
        sections="\n".join(paper.html(one, number=n, running=running) for n, one in enumerate(document.sections, 1)),
        forms="\n".join(map(_form, document.forms)),
    ).encode()


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
