"""Synchronization: from the replication stream to the journal.

Each committed transaction becomes one entry with the objects that it touched: the roots of all its old and new rows.
The events:

1. The process is killed between receiving and journalling: nothing was confirmed, the stream begins before it again.
2. It is killed between journalling and confirming: the stream gives it again, and it is dropped by its position.
3. A part moves to another root: its old identity names the old root, so both are touched.
4. An object changes hands: its old identity holds another property.
5. A keepalive comes between two commits: everything before its end was received, and is journalled first.
6. A table is emptied: the stream names no object. The entry has none; Generate sees the table's new file.
7. A leaf came after `prepare`: an old row of it may not name its object. The entry stands all the same, so that
   Generate looks at the source: it sees the leaf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.postgres import pgoutput
from slacktide.postgres.pgoutput import UNCHANGED
from slacktide.postgres.stream import Keepalive, StreamEnded
from slacktide.transfer.entry import Touched, Transaction
from slacktide.transfer.journal import Journal, Superseded

if TYPE_CHECKING:
    from slacktide.plan.model import Plan, Table
    from slacktide.postgres.pgoutput import Decoded, Values
    from slacktide.postgres.stream import ReplicationStream

_MOST_OBJECTS = 20_000  # received before they are journalled


class _Layout:
    """Where a relation's rows hold what leads to their object."""

    def __init__(self, relation: pgoutput.Relation, *, entity: str, table: Table) -> None:
        names = [column.name for column in relation.columns]
        self.entity = entity
        self.key_at = names.index(table.root_column)
        self.property_at = names.index(table.property_column) if table.property_column else None

    def key(self, values: Values) -> str | None:
        """Give the key of a row's object; None where the identity that the row was logged with does not show it."""
        value = values[self.key_at]
        return value.decode() if isinstance(value, bytes) else None

    def crossed(self, old: Values, new: Values) -> bool:
        at = self.property_at
        return at is not None and new[at] is not UNCHANGED and old[at] != new[at]


class Collector:
    """Gathers the objects that each transaction of the stream touched. It does no input and output."""

    def __init__(self, plan: Plan, *, drop_upto: int) -> None:
        """Take the plan; transactions that end at or before `drop_upto` are journalled already."""
        self._tables = {table.qualified: table for table in plan.table.values()}
        self._plan = plan
        self._drop_upto = drop_upto
        self._layouts: dict[int, _Layout | None] = {}
        self._xid: int | None = None
        self._touched: dict[tuple[str, str], bool] = {}
        self.transactions: list[Transaction] = []
        self._unnamed = False
        self.reached = 0
        self.size = 0

    def take(self, event: Decoded | Keepalive) -> None:
        """Take one event of the stream."""
        match event:
            case pgoutput.Begin(xid=xid):
                self._xid, self._touched = xid, {}
            case pgoutput.Commit():
                self._commit(event)
            case Keepalive(end=end):
                if self._xid is None:
                    self.reached = max(self.reached, end)
            case pgoutput.Relation():
                self._relation(event)
            case pgoutput.Insert(relation=oid, new=row) | pgoutput.Delete(relation=oid, old=row):
                self._touch(oid, row, crossed=True)
            case pgoutput.Update(relation=oid, new=new, old=old):
                self._touch(oid, new)
                if old is not None:
                    self._touch_old(oid, old, new)
            case pgoutput.Truncate():
                self._unnamed = True
            case _:
                pass  # origins, types and messages say nothing about objects

    def taken(self) -> list[Transaction]:
        """Hand over what was gathered."""
        transactions, self.transactions, self.size = self.transactions, [], 0
        return transactions

    def _relation(self, relation: pgoutput.Relation) -> None:
        table = self._tables.get(f"{relation.schema}.{relation.table}")
        entity = self._plan.entity_of[table.name].name if table else ""
        self._layouts[relation.oid] = _Layout(relation, entity=entity, table=table) if table else None

    def _touch(self, oid: int, values: Values, *, crossed: bool = False) -> None:
        """Note a row's object. A root that comes or goes may stand for another one of the same key before or after."""
        layout = self._layouts.get(oid)
        if layout is not None:
            self._note(layout, values, crossed=crossed and layout.property_at is not None)

    def _touch_old(self, oid: int, old: Values, new: Values) -> None:
        layout = self._layouts.get(oid)
        if layout is not None:
            self._note(layout, old, crossed=False)
            self._note(layout, new, crossed=layout.crossed(old, new))

    def _note(self, layout: _Layout, values: Values, *, crossed: bool) -> None:
        key = layout.key(values)
        if key is None:
            self._unnamed = True
        else:
            self._touched[layout.entity, key] = self._touched.get((layout.entity, key), False) or crossed

    def _commit(self, commit: pgoutput.Commit) -> None:
        if self._xid is not None and commit.end_lsn > self._drop_upto and (self._touched or self._unnamed):
            objects = tuple(Touched(entity, key, crossed) for (entity, key), crossed in sorted(self._touched.items()))
            self.transactions.append(Transaction(commit.end_lsn, self._xid, commit.committed_at, objects))
            self.size += len(objects)
        self._xid, self._touched, self._unnamed = None, {}, False
        self.reached = max(self.reached, commit.end_lsn)


class Synchronizer:
    """Moves what the stream says into the journal, and confirms what is durable there."""

    def __init__(self, *, stream: ReplicationStream, journal: Journal, plan: Plan) -> None:
        """Take a started stream."""
        self._stream, self._journal = stream, journal
        position = journal.position()
        self._incarnation = journal.incarnation().incarnation
        self._collector = Collector(plan, drop_upto=position)
        self._written = position

    def step(self, *, wait_seconds: float) -> int:
        """Wait for news at the most so long, journal them, confirm them; give the number of transactions."""
        if not self._stream.wait(wait_seconds):
            return 0
        count, answer = 0, False
        for event in self._stream.received():
            self._collector.take(event)
            answer = answer or (isinstance(event, Keepalive) and event.reply)
            if self._collector.size >= _MOST_OBJECTS:
                count += self._write()
        count += self._write()
        if answer:
            self.ask(reply=False)
        return count

    def ask(self, *, reply: bool = True) -> None:
        """Tell the source what is durable, and have it say how far it has sent."""
        self._stream.confirm(self._written, ask=reply)

    def _write(self) -> int:
        reached = self._collector.reached
        transactions = self._collector.taken()
        if not transactions and reached <= self._written:
            return 0
        self._append(transactions, max(reached, self._written))
        self._written = max(reached, self._written)
        self._stream.confirm(self._written)
        return len(transactions)

    def _append(self, transactions: list[Transaction], reached: int) -> None:
        try:
            self._journal.append(transactions, reached=reached, incarnation=self._incarnation)
        except Superseded as error:
            raise StreamEnded(slot="", reason=str(error)) from error
