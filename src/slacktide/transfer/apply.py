"""Process XML: a batch becomes rows of the target, in one transaction.

The events that the order of the steps answers:

1. An owner wakes after another one has gone on: its first statement finds another last number, and all fails.
2. Two objects swap a unique value, or a deleted one hands it over: values that change or go are parked first.
3. Objects refer to each other in a circle: the columns that close it are written after all rows.
4. A part moved to another object of the batch: rows are written before parts that are gone are deleted.
5. An object of another property is referred to by nothing any more: the sweep at the end finds it.
6. The target refuses an object: it is cut out by halves and fails alone, and what refers to it waits. One that the
   batch could not hold, for want of a mapping, stays here as it is: it is not absent.
7. The process is killed after the target's commit: the batch comes again, and is the one that was applied. What became
   of it was kept in the same transaction, so that what failed or waits is told again.
8. The target is open (`prove`): whatever it has by now is its own, changed or deleted by its users as they like. So
   nothing that the key map knows is written or deleted, and what is new is proven before anybody can see it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
from psycopg import errors

from slacktide.core.errors import OutsideError
from slacktide.core.piece import pieces
from slacktide.plan import column_type
from slacktide.plan.order import closing_columns
from slacktide.plan.parking import parking_columns
from slacktide.postgres import sql
from slacktide.postgres.halving import by_halves
from slacktide.transfer import recognition, spelling, target_sql
from slacktide.transfer.message import Head, check_head
from slacktide.transfer.outcome import Applied, from_kept, to_keep, waiting, warning
from slacktide.transfer.refusal import Refused
from slacktide.transfer.source_sql import qualified
from slacktide.transfer.sweep import Sweep
from slacktide.transfer.taking_along import take_along
from slacktide.transfer.translation import Name, Translation
from slacktide.transfer.writing import Writing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from psycopg.rows import TupleRow

    from slacktide.plan.model import Plan
    from slacktide.transfer.entry import Batch, Problem
    from slacktide.transfer.message import BatchContent, BusinessObject, Present

_STATEMENTS = sql.load(__package__, "target.sql")

_ASKED_TOGETHER = 5000  # objects of a batch whose keys are asked for at once
_MOST_ABSENT = 1000  # objects of an entity that may go at once for being absent
_FEW_ABSENT = 100  # above these, a fifth of the entity is too many


Prove = Callable[[Mapping[str, Mapping[str, str]]], None]
"""Proves new objects inside the batch's transaction: by entity, their keys at the source and at the target."""


class NotTheOwner(OutsideError):
    """Batch {number} cannot be applied: the target's last one is {last} of incarnation {incarnation}.

    Another process applied what this one did not know of; it stops.
    """


class ManyAbsent(OutsideError):
    """Of the {known} objects of {entity!r} at the target {absent} would go at once: they were deleted at the source, or are absent there. Nothing was deleted. If it is meant: `slacktide move processes start {move} --allow-absent`, in the down time `slacktide move downtime resume {move} --allow-absent`; if not, look at the source first."""  # noqa: E501 -- the message is one text


class Work(msgspec.Struct):
    """A batch sorted: objects unknown to the target, changed ones, and those that go, with their target keys."""

    new: list[BusinessObject] = []
    changed: list[BusinessObject] = []
    gone: dict[str, dict[str, str]] = {}


class Known(msgspec.Struct, frozen=True):
    """What the key map says of an object: its key at the target, its content there, whether it is of others."""

    target_key: str
    hash: str | None
    outside: bool
    stays: bool


class Applier:
    """Applies the batches of one move to its target, over one connection that acts as the mover."""

    def __init__(
        self,
        connection: psycopg.Connection[TupleRow],
        *,
        plan: Plan,
        move: str,
        source_property: str,
        target_property: str,
        allow_absent: bool = False,
        prove: Prove | None = None,
        kept: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare staging on the connection; `allow_absent` lets a large share of an entity go for being absent.

        With `prove` the target is open: nothing that it knows is touched, and what is new is proven. `kept` is for a
        way back (see `returning.kept_codes`).
        """
        self._allow_absent, self._prove, self._kept = allow_absent, prove, kept
        self._connection, self._plan, self._move = connection, plan, move
        self._move_no = 0
        self._closing = closing_columns(plan.moving)
        self._properties = (source_property, target_property)
        self._parking = parking_columns(connection=connection, plan=plan)
        self._sequences = self._find_sequences()
        self._known_names: set[str] = set()
        self._staged: Counter[str] = Counter()
        for table in plan.table.values():
            connection.execute(target_sql.create_stage(table))

    def _run(self, statement: str, /, **values: Any) -> psycopg.Cursor[TupleRow]:
        return self._connection.execute(
            _STATEMENTS[statement], {"move_no": self._move_no, "move": self._move, **values}
        )

    def apply(self, batch: Batch, content: BatchContent, *, passing: bool = False) -> Applied:
        """Apply a batch exactly once; `passing` says that some of the pass is yet to come.

        Raises NotTheOwner, ForeignBatch, ManyAbsent; then nothing of it is applied.
        """
        self._check(batch, content)
        with self._connection.transaction():
            claimed = self._run(
                "claim", number=batch.number, incarnation=batch.incarnation, checksum=batch.checksum
            ).fetchone()
            if claimed is None:
                return self._again(batch, content)
            self._move_no = claimed[0]
            applied = Applied()
            translation = Translation(
                plan=self._plan, closing=self._closing,
                source_property=self._properties[0], target_property=self._properties[1],
            )  # fmt: skip
            work = self._sort(content, translation, applied, batch.number)
            self._draw(work, translation)
            along = self._take_along(work)
            self._write(work, translation, batch.number, applied)
            if self._kept is not None and not passing:
                self._let_be(work, applied)
            applied.arrived += set(content.gone) - {(p.entity, p.key) for p in applied.problems}
            applied.problems += along
            self._keep_outcome(applied, content)
        return applied

    def _check(self, batch: Batch, content: BatchContent) -> None:
        expected = Head(
            plan=self._plan.name, version=str(self._plan.version), move=self._move, property=self._properties[0],
            incarnation=batch.incarnation, number=batch.number, as_of="", snapshot="",
        )  # fmt: skip
        check_head(content.head, expected=expected)

    def standing(self) -> tuple[int, int, str]:
        """Give what was applied last: incarnation, number, checksum."""
        row = self._run("standing").fetchone()
        return (row[1], row[2], row[3]) if row else (0, 0, "")

    def _again(self, batch: Batch, content: BatchContent) -> Applied:
        """Skip a batch that is the very one applied last."""
        row = self._run("standing").fetchone()
        incarnation, number, checksum = row[1:4] if row else (0, 0, "")
        if not row or (number, incarnation, checksum) != (batch.number, batch.incarnation, batch.checksum):
            raise NotTheOwner(number=batch.number, last=number, incarnation=incarnation)
        outcome = from_kept(row[4])
        failed = {(p.entity, p.key) for p in outcome.problems if p.state != "warning"}
        return Applied(arrived=[*outcome.arrived, *(_named(content) - failed)], problems=outcome.problems)

    def _keep_outcome(self, applied: Applied, content: BatchContent) -> None:
        """Keep at the target what the batch does not say: what did not arrive, and what went for being absent."""
        unnamed = set(applied.arrived) - _named(content) if content.present else ()
        outcome = Applied(arrived=[*unnamed], problems=applied.problems)
        if outcome.arrived or outcome.problems:
            self._run("keep_outcome", outcome=to_keep(outcome))

    # -- sorting -----------------------------------------------------------------------------------------------------

    def _sort(self, content: BatchContent, translation: Translation, applied: Applied, batch: int) -> Work:
        """Tell what is new, what changed and what goes; leave out what stays the same, or has to wait."""
        asked = {(o.entity.name, o.key) for o in content.objects}
        if self._prove is None:
            spelling.rename(self._connection, plan=self._plan, move_no=self._move_no, coming=asked | content.failed)
        work = Work(gone=defaultdict(dict))
        writing: list[BusinessObject] = []
        for names in pieces(content.gone if self._prove is None else (), size=_ASKED_TOGETHER):
            known = self._known(set(names) - asked)
            may_stay = {n for n in names if self._kept is not None and n not in content.deleted}
            left = self._let_go([n for n, at in known.items() if at.stays or n in may_stay])
            for (name, key), at in ((n, at) for n, at in known.items() if n not in left):
                translation.keys[name][key] = work.gone[name][key] = at.target_key
        for some in pieces(content.objects, size=_ASKED_TOGETHER):
            writing += self._differing(some, translation, applied, batch)
        self._require_meant(work)
        for span in content.present:
            self._absent(span, asked | content.failed, work)
        for some in pieces(writing, size=_ASKED_TOGETHER):
            self._look_up(some, translation)
        spelling.resolve(
            self._connection, plan=self._plan, move_no=self._move_no, writing=writing, translation=translation
        )
        for item in self._resolvable(writing, translation, applied.problems):
            (work.changed if item.key in translation.keys[item.entity.name] else work.new).append(item)
        return work

    def _differing(
        self, items: Sequence[BusinessObject], translation: Translation, applied: Applied, batch: int
    ) -> Iterator[BusinessObject]:
        """Give those of some objects that are not at the target as they are here; keep the target's keys."""
        known = self._known((o.entity.name, o.key) for o in items)
        known |= self._recognised([o for o in items if (o.entity.name, o.key) not in known], batch)
        for item in items:
            at = known.get((item.entity.name, item.key))
            if at is not None:
                translation.keys[item.entity.name][item.key] = at.target_key
            if at is None or not self._is_as_it_should(item, at):
                yield item
                continue
            applied.arrived.append((item.entity.name, item.key))
            if at.stays and self._kept is None:
                applied.problems.append(recognition.stays(item, at.target_key))
            elif item.unmapped:
                applied.problems.append(warning(item))

    def _is_as_it_should(self, item: BusinessObject, at: Known) -> bool:
        return at.stays or self._prove is not None or (at.hash, at.outside) == (item.hash, item.outside)

    def _recognised(self, items: list[BusinessObject], batch: int) -> dict[Name, Known]:
        found = recognition.recognise(self._connection, move_no=self._move_no, batch=batch, items=items)
        self._known_names |= {name for name, _ in found}
        return {name: Known(target_key, None, outside=True, stays=True) for name, target_key in found.items()}

    def _known(self, names: Iterable[Name]) -> dict[Name, Known]:
        """Ask the key map; what its encoding lacks it cannot know."""

        def ask(some: Sequence[Name]) -> list[TupleRow]:
            return self._run("known", names=[name for name, _ in some], keys=[key for _, key in some]).fetchall()

        listed = self._possible(list(names))
        rows = by_halves(self._connection, listed, ask, unless=errors.UntranslatableCharacter)
        return {
            (name, key): Known(target, hash_ and hash_.hex, outside=outside, stays=stays)
            for name, key, target, hash_, outside, stays in rows
        }

    def _possible(self, names: list[Name]) -> list[Name]:
        """Leave out the names under which the key map knows nothing at all: while a pass is young, most."""
        unsure = {name for name, _ in names} - self._known_names
        if unsure:
            self._known_names |= {n for (n,) in self._run("any_known", names=list(unsure))}
        return [name for name in names if name[0] in self._known_names]

    def _absent(self, span: Present, asked: set[Name], work: Work) -> None:
        """Find the objects of a whole key range that the batch does not hold."""
        root = self._plan.entity[span.entity].root
        within = span.within(whole=column_type.is_whole(root.by_name[root.key[0]].type))
        known = self._run("known_in_range", name=span.entity).fetchall()
        absent = {key: target for key, target in known if (span.entity, key) not in asked and within(key)}
        if len(absent) > _MOST_ABSENT or _is_large(len(absent), of=len(known)):
            self._ask(span.entity, absent=len(absent), known=len(known))
        work.gone[span.entity].update(absent)

    def _require_meant(self, work: Work) -> None:
        """Stop and ask where a large share of an entity was deleted at once. Raises ManyAbsent."""
        for name, keys in work.gone.items():
            if len(keys) > _FEW_ABSENT:  # else the key map need not be asked
                known = len(self._run("known_in_range", name=name).fetchall())
                if _is_large(len(keys), of=known):
                    self._ask(name, absent=len(keys), known=known)

    def _ask(self, entity: str, *, absent: int, known: int) -> None:
        if not self._allow_absent:
            raise ManyAbsent(entity=entity, absent=absent, known=known, move=self._move)

    def _look_up(self, writing: Sequence[BusinessObject], translation: Translation) -> None:
        """Find the target's keys of everything that these objects bring or refer to."""
        names: set[Name] = set()
        for item in writing:
            names.update(translation.provides(item), translation.asks(item))
        for (name, key), at in self._known(names).items():
            translation.keys[name][key] = at.target_key

    def _resolvable(
        self, writing: list[BusinessObject], translation: Translation, problems: list[Problem]
    ) -> list[BusinessObject]:
        """Leave out, again and again, the objects that refer to one that neither is there nor comes."""
        kept = writing
        while True:
            coming = {name for item in kept for name in translation.provides(item)}
            staying = []
            for item in kept:
                missing = next(
                    (n for n in translation.asks(item) if n not in coming and n[1] not in translation.keys[n[0]]),
                    None,
                )
                if missing is None:
                    staying.append(item)
                else:
                    problems.append(waiting(item, missing))
            if len(staying) == len(kept):
                return kept
            kept = staying

    def _draw(self, work: Work, translation: Translation) -> None:
        """Draw the keys of rows that are new, from the target's own sequences; a kept key is the source's."""
        wanted: dict[str, list[str]] = defaultdict(list)
        for item in (*work.new, *work.changed):
            for name, key in translation.provides(item):
                if key not in translation.keys[name]:
                    wanted[name].append(key)
        for name, keys in wanted.items():
            translation.keys[name].update(zip(keys, self._drawn(name, keys), strict=True))
            translation.fresh[name].update(keys)

    def _drawn(self, name: str, keys: list[str]) -> list[str]:
        if name not in self._sequences:
            return keys
        return [key for (key,) in self._run("draw", sequence=self._sequences[name], count=len(keys))]

    def _find_sequences(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, table in self._plan.table.items():
            if table.drawn:
                quoted = qualified(table).as_string(self._connection)
                row = self._run("sequence", table=quoted, column=table.key[0]).fetchone()
                found[name] = row[0] if row else ""
        return found

    # -- writing -----------------------------------------------------------------------------------------------------

    def _let_go(self, names: Sequence[Name]) -> set[Name]:
        return recognition.let_go(self._connection, plan=self._plan, move_no=self._move_no, names=names)

    def _let_be(self, work: Work, applied: Applied) -> None:
        """On the way back, let what is not the property's own stay where something here still refers to it.

        While the pass goes on that may be the property's own, which comes with its change.
        """
        refused = [(p.entity, p.key) for p in applied.problems if p.key in work.gone.get(p.entity, {})]
        needed = self._let_go(refused)
        applied.problems = [p for p in applied.problems if (p.entity, p.key) not in needed]

    def _take_along(self, work: Work) -> list[Problem]:
        """On the way back, take away what only stands here and refers to what goes; name it."""
        if self._kept is None:
            return []
        own = {name: keys for name, keys in work.gone.items() if not self._plan.entity[name].shared}
        return take_along(self._connection, plan=self._plan, move_no=self._move_no, gone=own)

    def _write(self, work: Work, translation: Translation, number: int, applied: Applied) -> None:
        sweep = Sweep(self._connection, plan=self._plan, move_no=self._move_no, translation=translation)
        writing = Writing(
            self._connection, plan=self._plan, translation=translation, parking=self._parking, sweep=sweep,
            move_no=self._move_no, batch=number, staged=self._staged, kept=self._kept,
        )  # fmt: skip
        sweep.remember(changed=work.changed, gone=work.gone)
        try:
            with self._connection.transaction():
                writing.write(new=work.new, changed=work.changed, gone=work.gone)
            done = [*work.new, *work.changed]
        except Refused:
            done = writing.in_pieces(new=work.new, changed=work.changed, gone=work.gone, problems=applied.problems)
        applied.written = len(done)
        if self._prove is not None:
            keys: dict[str, dict[str, str]] = defaultdict(dict)
            for item in done:
                keys[item.entity.name][item.key] = translation.keys[item.entity.name][item.key]
            self._prove(keys)
        failed = {(problem.entity, problem.key) for problem in applied.problems}
        going = {(n, k) for n, keys in work.gone.items() for k in keys}
        applied.arrived += [(o.entity.name, o.key) for o in done] + sorted(going - failed)
        applied.problems += [warning(o) for o in done if o.unmapped]


def _named(content: BatchContent) -> set[Name]:
    return {(o.entity.name, o.key) for o in content.objects} | set(content.gone)


def _is_large(absent: int, *, of: int) -> bool:
    return absent > _FEW_ABSENT and absent * 5 > of
