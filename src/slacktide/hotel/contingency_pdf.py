"""The contingency pack as PDF: its template is `contingency.typ`, and how it is printed is `cutover.paper`'s."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from slacktide.cutover import paper

if TYPE_CHECKING:
    from slacktide.hotel.contingency_page import Document


def pdf(document: Document) -> bytes:
    """Give the whole pack as one PDF. Raises TypstMissing."""
    return paper.pdf(resources.files(__package__).joinpath("contingency.typ").read_bytes(), document)
