"""The types of columns, as far as a plan needs to know them without a database.

PostgreSQL has several names for one type. A plan may use any of them; `base` gives PostgreSQL's own.
"""

from __future__ import annotations

import re

_ALIASES = {
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "decimal": "numeric",
    "float4": "real",
    "float": "double precision",
    "float8": "double precision",
    "bool": "boolean",
    "varchar": "character varying",
    "char": "character",
    "bpchar": "character",
    "timestamptz": "timestamp with time zone",
    "timestamp": "timestamp without time zone",
    "timetz": "time with time zone",
    "time": "time without time zone",
}
_MODIFIER = re.compile(r"\s*\(\s*([^)]*?)\s*\)\s*")
_SHAPE = re.compile(r'^[A-Za-z_"][\w ."]*(\(\s*\d+\s*(,\s*-?\d+\s*)?\))?[A-Za-z ]*(\[\])*$')

WHOLE = frozenset({"smallint", "integer", "bigint"})
TEXT = frozenset({"text", "character varying", "character", "citext"})
# Of a float only -0 and 0 are equal and not the same, and verification takes them for the same.
_EXACT = WHOLE | {
    "boolean", "date", "oid", "uuid", "bytea", "money", "real", "double precision", "timestamp with time zone",
    "timestamp without time zone", "time with time zone", "time without time zone",
}  # fmt: skip


def is_type(text: str) -> bool:
    """Tell whether a text has the shape of a type's name."""
    return bool(_SHAPE.match(text))


def base(text: str) -> str:
    """Give PostgreSQL's own name of a type, without its modifier: `varchar(20)` is `character varying`."""
    plain = " ".join(_MODIFIER.sub(" ", text).lower().split())
    element = plain.removesuffix("[]").strip()
    array = "[]" if plain.endswith("[]") else ""
    return _ALIASES.get(element, element) + array


def is_whole(text: str) -> bool:
    """Tell whether keys of a type are in the order of whole numbers; all others are in that of their text's bytes."""
    return base(text) in WHOLE


def is_text(text: str) -> bool:
    """Tell whether a type is one of the texts, whose values are compared in a collation; of domains it is not known."""
    return base(text).rpartition(".")[2] in TEXT


def is_exact(text: str) -> bool:
    """Tell whether values of a type that are equal are the same in every digit.

    Intervals ('1 day' and '24:00:00'), fractions of no fixed length (1.0 and 1.00), and texts, whose collation or type
    may not tell case apart, are not; nor is what is not known here, such as domains and arrays.
    """
    return base(text) in _EXACT or (base(text) == "numeric" and bool(modifier(text)))


def without_modifier(text: str) -> str:
    """Give a type as it is written, but for its modifier: `hotel.money_amount` stays itself."""
    return " ".join(_MODIFIER.sub(" ", text).split())


def modifier(text: str) -> tuple[int, ...]:
    """Give the numbers in a type's parentheses, as PostgreSQL fills them in: `numeric(12)` has (12, 0)."""
    found = _MODIFIER.search(text)
    numbers = tuple(int(number) for number in found[1].split(",")) if found else ()
    if base(text) == "numeric" and len(numbers) == 1:
        return (*numbers, 0)
    if base(text) == "character" and not numbers and "bpchar" not in text.lower():
        return (1,)
    return numbers
