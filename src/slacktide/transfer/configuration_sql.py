"""SQL that copies configuration, made from a plan: what is read at the source, and what is written of it.

Statements for COPY take no parameters, so the property's codes stand in them as literals. Rows go through a temporary
table of the target, so that what is there already stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from slacktide.transfer.source_sql import leading, property_of, qualified

if TYPE_CHECKING:
    from slacktide.plan.model import CodeList, Entity, Plan, Table

STAGE = Identifier("pg_temp", "slacktide_configuration")


def columns(names: list[str]) -> Composed:
    """Write columns."""
    return SQL(", ").join(map(Identifier, names))


def read_entity(plan: Plan, entity: Entity, table: Table, *, of: str, becomes: str) -> Composed:
    """Read the rows of a table that belong to the property `of`, with the code `becomes` in its place.

    Configuration that belongs to no property is everybody's: all of it.
    """
    to_root: Composable = SQL("")
    if table.root is not None:
        key, column = Identifier("r", entity.key), leading(table, "t", table.root)
        to_root = SQL(" join {} r on {} = {}").format(qualified(entity.root), key, column)
    everybodys = entity.root.property_column is None and entity.via is None
    whose = property_of(plan, entity, "t" if table.root is None else "r")
    return SQL("select {} from {} t{} where {}").format(
        SQL(", ").join(_becoming(plan, table, column.name, of=of, becomes=becomes) for column in table.columns),
        qualified(table),
        to_root,
        SQL("true") if everybodys else SQL("{} = {}").format(whose, Literal(of)),
    )


def _becoming(plan: Plan, table: Table, column: str, *, of: str, becomes: str) -> Composable:
    """Write a column; where it holds the property's code, the code that it has at the target."""
    lists = {item.name for item in plan.lists if is_property(plan, item)}
    holding = {table.property_column} | {code.column for code in table.codes if code.list in lists}
    name = Identifier("t", column)
    if column not in holding or of == becomes:
        return name
    return SQL("case when {name} = {of} then {becomes} else {name} end").format(
        name=name, of=Literal(of), becomes=Literal(becomes)
    )


def is_property(plan: Plan, item: CodeList) -> bool:
    """Tell whether a list holds the codes of the properties themselves."""
    return (item.schema, item.table, item.column) == (plan.property.schema, plan.property.table, plan.property.column)


def read_list(item: CodeList, names: list[str]) -> Composed:
    """Read a list that is the same for every property."""
    return SQL("select {} from {}").format(columns(names), Identifier(item.schema, item.table))


def read_property(plan: Plan, names: list[str], *, code: str, becomes: str) -> Composed:
    """Read one property's own row; no End of Day is under way where it is not run."""
    at = plan.property
    changed = {
        at.column: Literal(becomes),
        at.end_of_day: Literal(False),  # noqa: FBT003 -- a literal takes nothing else
    }
    values = [changed.get(name, Identifier(name)) for name in names]
    return SQL("select {} from {} where {} = {}").format(
        SQL(", ").join(values), Identifier(at.schema, at.table), Identifier(at.column), Literal(code)
    )


def copy_out(query: Composed) -> Composed:
    """Read a query's rows as COPY text."""
    return SQL("copy ({}) to stdout").format(query)


def make_stage(table: Identifier, names: list[str]) -> Composed:
    """Make the temporary table for rows of a table."""
    return SQL("create temporary table {} on commit drop as select {} from {} with no data").format(
        Identifier("slacktide_configuration"), columns(names), table
    )


def copy_in(names: list[str]) -> Composed:
    """Write COPY text into the temporary table."""
    return SQL("copy {} ({}) from stdin").format(STAGE, columns(names))


def write(table: Identifier, names: list[str], key: tuple[str, ...]) -> Composed:
    """Write the rows whose key is not there yet; the others stay as they are."""
    same = SQL(" and ").join(SQL("{} = {}").format(Identifier("t", c), Identifier("s", c)) for c in key)
    return SQL(
        "insert into {table} ({names}) overriding system value select {names} from {stage} s "
        "where not exists (select from {table} t where {same})"
    ).format(table=table, names=columns(names), stage=STAGE, same=same)


def drop_stage() -> Composed:
    """Take the temporary table away."""
    return SQL("drop table {}").format(STAGE)


def set_business_date(plan: Plan) -> Composed:
    """Give the property its business date."""
    at = plan.property
    return SQL("update {} set {date} = %(date)s where {} = %(code)s and {date} <> %(date)s").format(
        Identifier(at.schema, at.table), Identifier(at.column), date=Identifier(at.business_date)
    )
