"""What has to fit together in a plan, as far as that shows without a database.

Each rule looks at one thing and adds what is wrong. A value that reading found missing is empty here, and no
rule speaks about it again.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from slacktide.plan import column_type, order
from slacktide.plan.document import nearest
from slacktide.plan.model import Entity, Phase, Plan, Reference, Table, Unknown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slacktide.plan.problem import Problems

MOVING = frozenset({Phase.ONLINE, Phase.DOWN_TIME})
CARRIED = MOVING | {Phase.MISCELLANEOUS}  # by the processes, before the opening or after it
RESERVED_ELEMENTS = frozenset({"batch", "gone", "failed", "present"})
RESERVED_ATTRIBUTES = frozenset({"h", "outside", "unmapped"})

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
# XML 1.0, fifth edition, production 4, without the colon.
_START = (
    "A-Z_a-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c-\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_XML_NAME = re.compile(f"[{_START}][{_START}\\-.0-9\u00b7\u0300-\u036f\u203f-\u2040]*\\Z")
_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)s|%|(.?))", re.DOTALL)
_PARAMETERS = frozenset({"property", "business_date"})


def apply(plan: Plan, *, problems: Problems) -> None:
    """Add everything that does not fit together to the problems."""
    rules = _Rules(plan, problems)
    rules.names()
    for entity in plan.entities:
        rules.belonging(entity)
        for table in entity.tables:
            rules.table(entity, table)
    rules.tables_once()
    rules.order()
    rules.queries()
    rules.filters()
    rules.mentions()


class _Rules:
    def __init__(self, plan: Plan, problems: Problems) -> None:
        self._plan, self._add = plan, problems.add
        self._target = {table.name: (entity, table) for entity in plan.entities for table in entity.tables}

    # -- names ------------------------------------------------------------------------------------------

    def names(self) -> None:
        if self._plan.name and not _PLAIN_NAME.match(self._plan.name):
            self._add("plan", f"{self._plan.name!r} is no name: use letters, digits, _ and -")
        if not self._plan.entities:
            self._add("", "a plan needs at least one entity, under 'entities'")
        for table in (table for entity in self._plan.entities for table in entity.tables):
            self._element(table)
        for entity in self._plan.entities:
            if entity.phase in CARRIED:
                for table in entity.tables:
                    self._attributes(table)

    def _element(self, table: Table) -> None:
        name = table.element if table.root is not None else table.name
        if not _PLAIN_NAME.match(name) or name.lower().startswith("xml"):
            self._add(
                table.field,
                f"{name!r} cannot name an XML element: use letters, digits, _ and -, and no xml in front",
            )
        elif name in RESERVED_ELEMENTS:
            self._add(table.field, f"{name!r} is an element of the batch itself: give it another name")

    def _attributes(self, table: Table) -> None:
        for column in table.columns:
            field = f"{table.field}.columns.{column.name}"
            if not _XML_NAME.match(column.name) or column.name.lower().startswith("xml"):
                self._add(field, f"{column.name!r} cannot name an XML attribute: leave the column out, or rename it")
            elif table.root is None and column.name in RESERVED_ATTRIBUTES:
                self._add(
                    field,
                    f"{column.name!r} is an attribute of every object: leave the column out, or rename it",
                )

    # -- whose it is ------------------------------------------------------------------------------------

    def belonging(self, entity: Entity) -> None:
        field, root = entity.root.field, entity.root
        given = {"property": root.property_column, "via": entity.via, "shared": entity.shared}
        ways = [name for name, value in given.items() if value]
        if len(ways) > 1:
            self._add(f"{field}.{ways[1]}", f"give one of property, via and shared, not {' and '.join(ways)}")
        elif not ways and entity.phase is not Phase.CONFIGURATION:
            self._add(field, "say whose it is: give property, via or shared")
        if root.property_column:
            self._known_column(root, root.property_column, field=f"{field}.property", nullable=False)
        if entity.via:
            self._via(entity, entity.via)
        if entity.known_by:
            self._known_by(entity, entity.known_by)

    def _known_by(self, entity: Entity, column: str) -> None:
        """See that what stays as it is at the target is nobody's, and that nobody needs to know its parts or sums."""
        field = f"{entity.root.field}.known_by"
        if not entity.shared:
            self._add(field, f"{entity.name!r} is not shared, so the target does not have it already")
        elif self._known_column(entity.root, column, field=field, nullable=True) and column in entity.root.reference_of:
            self._add(field, f"{column!r} is a reference, whose keys are others at the target")
        for other in self._plan.entities:
            for table, reference in other.references:
                if reference.entity == entity.name and reference.part is not None:
                    self._add(
                        f"{table.field}.references.{reference.column}",
                        f"{reference.target!r} is a part of what the target may have already (known_by): "
                        f"refer to {entity.name!r}",
                    )
        for total in self._plan.totals:
            if total.entity == entity.name:
                self._add(
                    f"totals.{total.name}.entity",
                    f"of {entity.name!r} some may be at the target already (known_by), where they are not added up",
                )

    def _via(self, entity: Entity, via: str) -> None:
        field = f"{entity.root.field}.via"
        reference = entity.root.reference_of.get(via)
        if reference is None:
            self._add(field, f"{via!r} is not a reference of the root{nearest(via, entity.root.reference_of)}")
        elif reference.part is not None:
            self._add(field, f"{via!r} leads to the part {reference.target}: choose a reference to an entity")
        else:
            self._chain(entity, field)

    def _chain(self, entity: Entity, field: str) -> None:
        """Follow `via` to an entity with a property column of its own."""
        seen, here = [entity.name], entity
        while here.via and here.via in here.root.reference_of:
            reference = here.root.reference_of[here.via]
            if reference.entity in seen:
                return self._add(
                    field,
                    f"the way to the property goes in a circle: {' to '.join([*seen, reference.entity])}",
                )
            if reference.entity not in self._plan.entity:
                return None  # said where the reference stands
            seen.append(reference.entity)
            here = self._plan.entity[reference.entity]
        if here.shared:
            self._add(
                field,
                f"{here.name} is shared, so it does not say whose this is: make it shared too, or a part",
            )
        return None

    # -- one table --------------------------------------------------------------------------------------

    def table(self, entity: Entity, table: Table) -> None:
        if not table.columns:
            self._add(table.field, "it has no columns: list what moves under 'columns'")
            return
        self._key(entity, table)
        if table.root:
            self._known_column(table, table.root, field=f"{table.field}.root", nullable=False)
        self._codes(table)
        for reference in table.references:
            self._reference(entity, table, reference)
        for column in table.left_out.keys() & table.by_name.keys():
            self._add(f"{table.field}.left_out.{column}", f"{column!r} is left out and moves as well: choose one")

    def _known_column(self, table: Table, column: str, *, field: str, nullable: bool) -> bool:
        if column not in table.by_name:
            self._add(field, f"{column!r} is not among the columns{nearest(column, table.by_name)}")
        elif table.by_name[column].nullable and not nullable:
            self._add(field, f"{column!r} must not be null: take the '?' from its type, or choose another column")
        return column in table.by_name

    def _key(self, entity: Entity, table: Table) -> None:
        field = f"{table.field}.key"
        known = [self._known_column(table, column, field=field, nullable=False) for column in table.key]
        for column, count in Counter(table.key).items():
            if count > 1:
                self._add(field, f"{column!r} stands in the key more than once")
        if table.root is None and entity.phase in CARRIED and len(table.key) > 1:
            self._add(field, f"the key of what the processes move is one column, not {len(table.key)}")
        if table.drawn and len(table.key) > 1:
            self._add(f"{table.field}.drawn", "only a key of one column can be drawn from a sequence")
        elif table.drawn and all(known) and table.key:
            self._drawn(table, table.key[0])

    def _drawn(self, table: Table, key: str) -> None:
        if table.by_name[key].type and column_type.base(table.by_name[key].type) not in column_type.WHOLE:
            self._add(
                f"{table.field}.key",
                f"a sequence cannot draw {key!r}, a {table.by_name[key].type}: `drawn: false` keeps the key",
            )
        if key in {table.property_column, *table.reference_of}:
            self._add(
                f"{table.field}.key",
                f"{key!r} refers to something else, so it cannot be drawn: say `drawn: false`",
            )

    def _codes(self, table: Table) -> None:
        lists = {item.name for item in self._plan.lists}
        for code in table.codes:
            field = f"{table.field}.codes.{code.column}"
            if code.list not in lists:
                self._add(field, f"{code.list!r} is not a list of this plan{nearest(code.list, lists)}")
            if not self._known_column(table, code.column, field=field, nullable=True):
                continue
            column = table.by_name[code.column]
            if column_type.base(column.type) not in column_type.TEXT:
                self._add(field, f"only a text can be converted, and {code.column!r} is {column.type}")
            if not code.mandatory and not column.nullable:
                self._add(
                    field,
                    f"{code.column!r} must not be null, so its mapping cannot be optional: take the '?' away",
                )
            if code.column in table.reference_of:
                self._add(field, f"{code.column!r} is a reference too: choose one")
            if table.root is None and code.column in table.key:
                self._add(
                    field,
                    f"{code.column!r} is the key of the object, which is kept or drawn, never converted",
                )

    # -- references -------------------------------------------------------------------------------------

    def _reference(self, entity: Entity, table: Table, reference: Reference) -> None:
        field = f"{table.field}.references.{reference.column}"
        if reference.column == table.root:
            if reference.target != entity.name:
                self._add(field, f"{table.root!r} leads to the root, so it refers to {entity.name!r}")
            return  # a missing column is said at `root`
        if not self._known_column(table, reference.column, field=field, nullable=True):
            return
        if reference.unknown is Unknown.LEAVE_NULL and not table.by_name[reference.column].nullable:
            self._add(field, f"{reference.column!r} must not be null, so it cannot be left null: pull in, or refuse")
        if reference.target not in self._target:
            if reference.entity:
                hint = nearest(reference.target, self._target)
                self._add(field, f"{reference.target!r} is neither an entity nor a part{hint}")
            return
        self._referred(entity, reference, field)

    def _referred(self, entity: Entity, reference: Reference, field: str) -> None:
        other, table = self._target[reference.target]
        if other.shared and reference.unknown is Unknown.LEAVE_NULL:
            self._add(
                field,
                f"{other.name!r} is shared, so it belongs to no property, and each of these would be left null: take "
                "the word away, and it comes along",
            )
        if len(table.key) > 1:
            self._add(
                field,
                f"{reference.target!r} has a key of {len(table.key)} columns, which one column cannot hold",
            )
        if other.phase not in (CARRIED if entity.phase is Phase.MISCELLANEOUS else MOVING) and entity.phase in CARRIED:
            self._add(
                field,
                f"{other.name!r} moves in the phase {other.phase.value!r}, and a reference leads to what the "
                f"processes move: take it out (a key of the configuration is kept, or a code)",
            )

    # -- the whole --------------------------------------------------------------------------------------

    def tables_once(self) -> None:
        first: dict[str, str] = {}
        for table in (table for entity in self._plan.entities for table in entity.tables if table.table):
            if table.qualified in first:
                self._add(
                    f"{table.field}.table",
                    f"{table.qualified} is moved by {first[table.qualified]!r} already",
                )
            first.setdefault(table.qualified, table.name)
        for name in self._plan.left_out:
            if name in first:
                self._add(f"left_out.{name}", f"{name} is left out and moved by {first[name]!r} as well: choose one")

    def order(self) -> None:
        """Cycles can be cut, and what cuts them may be null while the rows are written."""
        try:
            ordered = self._plan.late.moving
        except order.UncuttableCycle as error:
            self._add("entities", str(error))
            return
        for name, columns in order.closing_columns(ordered).items():
            table = self._plan.late.table[name]
            for column in columns:
                known = column in table.by_name and table.reference_of[column].target in self._plan.late.table
                if known and not table.by_name[column].nullable:
                    self._add(
                        f"{table.field}.references.{column}",
                        f"{column!r} closes a circle of references, so it has to be nullable ('?')",
                    )

    def queries(self) -> None:
        for total in self._plan.totals:
            self._query(total.sql, field=f"totals.{total.name}.sql")
        for field, check in self._plan.asked:
            self._query(check.sql, field=f"{field}.sql")
            if check.database and check.database not in {"source", "target"}:
                self._add(f"{field}.database", f"{check.database!r} is neither source nor target")

    def _query(self, sql: str, *, field: str) -> None:
        for found in _PLACEHOLDER.finditer(sql):
            name, other = found.groups()
            if name is not None and name not in _PARAMETERS:
                self._add(field, f"the parameter {name!r} is not known{nearest(name, _PARAMETERS)}")
            elif name is None and other is not None:
                self._add(field, "a single % begins a parameter such as %(property)s: write %% for the sign itself")

    def filters(self) -> None:
        """See that a filter names a column of the root of something that moves after the opening."""
        for one in self._plan.filters:
            field, entity = f"filters.{one.name}", self._plan.entity.get(one.entity)
            if entity is None:
                self._add(f"{field}.entity", f"{one.entity!r} is not an entity{nearest(one.entity, self._plan.entity)}")
            elif entity.phase is not Phase.MISCELLANEOUS:
                reason = "objects of what moves while it trades would come into the filter and leave it"
                self._add(f"{field}.entity", f"{one.entity!r} is not of the phase miscellaneous: {reason}")
            else:
                self._known_column(entity.root, one.column, field=f"{field}.column", nullable=False)

    def mentions(self) -> None:
        for where, entity in self._mentioned():
            if entity and entity not in self._plan.entity:
                self._add(where, f"{entity!r} is not an entity of this plan{nearest(entity, self._plan.entity)}")
            elif entity and self._plan.entity[entity].phase not in MOVING:
                phase = self._plan.entity[entity].phase.value
                self._add(where, f"{entity!r} moves in the phase {phase!r}, which the down time does not look at")

    def _mentioned(self) -> Iterator[tuple[str, str]]:
        yield from ((f"totals.{total.name}.entity", total.entity) for total in self._plan.totals)
        yield from ((f"steps.{step.name}.entities", name) for step in self._plan.steps for name in step.entities)
