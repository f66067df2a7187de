"""What the sales office does with blocks: open with a master reservation, pick up, cancel, delete.

A block and its master reservation refer to each other; deleting both in one transaction is the hardest case for
whoever copies them.
"""

from __future__ import annotations

from datetime import timedelta

from slacktide.hotel import trade_text
from slacktide.hotel.trade_booking import erase, erase_guest, new_guest, new_reservation
from slacktide.hotel.trade_work import NothingToDoError, Work


def open_block(work: Work) -> None:
    """Open a block whose first pick-up is its master reservation."""
    dice = work.dice
    arrival = work.soon()
    days = {"arrival": arrival, "departure": arrival + timedelta(1 + dice.below(4))}
    blocks: list[int] = []
    reservations: list[int] = []
    with work.counting(reservations=reservations, blocks=blocks):
        block = work.add(
            "block",
            property_code=work.hotel.property,
            block_code=f"T-{work.number('confirmation')}",
            name=trade_text.name(dice),
            status=dice.choice(("definite", "tentative")),
            market_code=work.code("market"),
            **days,
        )
        room_type = work.code("room_type")
        work.run("add_block_rooms", key=block, room_type=room_type, held=2 + dice.below(4), **days)
        master = new_reservation(work, profile_id=new_guest(work), block_id=block, room_type=room_type, **days)
        work.run("pick_up", block=block, key=master, rooms=1)
        work.change("block", block, master_reservation_id=master)
        blocks.append(block)
        reservations.append(master)


def pick_up(work: Work) -> None:
    """Book a room out of a block."""
    block = work.touch("block", work.one("pick_open_block", first=work.first("block"))["key"])["block_id"]
    rooms = work.one("block_rooms", key=block)
    reservations: list[int] = []
    with work.counting(reservations=reservations, blocks=[block]):
        key = new_reservation(work, profile_id=new_guest(work), block_id=block, **rooms)
        work.run("pick_up", block=block, key=key, rooms=1)
        reservations.append(key)


def cancel_block(work: Work) -> None:
    """Cancel a block, or make a tentative one definite; who has picked up a room keeps it."""
    key = work.pick("block")
    status = work.touch("block", key)["status"]
    if status == "cancelled":
        raise NothingToDoError
    with work.counting(blocks=[key]):
        work.change("block", key, status="definite" if status == "tentative" else "cancelled")


def delete_block(work: Work) -> None:
    """Delete a block and its master reservation, which refer to each other, with its guest."""
    picked = work.one("pick_lone_block", skip=work.dice.below(3))
    block, master = picked["key"], picked["master_reservation_id"]
    work.touch("block", block, master_reservation_id=master)
    with work.counting(blocks=[block]):
        work.change("block", block, master_reservation_id=None)
        work.run("remove_block_rooms", key=block)
        erase(work, master)
        work.remove("block", block)
    erase_guest(work, picked["profile_id"])
