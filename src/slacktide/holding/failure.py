"""What follows from a failure: a pure function of the SQLSTATE and of how often it has happened.

1. The item is wrong (the ERP refuses its data): it uses up a retry, and steps aside after its last one, so that one
   bad item does not keep an organization's work for ever.
2. The ERP is wrong (it cannot be reached, it is full, a table is missing): no item is to blame, so none uses up a
   retry, or an hour without an ERP would set all work aside. A run of these stops the release of the organization,
   visibly.
3. The database's own guard refuses: it knew of a downtime before we did. That is a hold, not a failure.
4. Two transactions were in each other's way: again, at once, at no cost.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

from slacktide.core.errors import SQLSTATE_CLOSED, SQLSTATE_REFERENCE_ONLY

RETRIES = 3
STOPPED_AFTER = 3
_FIRST_PAUSE = timedelta(seconds=0.5)
_BUSY = timedelta(seconds=0.1)
_ITEM_CLASSES = ("22", "23", "P0")
_AGAIN = ("40001", "40P01", "55P03")


class Kind(StrEnum):
    """Whose failure it is."""

    HELD = "held"
    LEFT = "left"
    AGAIN = "again"
    ITEM = "item"
    ERP = "erp"


def kind_of(sqlstate: str | None) -> Kind:
    """Tell whose failure an SQLSTATE is; None is a connection that was lost or never came."""
    own = {SQLSTATE_CLOSED: Kind.HELD, SQLSTATE_REFERENCE_ONLY: Kind.LEFT}
    if sqlstate in own:
        return own[sqlstate]
    if sqlstate in _AGAIN:
        return Kind.AGAIN
    return Kind.ITEM if sqlstate is not None and sqlstate.startswith(_ITEM_CLASSES) else Kind.ERP


def used_up(attempts: int) -> bool:
    """Tell whether an item has failed as often as it may."""
    return attempts >= RETRIES


def stopped(failures: int) -> bool:
    """Tell whether a run of failures of the ERP stops the release."""
    return failures >= STOPPED_AFTER


def pause(times: int, *, recheck: timedelta) -> timedelta:
    """Give how long is waited after so many failures: twice as long each time, up to the recheck interval."""
    return min(_FIRST_PAUSE * (1 << min(times - 1, 20)), recheck)


def busy_pause(times: int) -> timedelta:
    """Give how long is waited where somebody is in the way: not longer than held work may take to go on."""
    return min(_BUSY * (1 << min(times - 1, 4)), timedelta(seconds=1))


def reading_pause(age: timedelta, *, recheck: timedelta) -> timedelta:
    """Give when a result is read next: soon at first, later the longer it has been sent."""
    return min(max(timedelta(seconds=0.2), age / 4), recheck)
