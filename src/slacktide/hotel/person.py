"""People and texts that the bookings do not hold: made, and some of them as dirty as real ones are."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from slacktide.hotel.dice import Dice

_FIRST = (
    "Ana", "João", "Maria", "Rui", "Inês", "Tiago", "Sofia", "Pedro", "Emma", "Oliver", "Grace", "Harry",
    "Claire", "Luc", "Élodie", "Hugo", "Carmen", "Javier", "Lucía", "Íñigo", "Anke", "Jürgen", "Björn",
    "Heike", "Giulia", "Marco", "Siobhán", "Seán", "Mieke", "Joost", "Yuki", "Wei", "Olga", "Ivan",
    "Fatima", "Omar", "Ayşe", "Łukasz",
)  # fmt: skip
_LAST = (
    "Silva", "Santos", "Ferreira", "Pereira", "Gonçalves", "Araújo", "Smith", "Jones", "Taylor", "Brown",
    "O'Neill", "Martin", "Bernard", "Lefèvre", "Dubois", "García", "Muñoz", "Fernández", "Müller",
    "Schäfer", "Weiß", "Rossi", "Bianchi", "D'Angelo", "Murphy", "Walsh", "De Vries", "van den Berg",
    "Tanaka", "陈", "Ivanova", "Kowalski", "Yildiz", "Haddad", "Nguyễn", "Andersson", "Sørensen",
    "Popescu", "Horvat", "Costa e Silva",
)  # fmt: skip
# What front desks really type: quotes, markup, tabs, line ends, backslashes, emoji, a combining mark, blanks.
_DIRT = (
    'called "the boss"', "<b>VIP</b> & family", "late\tarrival", "line one\nline two", "C:\\fax\\inbox",
    "🎂 birthday", "Zoe\u0308 with a combining mark", "  two blanks  ", "\\N", "\r\nfrom a fax",
    "100 % sure; 'quoted'", "]]> <!-- -->", "&amp;",
)  # fmt: skip
_FIRMS = (
    "Travel",
    "Viagens",
    "Tours",
    "Reisen",
    "Holdings",
    "Consult",
    "Logistics",
    "Energia",
    "Systems",
    "Trading",
)
_STREETS = (
    "Rua Augusta",
    "High Street",
    "Rue de la Paix",
    "Hauptstraße",
    "Calle Mayor",
    "Via Roma",
    "Avenida Brasil",
)
_BODIES = (
    "Please call back.", "Your taxi is booked for 7:30.", "The meeting has moved to room 3.",
    "Parcel at the desk.", "Your colleague arrives tomorrow.", "The restaurant has a table at 20:00.",
    "Fax received.",
)  # fmt: skip
_TASKS = (
    "Flowers in the room", "Baby cot", "Check passport copy", "Collect deposit", "Late check-out agreed",
    "Extra pillow", "Allergy: nuts", "Airport pick-up", "Quiet room", "Invoice to the company",
)  # fmt: skip


def first_name(dice: Dice) -> str:
    """Make a first name."""
    return dice.choice(_FIRST)


def last_name(dice: Dice) -> str:
    """Make a last name; one in 150 carries dirt."""
    name = dice.choice(_LAST)
    return f"{name} {dice.choice(_DIRT)}" if dice.one_in(150) else name


def firm(dice: Dice, *, number: str) -> str:
    """Make the name of a company or an agent, whose number is all that the bookings say."""
    return f"{dice.choice(_LAST)} {dice.choice(_FIRMS)} {number}"


def email(dice: Dice, *, number: int) -> str:
    """Make an address that reaches nobody."""
    return f"guest{number}.{dice.below(1000)}@example.org"


def address(dice: Dice) -> str:
    """Make a postal address; it has two lines."""
    return f"{dice.choice(_STREETS)} {dice.below(200) + 1}\n{dice.below(90000) + 10000}"


def telephone(dice: Dice) -> str:
    """Make a telephone number."""
    return f"+{dice.below(90) + 10} {dice.below(900) + 100} {dice.below(900000) + 100000}"


def message(dice: Dice) -> str:
    """Make the text of a message; one in 12 carries dirt."""
    return f"{dice.choice(_BODIES)} {dice.choice(_DIRT)}" if dice.one_in(12) else dice.choice(_BODIES)


def task(dice: Dice) -> str:
    """Make the text of a trace; one in 20 carries dirt."""
    return f"{dice.choice(_TASKS)} {dice.choice(_DIRT)}" if dice.one_in(20) else dice.choice(_TASKS)


def note(dice: Dice) -> str:
    """Make a note, which is nothing but dirt."""
    return dice.choice(_DIRT)
