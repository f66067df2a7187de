"""What is done to guests' profiles: edited, swapped membership numbers, merged.

A profile belongs to no property, so no closing protects it by itself. Whoever edits one does it for a guest of the
property: each action makes the guest's reservation its own first, and so is refused once the property is closed.
"""

from __future__ import annotations

from slacktide.hotel import trade_text
from slacktide.hotel.trade_booking import guest_of, pick_reserved
from slacktide.hotel.trade_work import NothingToDoError, Work

_MERGED = ("reservation", "folio", "block", "event", "ar_account")


def _guest(work: Work) -> int:
    """Pick a guest of the property, in house or still to come, by a reservation that becomes the transaction's own."""
    coming = work.dice.one_in(2)
    picked = pick_reserved(work) if coming else work.one("pick_in_house", skip=work.dice.below(30))
    return guest_of(work, work.touch("reservation", picked["key"]))


def edit(work: Work) -> None:
    """Edit a profile and its addresses."""
    dice, key = work.dice, _guest(work)
    work.change("profile", key, last_name=trade_text.name(dice), vip=dice.one_in(3), note=trade_text.note(dice))
    known = work.rows("communications", key=key)
    if known and dice.one_in(2):
        work.run("change_communication", key=dice.choice(known)["key"], value=trade_text.note(dice))
    elif known and dice.one_in(3):
        work.run("remove_communications", key=key)
    else:
        work.put("profile_communication", profile_id=key, kind="telephone", value=trade_text.telephone(dice))


def swap_memberships(work: Work) -> None:
    """Give two guests each other's membership number, or give one to a guest who has none."""
    first, second = _guest(work), _guest(work)
    if first == second:
        raise NothingToDoError
    one = work.touch("profile", first)["membership_no"] or 80_000_000 + first
    other = work.touch("profile", second)["membership_no"]
    work.change("profile", first, membership_no=None)
    work.change("profile", second, membership_no=one)
    work.change("profile", first, membership_no=other)


def merge(work: Work) -> None:
    """Merge a guest's profile into another: what refers to it is pointed at the other, and it is deleted.

    If something of another property refers to it the database refuses to delete it.
    """
    key, to = _guest(work), _guest(work)
    if key == to:
        raise NothingToDoError
    work.touch("profile", key, kind="guest")
    work.touch("profile", to, kind="guest")
    for entity in _MERGED:
        work.changed(entity, work.rows(f"merge_{entity}", key=key, to=to))
    work.changed("reservation", work.rows("merge_payee", key=key, to=to))
    for table in ("stay_history", "attachment"):
        work.run(f"merge_{table}", key=key, to=to)
    work.run("move_communications", key=key, to=to)
    work.remove("profile", key)
