"""What follows from a failed sending: a pure function of whose failure it is and of how often it has happened.

1. The delivery is refused for good (no such mailbox): it is given up at once.
2. It fails for now (the mailbox is full, the webhook answers 500, a server hangs): it uses up an attempt and is tried
   again, later each time, and given up after the last one, an hour and a half after the first.
3. The server of all of them fails (it cannot be reached, it does not take our log-in): no delivery is to blame. The
   channel waits, longer each time.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum

import msgspec

ATTEMPTS = 8
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=1)
_CHANNEL_FIRST = timedelta(seconds=2)
_CHANNEL_LONGEST = timedelta(minutes=5)
_SAID = 300


class Whose(StrEnum):
    """Whose failure it is."""

    REFUSED = "refused"
    DELIVERY = "delivery"
    CHANNEL = "channel"


class Failure(msgspec.Struct, frozen=True):
    """Why a sending failed, in the words of the list."""

    whose: Whose
    because: str


def failure(whose: Whose, because: str, *, secret: str = "") -> Failure:
    """Give a failure with what a server said, on one line, not too long, and never with the secret."""
    said = " ".join(because.split())
    return Failure(whose, (said.replace(secret, "***") if secret else said)[:_SAID])


def used_up(attempts: int) -> bool:
    """Tell whether a delivery has been tried as often as it may."""
    return attempts >= ATTEMPTS


def pause(attempts: int) -> timedelta:
    """Give how long a delivery waits after so many attempts."""
    return min(_FIRST_PAUSE * (1 << min(attempts - 1, 20)), _LONGEST_PAUSE)


def channel_pause(failures: int) -> timedelta:
    """Give how long a channel waits after so many failures in a row."""
    return min(_CHANNEL_FIRST * (1 << min(failures - 1, 20)), _CHANNEL_LONGEST)
