"""The contingency pack as `cutover` knows it: how many forms it needs, and its files, HTML and PDF."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from slacktide.hotel import contingency_form
from slacktide.hotel.contingency_html import html
from slacktide.hotel.contingency_page import document
from slacktide.hotel.contingency_pdf import pdf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from slacktide.hotel.contingency import Contents

_NAME = "contingency"


class Pack:
    """A hotel's pack, read and not written yet."""

    def __init__(self, contents: Contents) -> None:
        """Take what was read."""
        self._contents = contents

    @property
    def instant(self) -> datetime:
        """The instant of the snapshot."""
        return self._contents.house.instant

    @property
    def stem(self) -> str:
        """The property, in letters that a folder's name can have, and the instant."""
        code = re.sub(r"[^A-Za-z0-9_-]", "_", self._contents.house.code)
        return f"{code}-{self.instant.astimezone(UTC):%Y%m%dT%H%M%SZ}"

    @property
    def forms(self) -> Mapping[str, int]:
        """How many forms of each kind."""
        return contingency_form.counts(self._contents)

    def write(self, folder: Path, *, move: str, number: int, forms: Sequence[tuple[int, str]]) -> None:
        """Write `contingency.html` and `contingency.pdf`, for their owner's eyes only."""
        pages = document(self._contents, move=move, number=number, forms=contingency_form.blank(forms))
        for kind, content in (("html", html(pages)), ("pdf", pdf(pages))):
            _write(folder / f"{_NAME}.{kind}", content)


def _write(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
