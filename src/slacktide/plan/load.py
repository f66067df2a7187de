"""Reads a plan from its file, so that an error names file, line and field, and all errors come at once.

Reading has three parts: `document` gives texts with lines, this module makes the plan's value of them, and
`rules` says what does not fit together. Whatever was wrong is reported after the last of them.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from slacktide.core.errors import UsageError
from slacktide.plan import column_type, rules
from slacktide.plan.document import Field, Form, Reading, nearest, text
from slacktide.plan.model import (
    Check,
    Code,
    CodeList,
    Column,
    Counter,
    Entity,
    Filter,
    Phase,
    Plan,
    PropertyTable,
    Reference,
    Step,
    Table,
    Total,
    Unknown,
)
from slacktide.plan.problem import PlanError, Problems

if TYPE_CHECKING:
    from pathlib import Path

_PLAN = ("plan", "version", "kind", "property", "lists", "entities", "totals", "checks", "watch", "counters", "steps",
         "filters", "roles", "partners", "left_out")  # fmt: skip
_TABLE = ("table", "key", "drawn", "columns", "codes", "references", "left_out", "cascades")
_ROOT = ("title", "phase", "property", "via", "shared", "known_by", "parts", *_TABLE)
_PART = ("root", *_TABLE)


T = TypeVar("T", bound=StrEnum)


class PlanUnreadable(UsageError):
    """The plan {file} cannot be read: {reason}. Give the path of a readable file in UTF-8."""


def load_plan(*, path: Path) -> Plan:
    """Read the plan in a file. Raises PlanUnreadable, or PlanError with all that is wrong."""
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PlanUnreadable(file=path, reason=reason) from error
    return load_plan_text(text=content, file=str(path))


def load_plan_text(*, text: str, file: str) -> Plan:
    """Read a plan from a text; `file` is its name in errors. Raises PlanError with all that is wrong."""
    lines: dict[str, int] = {}
    problems = Problems(file=file, lines=lines)
    document = Reading(problems=problems, lines=lines).read(text)
    if document is None:
        raise PlanError(file=file, errors=problems.found)
    checksum = hashlib.sha256(text.encode()).hexdigest()
    plan = _Maker(problems).plan(document, checksum=checksum, lines=lines)
    rules.apply(plan, problems=problems)
    if problems.found:
        raise PlanError(file=file, errors=problems.in_order())
    return plan


class _Maker:
    """Makes the values of the model from fields."""

    def __init__(self, problems: Problems) -> None:
        self._problems = problems

    def _form(self, field: Field, *known: str) -> Form:
        return Form(field, known=known, problems=self._problems)

    def _choice(self, value: str, *, kind: type[T], field: str, default: T) -> T:
        if not value:
            return default
        try:
            return kind(value)
        except ValueError:
            self._problems.add(field, f"{value!r} is none of the choices{nearest(value, kind)}")
            return default

    def _qualified(self, name: str, *, field: str) -> tuple[str, str]:
        schema, dot, table = name.partition(".")
        if name and not (schema and dot and table and "." not in table):
            self._problems.add(field, f"{name!r} does not name a table: write it as schema.table")
        return schema, table

    # -- the whole --------------------------------------------------------------------------------------

    def plan(self, field: Field, *, checksum: str, lines: dict[str, int]) -> Plan:
        form = self._form(field, *_PLAN)
        return Plan(
            name=form.text("plan"),
            version=form.number("version"),
            checksum=checksum,
            property=self._property(form),
            entities=tuple(self._entity(name, item) for name, item in form.fields("entities").items()),
            lists=tuple(self._list(name, item) for name, item in form.fields("lists").items()),
            totals=tuple(self._total(name, item) for name, item in form.fields("totals").items()),
            checks=tuple(self._check(name, item) for name, item in form.fields("checks").items()),
            watch=tuple(self._check(name, item) for name, item in form.fields("watch").items()),
            counters=tuple(self._counter(name, item) for name, item in form.fields("counters").items()),
            steps=tuple(self._step(name, item) for name, item in form.fields("steps").items()),
            filters=tuple(self._filter(name, item) for name, item in form.fields("filters").items()),
            roles=form.words("roles"),
            partners=form.words("partners"),
            kind=form.optional("kind"),
            left_out=form.texts("left_out"),
            file=self._problems.file,
            lines=lines,
        )

    def _property(self, plan: Form) -> PropertyTable:
        if "property" not in plan:
            plan.text("property")  # says that it is missing
            return PropertyTable(schema="", table="", column="", zone="", business_date="", end_of_day="")
        field = Field(path="property", content=plan.fields("property"))
        form = self._form(field, "table", "column", "zone", "business_date", "end_of_day")
        schema, table = self._qualified(form.text("table"), field="property.table")
        return PropertyTable(
            schema=schema,
            table=table,
            column=form.text("column"),
            zone=form.text("zone"),
            business_date=form.text("business_date"),
            end_of_day=form.text("end_of_day"),
        )

    # -- entities ---------------------------------------------------------------------------------------

    def _entity(self, name: str, field: Field) -> Entity:
        form = self._form(field, *_ROOT)
        phase = self._choice(form.text("phase"), kind=Phase, field=f"{field.path}.phase", default=Phase.ONLINE)
        root = self._table(
            name,
            form,
            drawn_by_default=phase is not Phase.CONFIGURATION,
            property_column=form.optional("property"),
        )
        return Entity(
            name=name,
            title=form.text("title"),
            phase=phase,
            root=root,
            parts=tuple(self._part(name, part, item) for part, item in form.fields("parts").items()),
            via=form.optional("via"),
            shared=form.flag("shared", default=False),
            known_by=form.optional("known_by"),
        )

    def _part(self, entity: str, part: str, field: Field) -> Table:
        form = self._form(field, *_PART)
        return self._table(f"{entity}.{part}", form, drawn_by_default=True, root=form.text("root"))

    def _table(
        self,
        name: str,
        form: Form,
        *,
        drawn_by_default: bool,
        root: str | None = None,
        property_column: str | None = None,
    ) -> Table:
        schema, table = self._qualified(form.text("table"), field=f"{form.path}.table")
        key = form.words("key")
        if not key:
            self._problems.add(form.path, "the field 'key' is missing")
        references = tuple(self._reference(column, item) for column, item in form.fields("references").items())
        leading = {root, property_column, *(reference.column for reference in references)}
        drawn_by_default = drawn_by_default and len(key) == 1 and key[0] not in leading
        return Table(
            name=name,
            schema=schema,
            table=table,
            key=key,
            drawn=form.flag("drawn", default=drawn_by_default),
            columns=tuple(self._column(column, item) for column, item in form.fields("columns").items()),
            root=root,
            property_column=property_column,
            codes=tuple(_code(column, value) for column, value in form.texts("codes").items() if value),
            references=references if root is None else _with_root(references, root=root, name=name),
            left_out=form.texts("left_out"),
            cascades=form.texts("cascades"),
        )

    def _column(self, name: str, field: Field) -> Column:
        written = text(field, problems=self._problems)
        kind = written.removesuffix("?").strip()
        if kind and not column_type.is_type(kind):
            self._problems.add(field.path, f"{kind!r} is not the name of a type")
        return Column(name=name, type=kind, nullable=written.endswith("?"))

    def _reference(self, column: str, field: Field) -> Reference:
        unknown = Unknown.PULL_IN
        if isinstance(field.content, dict):
            form = self._form(field, "to", "unknown")
            target = form.text("to")
            choice = form.optional("unknown") or ""
            unknown = self._choice(choice, kind=Unknown, field=f"{field.path}.unknown", default=unknown)
        else:
            target = text(field, problems=self._problems)
        entity, _, part = target.partition(".")
        return Reference(column=column, entity=entity, part=part or None, unknown=unknown)

    # -- the rest ---------------------------------------------------------------------------------------

    def _list(self, name: str, field: Field) -> CodeList:
        form = self._form(field, "table", "column", "property")
        schema, table = self._qualified(form.text("table"), field=f"{field.path}.table")
        column, property_column = form.text("column"), form.optional("property")
        return CodeList(name=name, schema=schema, table=table, column=column, property_column=property_column)

    def _total(self, name: str, field: Field) -> Total:
        form = self._form(field, "title", "entity", "money", "sql")
        return Total(
            name=name,
            title=form.text("title"),
            entity=form.text("entity"),
            sql=form.text("sql"),
            money=form.flag("money", default=False),
        )

    def _check(self, name: str, field: Field) -> Check:
        form = self._form(field, "title", "database", "mend", "sql")
        return Check(
            name=name,
            title=form.text("title"),
            database=form.text("database"),
            sql=form.text("sql"),
            mend=form.text("mend"),
        )

    def _counter(self, name: str, field: Field) -> Counter:
        form = self._form(field, "table", "property", "key", "value")
        schema, table = self._qualified(form.text("table"), field=f"{field.path}.table")
        return Counter(
            name=name,
            schema=schema,
            table=table,
            property_column=form.text("property"),
            key=form.text("key"),
            value=form.text("value"),
        )

    def _step(self, name: str, field: Field) -> Step:
        form = self._form(field, "title", "entities")
        return Step(name=name, title=form.text("title"), entities=form.words("entities"))

    def _filter(self, name: str, field: Field) -> Filter:
        form = self._form(field, "title", "entity", "column", "from")
        value = form.optional("from")
        return Filter(
            name=name, title=form.text("title"), entity=form.text("entity"), column=form.text("column"), value=value
        )


def _code(column: str, value: str) -> Code:
    return Code(column=column, list=value.removesuffix("?").strip(), mandatory=not value.endswith("?"))


def _with_root(references: tuple[Reference, ...], *, root: str, name: str) -> tuple[Reference, ...]:
    """Let a part's way to its root be a reference like any other; never unknown, as both come together."""
    own = Reference(column=root, entity=name.partition(".")[0], unknown=Unknown.REFUSE)
    return (own, *(r for r in references if (r.column, r.target) != (root, own.target)))
