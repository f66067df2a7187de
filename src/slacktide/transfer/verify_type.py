"""The canonical form of a value: the same text on both sides exactly when the value is the same.

It is computed by the database that holds the value, so that what Python, XML or COPY would make of it does not enter.
"""

from __future__ import annotations

from psycopg.sql import SQL, Composable, Composed

from slacktide.plan.column_type import base

# A string of a JSON text is put back as it is; a fraction loses its trailing zeros, or goes where it has no other.
_JSON_ZEROS = r'("(?:[^"\\]|\\.)*")|(\.\d*[1-9])0+(?!\d)|\.0+(?!\d)'
_FORMS = {
    "numeric": "trim_scale({})::text",
    "real": "encode(float4send({} + 0::real), 'hex')",  # -0 + 0 is 0
    "double precision": "encode(float8send({} + 0::float8), 'hex')",
    "timestamp with time zone": "trim_scale(extract(epoch from {}) * 1000000)::text",  # infinity is Infinity
    "timestamp without time zone": "trim_scale(extract(epoch from {}) * 1000000)::text",
    "interval": "encode(interval_send({}), 'hex')",  # microseconds, days, months
    "bytea": "encode({}, 'hex')",
    "character": "rtrim({}::text, ' ')",
    "json": f"regexp_replace({{}}::jsonb::text, '{_JSON_ZEROS}', '\\1\\2', 'g')",
    "jsonb": f"regexp_replace({{}}::text, '{_JSON_ZEROS}', '\\1\\2', 'g')",
}


def canonical(value: Composable, *, type_name: str) -> Composed:
    """Write the canonical text of a value of this type; NULL stays NULL.

    Dates, arrays and what has no form of its own are taken by their text, which a session of ours has fixed.
    """
    return SQL(_FORMS.get(base(type_name), "{}::text")).format(value)
