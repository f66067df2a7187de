"""Number ranges: the target's are raised to the source's, never lowered.

A number that the source gave out must not be given out again by the target. The target's own may be ahead (a property
that was there before, a rehearsal): then it stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from slacktide.core.errors import OutsideError
from slacktide.transfer import verify_sql
from slacktide.transfer.sequence import Raised, raise_sequences

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Counter, Plan


class CounterMissing(OutsideError):
    """The number range {key!r} of {table} is at the source and not at the target: add it there, then go on."""


def raise_counters(
    *,
    source: psycopg.Connection[TupleRow],
    target: psycopg.Connection[TupleRow],
    plan: Plan,
    source_property: str,
    target_property: str,
) -> list[Raised]:
    """Raise every number range of the target, in one transaction of `target` (the mover's). Raises CounterMissing.

    With them the sequences behind kept keys, which the plan need not name. Done again, it changes nothing.
    """
    with target.transaction():
        raised = [
            one
            for counter in plan.counters
            for one in _raise(source, target, counter, own=source_property, theirs=target_property)
        ]  # fmt: skip
    return raised + raise_sequences(source=source, target=target, plan=plan)


def _raise(
    source: psycopg.Connection[TupleRow], target: psycopg.Connection[TupleRow], counter: Counter, *,
    own: str, theirs: str,
) -> list[Raised]:  # fmt: skip
    given = source.execute(verify_sql.counter(counter, lock=False), {"property": own}).fetchall()
    standing: dict[str, Any] = dict(
        target.execute(verify_sql.counter(counter, lock=True), {"property": theirs}).fetchall()
    )
    raised = []
    for key, value in given:
        if key not in standing:
            raise CounterMissing(key=key, table=f"{counter.schema}.{counter.table}")
        before = standing[key]
        after = before if value is None else value if before is None else max(value, before)
        if after != before:
            _set(target, counter, property_code=theirs, key=key, value=after)
        raised.append(Raised(counter.name, key, value, before, after))
    return raised


def _set(target: psycopg.Connection[TupleRow], counter: Counter, *, property_code: str, key: str, value: int) -> None:
    target.execute(verify_sql.raise_counter(counter), {"property": property_code, "key": key, "value": value})
