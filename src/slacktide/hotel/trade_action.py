"""Everything that a clerk may do, and how often: `ACTIONS` by name, each with its share."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import TYPE_CHECKING

from slacktide.hotel import trade_block, trade_booking, trade_desk, trade_ledger, trade_profile, trade_stay
from slacktide.hotel.trade_work import Work

if TYPE_CHECKING:
    from slacktide.hotel.dice import Dice

Action = Callable[[Work], None]

_SHARES: tuple[tuple[Action, int], ...] = (
    (trade_booking.book, 14),
    (trade_booking.share, 2),
    (trade_booking.change, 12),
    (trade_booking.cancel, 5),
    (trade_booking.swap_confirmations, 3),
    (trade_booking.move_night, 4),
    (trade_booking.rebook, 3),
    (trade_booking.purge, 2),
    (trade_stay.check_in, 6),
    (trade_stay.check_out, 5),
    (trade_stay.change_room, 3),
    (trade_stay.swap_rooms, 3),
    (trade_ledger.charge, 10),
    (trade_ledger.move_posting, 4),
    (trade_ledger.move_posting_away, 1),
    (trade_ledger.split_window, 3),
    (trade_ledger.take_deposit, 4),
    (trade_ledger.refund_deposit, 2),
    (trade_ledger.raise_invoice, 3),
    (trade_ledger.settle_invoice, 3),
    (trade_ledger.move_invoice, 1),
    (trade_ledger.open_account, 1),
    (trade_ledger.settle_cards, 1),
    (trade_profile.edit, 6),
    (trade_profile.swap_memberships, 3),
    (trade_profile.merge, 3),
    (trade_block.open_block, 2),
    (trade_block.pick_up, 4),
    (trade_block.cancel_block, 1),
    (trade_block.delete_block, 2),
    (trade_desk.write_message, 4),
    (trade_desk.deliver_message, 4),
    (trade_desk.write_trace, 4),
    (trade_desk.resolve_trace, 4),
    (trade_desk.write_number, 2),
    (trade_desk.edit_number, 4),
    (trade_desk.close_room, 2),
    (trade_desk.open_room, 2),
    (trade_desk.plan_event, 3),
    (trade_desk.change_event, 3),
    (trade_desk.cancel_event, 2),
)
ACTIONS: dict[str, Action] = {action.__name__: action for action, _ in _SHARES}
_NAMES = tuple(ACTIONS)
_ENDS = tuple(accumulate(share for _, share in _SHARES))


def choose(dice: Dice) -> str:
    """Choose an action by its share."""
    throw = dice.below(_ENDS[-1])
    return next(name for name, end in zip(_NAMES, _ENDS, strict=True) if throw < end)
