"""The contingency pack as PDF, by Typst. All text goes there as JSON and so cannot be markup; see `contingency.typ`."""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec

from slacktide.core.errors import OutsideError
from slacktide.hotel.contingency_page import Document
from slacktide.hotel.contingency_text import breakable


class TypstMissing(OutsideError):
    """The PDF of a contingency pack is made by Typst, which is not installed: pip install 'slacktide[contingency]'."""


def pdf(document: Document) -> bytes:
    """Give the whole pack as one PDF. Raises TypstMissing."""
    try:
        import typst  # noqa: PLC0415 -- large, and only this needs it
    except ImportError:
        raise TypstMissing from None
    template = resources.files(__package__).joinpath("contingency.typ").read_bytes()
    values = msgspec.json.encode(_breakable(msgspec.to_builtins(document))).decode()
    return typst.compile(template, format="pdf", sys_inputs={"pack": values}, pdf_tags=False)


def _breakable(value: Any) -> Any:
    """Let every long word within a value be broken, so that it stays in its column."""
    if isinstance(value, str):
        return breakable(value)
    if isinstance(value, dict):
        return {key: _breakable(part) for key, part in value.items()}
    return [_breakable(part) for part in value] if isinstance(value, list) else value
