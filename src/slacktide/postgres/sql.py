"""Named SQL: every statement lives in a `.sql` file of the package that owns it.

A file holds statements, each after a line `-- name: stem` and lines of comment that say its purpose in a sentence.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString

from slacktide.core.errors import BugError

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


class UnknownStatement(BugError):
    """The statement {name!r} is not in {package}/{file}."""


class Statements:
    """The statements of one file, by name: `statements["name"]`."""

    def __init__(self, *, package: str, file: str, texts: dict[str, LiteralString]) -> None:
        """Keep the texts and where they come from."""
        self._package, self._file, self._texts = package, file, texts

    def __getitem__(self, name: str) -> LiteralString:
        """Give the text of one statement."""
        if name not in self._texts:
            raise UnknownStatement(name=name, package=self._package, file=self._file)
        return self._texts[name]

    def __iter__(self) -> object:
        """Go through the names."""
        return iter(self._texts)


@cache
def load(package: str, file: str) -> Statements:
    """Read a package's file of statements, as in `load(__package__, "journal.sql")`."""
    text = resources.files(package).joinpath(file).read_text(encoding="utf-8")
    _, *pieces = _NAME.split(text)
    texts = {name: body.strip() for name, body in zip(pieces[::2], pieces[1::2], strict=True)}
    return Statements(package=package, file=file, texts=texts)


def script(package: str, file: str) -> LiteralString:
    """Read a whole file that is run as one script."""
    return resources.files(package).joinpath(file).read_text(encoding="utf-8")
