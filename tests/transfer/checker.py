"""What must hold after every batch and after every transfer, computed apart from the engine.

The source's rows of one snapshot are turned into what the target must hold by the rules alone: the property's objects
and, from them, everything that is referred to. The target's rows are turned back into the source's keys by the key map.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict

from psycopg.rows import dict_row

from slacktide.plan.model import Unknown
from slacktide.plan.parking import ParkingKind, parking_columns


def rows_of(connection, plan):
    """Read every row of every table of the plan, as text."""
    rows = {}
    for table in plan.table.values():
        columns = ", ".join(f'"{c.name}"::text' for c in table.columns)
        with connection.cursor(row_factory=dict_row) as cursor:
            rows[table.name] = cursor.execute(f"select {columns} from {table.qualified}").fetchall()
    return rows


def digest(rows):
    """Hash rows, to say in a word that nothing changed."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def gather(rows, plan):
    """Put rows together to objects: by entity and key, the rows of each table."""
    objects = {}
    for entity in plan.moving:
        for row in rows[entity.name]:
            objects[entity.name, row[entity.key]] = {entity.name: [row]}
        for part in entity.parts:
            for row in rows[part.name]:
                if (entity.name, row[part.root]) in objects:
                    objects[entity.name, row[part.root]].setdefault(part.name, []).append(row)
    return objects


def canonical(found):
    """Write an object so that equal ones are equal texts."""
    return json.dumps(
        {name: sorted(rows, key=lambda r: json.dumps(r, sort_keys=True)) for name, rows in found.items()},
        sort_keys=True,
    )


class Expectation:
    """What the target must hold, worked out from the source's rows of one snapshot.

    `wanted` is everything that it may hold; `due` is what it must, though some objects have failed by name.
    """

    def __init__(self, rows, plan, property_code, *, failed=frozenset()):
        self.plan, self.property = plan, property_code
        self.objects = gather(rows, plan)
        self._owner = {
            (part.name, row[part.key[0]]): (entity.name, row[part.root])
            for entity in plan.moving
            for part in entity.parts
            if part.drawn
            for row in rows[part.name]
        }
        self.own = {(name, key) for name, key in self.objects if self._whose(plan.entity[name], key) == property_code}
        self._leave_null()
        self.wanted = self._closed(self.own, stop=frozenset())
        self.due = self._closed(self.own - failed, stop=failed) if failed else self.wanted

    def _whose(self, entity, key):
        root = self.objects[entity.name, key][entity.name][0]
        if entity.root.property_column:
            return root[entity.root.property_column]
        if entity.via:
            return self._whose(self.plan.entity[entity.root.reference_of[entity.via].entity], root[entity.via])
        return None

    def _leave_null(self):
        """Take references away that are null while what they lead to is not the property's."""
        for table, row in [(t, r) for listed in self.objects.values() for t, rows in listed.items() for r in rows]:
            for reference in self.plan.table[table].references:
                value = row[reference.column]
                name = self._owner.get((reference.target, value), (reference.entity, value))
                if reference.unknown is Unknown.LEAVE_NULL and name not in self.own:
                    row[reference.column] = None

    def _refers(self, name):
        for table, listed in self.objects[name].items():
            for row in listed:
                for reference in self.plan.table[table].references:
                    value = row[reference.column]
                    if value is not None:
                        yield self._owner.get((reference.target, value), (reference.entity, value))

    def _closed(self, start, *, stop):
        wanted, frontier = set(start), set(start)
        while frontier:
            frontier = {n for o in frontier for n in self._refers(o) if n not in wanted and n not in stop}
            wanted |= frontier
        return wanted

    def content(self, name):
        """Give what the object must be."""
        return canonical(self.objects[name]) if name in self.objects else None


def target_objects(connection, plan, move, *, native):
    """Read the target's objects with the source's keys; list what the key map and the tables do not share."""
    mapped = defaultdict(dict)
    for name, source_key, target_key in connection.execute(
        "select k.name, source_key, target_key from slacktide.key_map k join slacktide.mover_move m using (move_no) "
        "where m.name = %s",
        [move],
    ):
        mapped[name][target_key] = source_key
    rows, loose = rows_of(connection, plan), []
    for table in plan.table.values():
        own = {json.dumps(row, sort_keys=True) for row in native[table.name]}
        kept = []
        for row in rows[table.name]:
            if json.dumps(row, sort_keys=True) in own:
                own.discard(json.dumps(row, sort_keys=True))
            elif row[table.root or table.key[0]] not in mapped[plan.entity_of[table.name].name]:
                loose.append((table.name, "unmapped", dict(row)))
            else:
                kept.append(dict(row))
        loose += [(table.name, "was here before and changed", row) for row in own]
        if table.drawn:
            there = {row[table.key[0]] for row in kept}
            loose += [(table.name, "mapped only", t) for t in mapped[table.name] if t not in there]
            loose += [(table.name, "unmapped", t) for t in there if t not in mapped[table.name]]
        for row in kept:
            take_back(row, table, mapped)
        rows[table.name] = kept
    return {name: canonical(found) for name, found in gather(rows, plan).items()}, loose


def take_back(row, table, mapped):
    """Give a row of the target the keys of the source."""
    own = [(table.key[0], table.name)] if table.drawn else []
    for column, name in [(r.column, r.target) for r in table.references] + own:
        if row[column] is not None:
            row[column] = mapped[name].get(row[column], f"?{row[column]}")


def parked(connection, plan):
    """List values that were set aside and never written."""
    found = []
    for name, ways in parking_columns(connection=connection, plan=plan).items():
        for way in ways:
            if way.kind is ParkingKind.TEXT:
                table = plan.table[name]
                found += connection.execute(
                    f'select %s, "{way.column}" from {table.qualified} where "{way.column}" like chr(1) || %s',
                    [name, "%"],
                ).fetchall()
    return found


LEFT_BEHIND = """
select 'slot ' || slot_name from pg_replication_slots where database = current_database()
union all select 'publication ' || pubname from pg_publication
union all select 'identity ' || oid::regclass from pg_class
    where relkind in ('r', 'p') and relreplident <> 'd' and relnamespace::regnamespace::text !~ '^(pg_|information_)'
union all select 'table ' || oid::regclass from pg_class
    where relkind in ('r', 'p', 'v', 'S') and relnamespace = to_regnamespace('slacktide')
union all select 'trigger ' || tgname from pg_trigger where not tgisinternal
union all select 'function ' || oid::regprocedure from pg_proc where pronamespace = to_regnamespace('slacktide')
"""


def left_behind(connection, *, guard=("guard", "closing", "organization", "mover", "quiet", "epoch", "window")):
    """List what of ours is still in a database, but for the guard's own."""
    found = [text for (text,) in connection.execute(LEFT_BEHIND)]
    return [text for text in found if not any(word in text for word in guard)]
