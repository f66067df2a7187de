"""SQL that gives a way back its key map, made from a plan (see `returning`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

from slacktide.transfer.source_sql import leading, property_of, qualified, type_of

if TYPE_CHECKING:
    from slacktide.plan.model import Entity, Plan, Table

COPY_SEED = SQL("copy pg_temp.slacktide_seed from stdin").format()


def known(entity: Entity, table: Table, *, move: str) -> Composed:
    """Copy out what the forward move knows of a table: the keys there and here, kept by reference, there before.

    Another property's object that is not there any more is not known; what is the property's own or shared and gone
    is, so that it goes at the other side too. What stays of the property's own never arrived there. What else stays and
    is known by a value of its own is recognised again where it comes to (see `recognition`).
    """
    again: Composable = SQL("false")
    if table.root is None and entity.known_by is not None:
        again = SQL("k.stays and exists (select from {} t where {} = k.target_key::{} and {} is not null)").format(
            qualified(table), Identifier("t", table.key[0]), type_of(table, table.key[0]),
            Identifier("t", entity.known_by),
        )  # fmt: skip
    return SQL(
        "copy (select k.target_key, k.source_key, k.outside, k.native from slacktide.key_map k "
        "join slacktide.mover_move m using (move_no) where m.name = {move} and k.name = {name} "
        "and not (k.stays and not k.outside) and not ({again}) and ({shared} or not k.outside "
        "or exists (select from {table} t where {key} = k.target_key::{kind}))) to stdout"
    ).format(
        again=again, move=Literal(move),
        name=Literal(table.name), shared=Literal(entity.shared), table=qualified(table),
        key=Identifier("t", table.key[0]), kind=type_of(table, table.key[0]),
    )  # fmt: skip


def seed(table: Table) -> Composed:
    """Write down what is still here; what the way back knows already it keeps."""
    return SQL(
        "insert into slacktide.key_map (move_no, name, source_key, target_key, outside, batch, native) "
        "select %(move_no)s, {name}, s.source_key, s.target_key, s.outside, 0, not s.native "
        "from pg_temp.slacktide_seed s join {table} t on {key} = s.target_key::{kind} on conflict do nothing"
    ).format(
        name=Literal(table.name), table=qualified(table), key=Identifier("t", table.key[0]),
        kind=type_of(table, table.key[0]),
    )  # fmt: skip


def never_arrived(plan: Plan, entity: Entity, table: Table) -> Composed:
    """Write down the property's rows that the forward move never brought over: they stay here as they are.

    They have no key where the property lives: what stands for one begins with a character that no key has, as a minus
    may begin any.
    """
    to_root: Composable = SQL("")
    if table.root is not None:
        to_root = SQL("join {} r on {} = {}").format(
            qualified(entity.root), Identifier("r", entity.key), leading(table, "t", table.root)
        )
    key = SQL("{}::text").format(Identifier("t", table.key[0]))
    return SQL(
        "insert into slacktide.key_map (move_no, name, source_key, target_key, outside, batch, native, stays) "
        "select %(move_no)s, {name}, chr(1) || {key}, {key}, false, 0, true, true from {table} t {to_root} "
        "where {whose} = %(property)s and not exists (select from slacktide.key_map k "
        "where k.move_no = %(move_no)s and k.name = {name} and k.target_key = {key}) on conflict do nothing"
    ).format(
        name=Literal(table.name), key=key, table=qualified(table), to_root=to_root,
        whose=property_of(plan, entity, "t" if table.root is None else "r"),
    )  # fmt: skip
