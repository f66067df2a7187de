"""What is compared when Process starts: the journal and the target, either of which may have been restored.

1. The journal was restored: the target's last batch is unknown to it, or is another one. Batches that it makes now
   would have numbers that the target has passed, and what it knew of later changes is lost.
2. The target was restored: it lacks batches that the journal counts as applied.

Either way a new incarnation begins, numbered behind both: a new slot, and a pass over everything.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from slacktide.transfer.prepare import slot_stem

if TYPE_CHECKING:
    from slacktide.transfer.apply import Applier
    from slacktide.transfer.journal import Journal


def reconcile(journal: Journal, applier: Applier, *, move: str) -> str | None:
    """Compare the journal with the target; where they do not fit, begin a new incarnation and say why."""
    incarnation, number, checksum = applier.standing()
    floor, processed = journal.settled()
    batch = journal.batch(number)
    why = None
    if number > floor and (batch is None or (batch.incarnation, batch.checksum) != (incarnation, checksum)):
        why = f"the journal does not know the target's last batch, {number}: it was restored"
    elif processed > number:
        why = f"the target has {number} batches of {processed}: it was restored"
    if why is not None:
        name = f"slacktide_{slot_stem(move)}_{secrets.token_hex(4)}"
        journal.begin_incarnation(slot=name, behind=incarnation, floor=max(number, journal.last_batch()))
        journal.remember(f"{why}; everything is read again")
        journal.wake("synchronization")
    return why
