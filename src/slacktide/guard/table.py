"""What is guarded: a table, how a row says whose it is, and by which rule it is judged."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """A property's table refuses from its closing on, an interface table from a window's start as well."""

    PROPERTY = "property"
    INTERFACE = "interface"


class GuardedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table and the SQL expression that gives the organization of its row `r`, as text.

    `organization` is taken as it is: `r.property_code`, or `(select f.property_code from hotel.folio f where
    f.folio_id = r.folio_id)`; every name in it has its schema. `keys` are the columns of the row that it
    reads: with them, equal rows are asked once a statement.

    A row for which it gives NULL belongs to no organization; it takes the site's lock and is not refused. An
    old part whose root is deleted in the same transaction gives NULL: then the deletion of the root, which
    its own table's guard judges, holds the organization's lock already. Where that is not so, let the
    expression ask further: `coalesce(<first>, <fallback>)`.
    """

    schema: str
    table: str
    organization: str
    keys: tuple[str, ...] = ()
    mode: Mode = Mode.PROPERTY

    @property
    def qualified(self) -> str:
        """The table's name with its schema."""
        return f"{self.schema}.{self.table}"
