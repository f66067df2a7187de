"""The transfer plan as a value: what moves, in which phase, under which key and which code list.

Shapes only. `load` reads a plan from its file, `check` holds it against databases, `schema` makes the XSD.

The words: an *entity* is one kind of business object. It has a *root* table, whose row is the object, and
*parts*, tables whose rows belong to one root row and lead to it by a column of their own. A *reference* is
a column that holds the key of another object, or of a part of one. A *code* is a column whose value is
converted by a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from functools import cached_property

import msgspec

from slacktide.plan import column_type


class Phase(StrEnum):
    """When an entity moves (migration specification, section 4)."""

    CONFIGURATION = "configuration"
    ONLINE = "online"
    DOWN_TIME = "down time"
    MISCELLANEOUS = "miscellaneous"


class Unknown(StrEnum):
    """What happens to a reference whose object does not belong to the property."""

    PULL_IN = "pull in"
    LEAVE_NULL = "leave null"
    REFUSE = "refuse"


class Column(msgspec.Struct, frozen=True):
    """A column that moves: its name, its type as PostgreSQL writes it, and whether it may be null."""

    name: str
    type: str
    nullable: bool = False


class Code(msgspec.Struct, frozen=True):
    """A column whose value is converted by the code list `list`; a mandatory one must have a mapping."""

    column: str
    list: str
    mandatory: bool = True


class Reference(msgspec.Struct, frozen=True):
    """A column that holds the key of the entity `entity`, or of its part `part`."""

    column: str
    entity: str
    part: str | None = None
    unknown: Unknown = Unknown.PULL_IN

    @property
    def target(self) -> str:
        """Name what it points at, as the key map does: `entity` or `entity.part`."""
        return self.entity if self.part is None else f"{self.entity}.{self.part}"


class Table(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A root or a part.

    `name` is the key map's and the XML's name: the entity's for a root, `entity.part` for a part. `key` are
    its key columns; `drawn` says that the key is one column whose values the target draws from its own
    sequence, so that the key map translates it. `root` is, for a part, the column that holds its root's key.
    `property_column` is, for a root that carries it, the column that says whose it is. `cascades` names the
    target's foreign keys that delete or change rows by themselves and are meant to, each with the reason.
    """

    name: str
    schema: str
    table: str
    key: tuple[str, ...]
    drawn: bool
    columns: tuple[Column, ...]
    root: str | None = None
    property_column: str | None = None
    codes: tuple[Code, ...] = ()
    references: tuple[Reference, ...] = ()
    left_out: dict[str, str] = {}
    cascades: dict[str, str] = {}

    @property
    def qualified(self) -> str:
        """The table's name with its schema."""
        return f"{self.schema}.{self.table}"

    @property
    def element(self) -> str:
        """The name of its XML element."""
        return self.name.rpartition(".")[2]

    @property
    def field(self) -> str:
        """The path of its fields in the plan's file."""
        return "entities." + self.name.replace(".", ".parts.")

    @property
    def mapped(self) -> bool:
        """Tell whether its rows stand in the key map: every object does, and of parts those whose key is drawn."""
        return self.drawn or self.root is None

    @property
    def root_column(self) -> str:
        """The column that holds the key of the object: its own key's first one, or the one that leads to the root."""
        return self.root or self.key[0]

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by name."""
        return {column.name: column for column in self.columns}

    @cached_property
    def reference_of(self) -> dict[str, Reference]:
        """The references by column; a part's column that leads to its root is one of them."""
        return {reference.column: reference for reference in self.references}


class Entity(msgspec.Struct, frozen=True, dict=True, eq=False):
    """One kind of business object.

    An entity belongs to the property by a column of its root (`root.property_column`), through another object
    (`via`, a reference column of its root), or, where `shared`, as long as an object of the property refers
    to it. `known_by` is, for a shared one, a unique column of its root: an object whose value the target has already
    is the same one, and stays as it is there.
    """

    name: str
    title: str
    phase: Phase
    root: Table
    parts: tuple[Table, ...] = ()
    via: str | None = None
    shared: bool = False
    known_by: str | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """The root, then the parts."""
        return (self.root, *self.parts)

    @property
    def key(self) -> str:
        """The root's key column."""
        return self.root.key[0]

    @cached_property
    def is_key_exact(self) -> bool:
        """Tell whether keys that are equal are the same (see `column_type.is_exact`)."""
        return column_type.is_exact(self.root.by_name[self.key].type)

    @property
    def references(self) -> Iterator[tuple[Table, Reference]]:
        """Every reference of the root and of the parts, but for a part's own to its root."""
        return (
            (table, reference)
            for table in self.tables
            for reference in table.references
            if reference.column != table.root
        )


class CodeList(msgspec.Struct, frozen=True):
    """A list of codes, and where its valid codes stand in a property's configuration."""

    name: str
    schema: str
    table: str
    column: str
    property_column: str | None


class Total(msgspec.Struct, frozen=True):
    """A control total of one entity.

    `sql` selects rows (`key`: an object's key in that database, `label`: text, `value`: numeric) and may use
    the parameters %(property)s and %(business_date)s; the total of a label is the sum of its values.
    """

    name: str
    title: str
    entity: str
    sql: str
    money: bool = False


class Check(msgspec.Struct, frozen=True):
    """A check: it holds when `sql` returns no row. Each row says, in one text, what is wrong.

    It is asked before Start, or, of the watch period, after open: until each of these holds nothing is cleaned. `sql`
    may use the parameters %(property)s and, of the watch period, %(business_date)s: the one that it was opened with.
    """

    name: str
    title: str
    database: str
    sql: str
    mend: str


class Counter(msgspec.Struct, frozen=True):
    """A number range: rows of a property's table, whose `value` is raised at the target, never lowered."""

    name: str
    schema: str
    table: str
    property_column: str
    key: str
    value: str


class PropertyTable(msgspec.Struct, frozen=True):
    """Where the properties themselves stand: the table and the column of their key.

    `business_date` is the column with the property's date, `end_of_day` a boolean column: End of Day is under
    way.
    """

    schema: str
    table: str
    column: str
    zone: str
    business_date: str
    end_of_day: str


class Step(msgspec.Struct, frozen=True):
    """A step of the down time and the entities that it reports on."""

    name: str
    title: str
    entities: tuple[str, ...]


class Filter(msgspec.Struct, frozen=True):
    """Leaves old rows behind: only objects of `entity` move whose root has `value` or more in `column`.

    Without a value all of them move. Only what moves after the opening can be filtered: its source stands still, so
    that no object comes into a filter or leaves it.
    """

    name: str
    title: str
    entity: str
    column: str
    value: str | None = None


class Plan(msgspec.Struct, frozen=True, dict=True, eq=False):
    """A whole transfer plan. `checksum` is the SHA-256 of its text.

    `file` and `lines` (the line of each field by its path, as `entities.reservation.key`) are for errors that
    show only against a database.
    """

    name: str
    version: int
    checksum: str
    property: PropertyTable
    entities: tuple[Entity, ...]
    lists: tuple[CodeList, ...] = ()
    totals: tuple[Total, ...] = ()
    checks: tuple[Check, ...] = ()
    watch: tuple[Check, ...] = ()
    counters: tuple[Counter, ...] = ()
    steps: tuple[Step, ...] = ()
    filters: tuple[Filter, ...] = ()
    roles: tuple[str, ...] = ()
    partners: tuple[str, ...] = ()
    kind: str | None = None
    left_out: dict[str, str] = {}
    file: str = ""
    lines: dict[str, int] = {}

    @cached_property
    def asked(self) -> tuple[tuple[str, Check], ...]:
        """The checks before Start and those of the watch period, each with the path of its field."""
        sections = (("checks", self.checks), ("watch", self.watch))
        return tuple((f"{section}.{check.name}", check) for section, checks in sections for check in checks)

    @cached_property
    def entity(self) -> dict[str, Entity]:
        """The entities by name."""
        return {entity.name: entity for entity in self.entities}

    @cached_property
    def moving(self) -> tuple[Entity, ...]:
        """What the four processes carry, in the order of references (see `plan.order`)."""
        from slacktide.plan.order import in_order  # noqa: PLC0415 -- the order is computed from the shapes here

        return in_order(entity for entity in self.entities if entity.phase in {Phase.ONLINE, Phase.DOWN_TIME})

    @cached_property
    def late(self) -> Plan:
        """The same plan after the opening: what is miscellaneous moves as well, beside all that it refers to."""
        late = (
            msgspec.structs.replace(entity, phase=Phase.ONLINE) if entity.phase is Phase.MISCELLANEOUS else entity
            for entity in self.entities
        )
        return msgspec.structs.replace(self, entities=tuple(late))

    @cached_property
    def miscellaneous(self) -> tuple[Entity, ...]:
        """What moves after the opening, in the order of references."""
        names = {entity.name for entity in self.entities if entity.phase is Phase.MISCELLANEOUS}
        return tuple(entity for entity in self.late.moving if entity.name in names)

    @cached_property
    def filter_of(self) -> dict[str, tuple[Filter, ...]]:
        """The filters by entity, those that have a value."""
        names = {one.entity for one in self.filters if one.value is not None}
        return {n: tuple(f for f in self.filters if f.entity == n and f.value is not None) for n in names}

    @cached_property
    def configuration(self) -> tuple[Entity, ...]:
        """What is copied directly before the four processes start, in the order of the file."""
        return tuple(entity for entity in self.entities if entity.phase is Phase.CONFIGURATION)

    @cached_property
    def table(self) -> dict[str, Table]:
        """Every table of the moving entities by the key map's name."""
        return {table.name: table for entity in self.moving for table in entity.tables}

    @cached_property
    def entity_of(self) -> dict[str, Entity]:
        """The moving entity of every table, by the key map's name."""
        return {table.name: entity for entity in self.moving for table in entity.tables}
