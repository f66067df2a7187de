"""What a kind of property adds to its move. The hotel adds inventory and contingency pack; a plan names its kind.

A kind is found by its name among the entry points of the group `slacktide.kinds`, so that this package knows none.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Protocol

from slacktide.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import psycopg
    from psycopg.rows import TupleRow


class UnknownKind(UsageError):
    """The plan is of the kind {kind!r}, which is not installed. Installed are: {installed}."""


class Pack(Protocol):
    """A contingency pack that was read and is not written yet."""

    @property
    def instant(self) -> datetime:
        """The instant of the snapshot that it was read in."""

    @property
    def stem(self) -> str:
        """What its folder is called: the property and the instant."""

    @property
    def forms(self) -> Mapping[str, int]:
        """How many blank forms of each kind it has."""

    def write(self, folder: Path, *, move: str, number: int, forms: Sequence[tuple[int, str]]) -> None:
        """Write its files into a folder, with these numbers and kinds of forms."""


class Kind(Protocol):
    """What a kind of property has to offer."""

    @property
    def derived(self) -> Sequence[tuple[str, str]]:
        """The tables, by schema and name, that `rebuild` fills."""

    def make_schema(self, *, address: str) -> None:
        """Make the schema that a property of this kind is moved into, in an empty database."""

    def contingency(self, source: psycopg.Connection[TupleRow], *, property_code: str) -> Pack | None:
        """Read the contingency pack in the connection's transaction; None where the property is not there."""

    def rebuild(self, target: psycopg.Connection[TupleRow], *, property_code: str) -> int:
        """Rebuild at the target what is derived from what was moved; give the number of rows."""

    def clear(self, target: psycopg.Connection[TupleRow], *, property_code: str) -> int:
        """Take away at the target what `rebuild` made; give the number of rows."""

    def differences(
        self,
        *,
        source: psycopg.Connection[TupleRow],
        target: psycopg.Connection[TupleRow],
        source_property: str,
        target_property: str,
    ) -> list[str]:
        """Hold what is derived at the target against the source's; a sentence for each difference."""


def find(name: str | None) -> Kind | None:
    """Give the kind of this name; None where a plan names none. Raises UnknownKind."""
    if name is None:
        return None
    found = {point.name: point for point in entry_points(group="slacktide.kinds")}
    if name not in found:
        raise UnknownKind(kind=name, installed=", ".join(sorted(found)) or "none")
    kind: Kind = found[name].load()()
    return kind
