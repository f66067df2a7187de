"""Verification ahead, and carrying it forward: in the down time only what changed since is read.

Ahead, at a boundary V between batches, everything is compared and the equal objects are written down with their row
counts and what the control totals measured of each. An object is written down only if it and its measures were equal,
so what is written down holds for both sides alike. The others are listed and read again every time.

Later, at a boundary W behind V, a set of objects is read on both sides. The totals of a side at W are those written
down, without what was written down of the objects read, and with what is measured of them now; so are row counts.

Why no changed object can be missed:

1. The target changes only through batches (the property is closed to all others there). An object that a batch wrote
   has a later batch in the key map, and is read.
2. The source changes by transactions. Each is journalled with the objects whose rows it touched, and belongs to a batch
   up to W, as W's instant leaves none over; the objects touched by transactions in batches behind V are read. So are
   all that stand as failed or waiting. What the stream did not tell (a table was emptied, rewritten, or out of the
   publication for a while) shows in the fingerprint of the first instant behind it: all of the entity is read again,
   and written where it differs, before anything is compared; then 1 holds.
3. An object's content can change without a row of its own: it changes hands with the object through which it belongs
   to the property (then its message has another content, and 1 holds, or it went, and 4 holds); a reference is left
   null, or not any more, because the object that it leads to changed hands (all that refer so to a read object are
   read); a mapping of its codes changed (those objects are journalled, and 2 holds).
4. An object that went from the target has no row in the key map to tell it, and where it went by the sweep or with its
   owner, nobody touched it. So the key map is counted: the objects written down and not read must be as many as those
   in the key map and not read. As everything that came since V is read, the first can only be more, and then by
   those that went; if they are, the keys of that entity are compared one by one, and what is on one side only is read.
5. Another incarnation may begin behind a restored source, journal or target, and another plan sees other columns.
   Then nothing is carried. Nor is it while the target has rows that the key map does not know, written past the guard:
   no key names them, so that only who reads everything sees whether they are still there.

The key map is counted by an index; that is all that grows with the size of the property, by some ten milliseconds for
each 100,000 objects. The journal must keep what belongs to batches behind V.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import closing
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from slacktide.core.errors import InputError
from slacktide.transfer.total import depends_on_date
from slacktide.transfer.verify import Comparison, Sums, Verification, by_table, codes_of, names_nothing, without_zeros
from slacktide.transfer.verify_read import SourceReader, Subject, TargetReader, at_one_snapshot
from slacktide.transfer.verify_sql import Side
from slacktide.transfer.verify_store import Carried, Keys, Rows, Store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg
    from psycopg.rows import TupleRow


class NothingVerified(InputError):
    """Nothing can be carried forward for the move {move!r}: {reason}. Verify it whole."""


def verify_ahead(
    *,
    control: psycopg.Connection[TupleRow],
    source: psycopg.Connection[TupleRow],
    target: psycopg.Connection[TupleRow],
    subject: Subject,
    move_id: int,
    business_date: date,
    whole: bool = False,
) -> Verification:
    """Compare both sides at a boundary between batches, and write down what is equal.

    The first time, and where the `whole` is wanted, everything is read; later what changed since, unless nothing can be
    carried or the business date is another one. `source` is inside `Source.at_one_instant()`, at the instant that the
    target's last batch was read at; `target` and `control` are outside a transaction. Raises MoveUnknown.
    """
    with control.transaction(), at_one_snapshot(target):
        run = _Run(control, source, target, subject, move_id=move_id, business_date=business_date)
        carried = run.store.carried()
        if whole or carried is None or run.reason_against(carried) or carried.business_date != business_date:
            return run.whole()
        return run.forward(carried)


def verify_again(
    *,
    control: psycopg.Connection[TupleRow],
    source: psycopg.Connection[TupleRow],
    target: psycopg.Connection[TupleRow],
    subject: Subject,
    move_id: int,
    business_date: date,
    also: Keys | None = None,
) -> Verification:
    """Compare what changed since the verification ahead, and carry the rest forward.

    What is written down of it are the digests of the objects read, beside those carried: `Store.proven` gives them all.
    `also` names further objects to be read. The connections are as for `verify_ahead`; totals that depend on the
    business date are measured whole if it is another one. Raises NothingVerified, MoveUnknown.
    """
    with control.transaction(), at_one_snapshot(target):
        run = _Run(control, source, target, subject, move_id=move_id, business_date=business_date)
        carried = run.store.carried()
        reason = "nothing was verified ahead" if carried is None else run.reason_against(carried)
        if carried is None or reason:
            raise NothingVerified(move=subject.move, reason=reason)
        return run.again(carried, also=also or {})


def changed_since(
    batch: int, *, control: psycopg.Connection[TupleRow], target: psycopg.Connection[TupleRow], subject: Subject,
    move_id: int,
) -> dict[str, set[str]]:  # fmt: skip
    """Give the objects, by entity, that the batches behind one touched or wrote, and those that failed or wait."""
    return _changed(Store(control, move_id=move_id), TargetReader(target, subject), batch)


def _changed(store: Store, target: TargetReader, batch: int) -> dict[str, set[str]]:
    names = {entity.name for entity in target.subject.plan.moving}
    found: dict[str, set[str]] = defaultdict(set)
    _join(found, {name: keys for name, keys in store.touched_since(batch).items() if name in names})
    for name, key in target.written_since(batch):
        found[name].add(key)
    return found


def _join(keys: dict[str, set[str]], more: Keys) -> None:
    for name, some in more.items():
        keys[name].update(some)


class _Run:
    """One verification, with both sides in their snapshots."""

    def __init__(
        self, control: psycopg.Connection[TupleRow], source: psycopg.Connection[TupleRow],
        target: psycopg.Connection[TupleRow], subject: Subject, *, move_id: int, business_date: date,
    ) -> None:  # fmt: skip
        self.store = Store(control, move_id=move_id)
        self._source, self._target = SourceReader(source, subject), TargetReader(target, subject)
        self._comparison = Comparison(self._source, self._target, business_date=business_date)
        self._plan, self._today = subject.plan, business_date

    def reason_against(self, carried: Carried) -> str:
        """Say why nothing can be carried, or nothing."""
        if carried.incarnation != self._target.incarnation or carried.batch > self._target.number:
            return "it was verified ahead in an earlier incarnation"
        if carried.plan_checksum != self._plan.checksum:
            return "it was verified ahead by another plan"
        if names_nothing(carried.different):
            return "the target had rows that the key map does not know"
        return ""

    # -- everything ---------------------------------------------------------------------------------------------------

    def whole(self) -> Verification:
        """Read everything, and write down what is equal."""
        self.store.forget_all()
        for entity in self._plan.moving:
            with closing(self._comparison.objects(entity)) as lines:
                self.store.put_objects(entity, lines)
        for total in self._plan.totals:
            with closing(self._comparison.measures(total)) as lines:
                self.store.put_measures(total, lines)
        self._comparison.loose()
        self.store.forget(self._plan, self._comparison.different)
        rows, totals = self.store.sum_up()
        self._note(rows, totals)
        return self._comparison.verification()

    def _note(self, rows: Rows, totals: Sums) -> None:
        self.store.replace_sums(
            Carried(
                batch=self._target.number, incarnation=self._target.incarnation, plan_checksum=self._plan.checksum,
                business_date=self._today, different=self._comparison.different, rows=rows, totals=totals,
            )
        )  # fmt: skip

    # -- what changed -------------------------------------------------------------------------------------------------

    def again(self, carried: Carried, *, also: Keys) -> Verification:
        """Read what changed."""
        read = self._to_read(carried, also)
        self.store.forget_since()
        for entity in self._plan.moving:
            if keys := read[entity.name]:
                self.store.put_since(entity, keys, self._comparison.objects(entity, keys=keys))
        for total in self._plan.totals:
            if carried.business_date != self._today and depends_on_date(total):
                _exhaust(self._comparison.measures(total))
                carried.totals[total.name] = {}
            elif keys := read[total.entity]:
                self._take_out(carried.totals, total.name, self.store.sums(total, keys))
                _exhaust(self._comparison.measures(total, keys=keys))
        return self._carried_forward(carried, read)

    def forward(self, carried: Carried) -> Verification:
        """Read what changed, and write it down: V moves forward."""
        read = self._to_read(carried, {})
        objects = {e: [*self._comparison.objects(e, keys=read[e.name])] for e in self._plan.moving if read[e.name]}
        totals = [total for total in self._plan.totals if read[total.entity]]
        measures = {t.name: [*self._comparison.measures(t, keys=read[t.entity])] for t in totals}
        for total in totals:
            self._take_out(carried.totals, total.name, self.store.sums(total, read[total.entity]))
        verification = self._carried_forward(carried, read)
        self.store.forget(self._plan, read)
        for entity, lines in objects.items():
            self.store.put_objects(entity, lines)
        for total in totals:
            self.store.put_measures(total, measures[total.name])
        self.store.forget(self._plan, self._comparison.different)
        self._add_up(carried, read)
        return verification

    def _add_up(self, carried: Carried, read: dict[str, dict[str, str | None]]) -> None:
        """Note the sums with what has now been written down."""
        for entity in self._plan.moving:
            carried.rows.update(self.store.counts(entity, read[entity.name])[1])
        totals = {
            total.name: _sum(carried.totals.get(total.name, {}), self.store.sums(total, read[total.entity]))
            for total in self._plan.totals
        }
        self._note(carried.rows, totals)

    def _take_out(self, totals: Sums, name: str, old: dict[str, Decimal]) -> None:
        totals[name] = _sum(totals.get(name, {}), {label: -value for label, value in old.items()})

    def _carried_forward(self, carried: Carried, read: dict[str, dict[str, str | None]]) -> Verification:
        """Add what is carried to what was read; `carried` loses what was written down of the objects read."""
        for entity in self._plan.moving:
            carried.rows.subtract(self.store.counts(entity, read[entity.name])[1])
        found = self._comparison.verification()
        for side in Side:
            rows = Rows(carried.rows)
            rows.update(self._comparison.row_counts(side))
            found.rows[side] = by_table(self._plan.moving, rows)
            for total in self._plan.totals:
                sums = _sum(carried.totals.get(total.name, {}), found.totals[side][total.name])
                found.totals[side][total.name] = without_zeros(sums)
        found.carried = sum(carried.rows[entity.name, 1] for entity in self._plan.moving)
        found.left_out = self._left_out(read)
        return found

    def _left_out(self, read: dict[str, dict[str, str | None]]) -> dict[tuple[str, str], int]:
        found = self._comparison.left_out
        for name, key, left_out in self.store.run("carried_left_out"):
            if key not in read[name]:
                found.update(codes_of(left_out))
        return dict(found)

    def _to_read(self, carried: Carried, also: Keys) -> dict[str, dict[str, str | None]]:
        """Give the objects to be read, by entity: the source's key, and the target's where the key map has it."""
        keys = _changed(self.store, self._target, carried.batch)
        _join(keys, carried.different)
        _join(keys, also)
        _join(keys, self._source.left_null(keys))
        standing = self._target.counts()
        read: dict[str, dict[str, str | None]] = {}
        for entity in self._plan.moving:
            some = keys[entity.name]
            known = self._target.known(entity.name, some) if some else {}
            unread = carried.rows[entity.name, 1] - self.store.counts(entity, some)[0]
            if unread != standing.get(entity.name, 0) - len(known):
                some |= self._on_one_side(entity.name)
                known = self._target.known(entity.name, some)
            read[entity.name] = {key: known.get(key) for key in sorted(some)}
        return read

    def _on_one_side(self, name: str) -> set[str]:
        """Give the objects that are written down and not in the key map, or the reverse."""
        return {key for (key,) in self.store.run("verified_keys", entity=name)} ^ set(self._target.all_known(name))


def _sum(one: dict[str, Decimal], other: dict[str, Decimal]) -> dict[str, Decimal]:
    return {label: one.get(label, Decimal()) + other.get(label, Decimal()) for label in one.keys() | other.keys()}


def _exhaust(lines: Iterator[bytes]) -> None:
    for _ in lines:
        pass
