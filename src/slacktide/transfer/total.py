"""Control totals: what the plan's queries measure, by label, on one side.

A total belongs to an entity, and each of its rows to one object, so that totals can be carried forward object by
object (`verify_carry`). Labels that come to zero are left out, on both sides alike. At the target, objects that are
kept by reference count for their own property, not for this one.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from slacktide.transfer.verify_read import SourceReader, Subject, TargetReader
from slacktide.transfer.verify_sql import Side

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.plan.model import Total


def totals(
    *, connection: psycopg.Connection[TupleRow], side: Side, subject: Subject, business_date: date
) -> dict[str, dict[str, Decimal]]:
    """Give every control total of one side, by name and label. Raises MoveUnknown."""
    reader = (SourceReader if side is Side.SOURCE else TargetReader)(connection, subject)
    return {total.name: reader.total(total, business_date=business_date) for total in subject.plan.totals}


def depends_on_date(total: Total) -> bool:
    """Tell whether a total measures otherwise on another business date."""
    return "%(business_date)s" in total.sql
