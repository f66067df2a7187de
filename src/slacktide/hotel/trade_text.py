"""Texts as people at a front desk leave them: names, notes and messages, and the dirt that comes with them.

A move has to carry every character that a database can hold, so the dirt is what breaks the formats on the way: line
ends, tabs, quotes, markup, backslashes, the null of COPY, control characters, blanks at the ends, marks that combine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from slacktide.hotel import person

if TYPE_CHECKING:
    from slacktide.hotel.dice import Dice

_DIRT = (
    "line one\nline two", "from a fax\r\n", "tab\there", "\\N", "\\", "\\.", 'he said "no"', "it's", "<&>", "]]>",
    "&amp;&#10;", "\x01\x02\x1f", "\x07bell", "\x7f\x80\x9f", "\u2028\u2029\u0085", "\ufeffmark", "e\u0301 and é",
    "👩‍👩‍👧 🎂", "  ", "",
    "{curly} %s %(percent)s", "$1 $$", "x" * 3000, "\x1b[31mred", "\u202eright to left",
)  # fmt: skip


def note(dice: Dice) -> str:
    """Make a note: one or two bits of dirt around something said."""
    return f"{dice.choice(_DIRT)} {person.message(dice)}{dice.choice(_DIRT)}"


def name(dice: Dice) -> str:
    """Make a last name; one in eight is dirty."""
    return person.last_name(dice) + (f" {dice.choice(_DIRT)}" if dice.one_in(8) else "")


def message(dice: Dice) -> str:
    """Make the text of a message; one in three is dirty."""
    return note(dice) if dice.one_in(3) else person.message(dice)


def telephone(dice: Dice) -> str:
    """Make a telephone number."""
    return person.telephone(dice)


def email(dice: Dice) -> str:
    """Make an address that reaches nobody."""
    return person.email(dice, number=dice.below(1_000_000))
