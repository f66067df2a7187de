"""Rows on their way into the tables: a temporary file of COPY text for each, so that memory stays small.

The rows of a booking go to many tables at once, and a table's rows must come after those that they refer
to. So all rows are written out first, then the files are copied in the order of references, in one
transaction.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Self

from psycopg import sql

if TYPE_CHECKING:
    import io

    from psycopg import Connection

_TABLES = {
    "property": "code name time_zone currency_code business_date",
    "room_type": "property_code code name beds",
    "room": "property_code room_no room_type floor",
    "rate_code": "property_code code name",
    "market_code": "property_code code name",
    "source_code": "property_code code name",
    "meal_code": "property_code code name",
    "function_space": "property_code code name seats",
    "cashier": "property_code cashier_no name open_since",
    "app_user": "property_code user_name full_name account role cashier_no",
    "number_range": "property_code name last_number",
    "profile": ("profile_id kind last_name first_name membership_no external_no country_code birth_date vip note"),
    "profile_communication": "profile_id kind value",
    "block": ("block_id property_code block_code name status profile_id market_code arrival departure cutoff"),
    "block_room": "block_id stay_date room_type property_code held picked_up",
    "reservation": (
        "reservation_id property_code confirmation_no status profile_id agent_id company_id block_id "
        "sharer_of_id arrival departure room_type room_no rate_code market_code source_code meal_code "
        "country_code adults children babies rate_amount currency_code guarantee booked_on "
        "repeated_guest previous_cancellations previous_stays changes waiting_days parking_spaces "
        "special_requests note source_row source_status source_status_date source_room_type "
        "source_weekend_nights odd"
    ),
    "reservation_night": "reservation_id stay_date property_code room_type room_no rate_amount",
    "routing_instruction": "reservation_id instruction_no window_no transaction_code payee_id",
    "folio": "folio_id property_code reservation_id folio_no title settled_on",
    "folio_window": "folio_id window_no payee_id",
    "posting": (
        "posting_id folio_id window_no transaction_code currency_code amount business_date cashier_no description"
    ),
    "deposit": "property_code reservation_id status transaction_code currency_code amount received_on",
    "card_batch": "property_code batch_no business_date currency_code amount settled_at",
    "ar_account": "ar_account_id property_code account_no profile_id credit_limit",
    "ar_invoice": "ar_invoice_id ar_account_id invoice_no currency_code original_date status",
    "ar_invoice_line": "ar_invoice_id line_no posting_id amount description",
    "ar_payment": "ar_invoice_id amount paid_on",
    "event": "event_id property_code block_id profile_id name status starts_at ends_at attendees note",
    "event_space": "event_id space_code property_code setup",
    "event_resource": "event_id item quantity currency_code price",
    "out_of_order": "property_code room_no first_date last_date reason",
    "telephone_entry": "property_code category name number note",
    "guest_message": "property_code reservation_id sender body received_at delivered_at",
    "trace": "property_code reservation_id department due_on body resolved_at",
    "statistic_day": "property_code business_date market_code rooms guests revenue",
    "stay_history": "property_code profile_id arrival departure room_type market_code currency_code revenue note",
    "attachment": "property_code reservation_id profile_id name media_type content",
    "work_order": "property_code room_no task reported_on done_on",
}
_CHUNK_BYTES = 1 << 18
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def text(value: str) -> str:
    r"""Escape free text for COPY: backslash, tab and line ends."""
    return value.translate(_ESCAPED)


def money(cents: int) -> str:
    """Write an amount in cents as the database writes it."""
    return f"{cents / 100:.2f}"


class Spool:
    """The rows of all tables. Use it as a context manager: its files go at the end."""

    def __init__(self) -> None:
        """Make the temporary folder."""
        self._folder = TemporaryDirectory(prefix="slacktide-hotel-")
        self._files: dict[str, io.TextIOWrapper] = {}
        self._last: dict[str, int] = {}
        self.rows: dict[str, int] = dict.fromkeys(_TABLES, 0)

    def __enter__(self) -> Self:
        """Open a file for each table."""
        for table in _TABLES:
            self._files[table] = self._path(table).open("w", encoding="utf-8", newline="", buffering=1 << 16)
        return self

    def __exit__(self, *_: object) -> None:
        """Close and remove the files."""
        for file in self._files.values():
            file.close()
        self._folder.cleanup()

    def draw(self, table: str) -> int:
        """Draw the next key of a table."""
        self._last[table] = self._last.get(table, 0) + 1
        return self._last[table]

    def add(self, table: str, *values: object) -> None:
        """Write one row. Free text has to be escaped by `text`; None is null."""
        self._files[table].write("\t".join(["\\N" if v is None else str(v) for v in values]) + "\n")
        self.rows[table] += 1

    def copy(self, connection: Connection[Any]) -> None:
        """Copy all rows into the hotel's tables, and set the sequences behind the keys drawn here."""
        with connection.cursor() as cursor:
            for table, columns in _TABLES.items():
                self._files[table].flush()
                statement = sql.SQL("copy hotel.{} ({}) from stdin").format(
                    sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns.split()))
                )
                with cursor.copy(statement) as copy, self._path(table).open("rb") as file:
                    while chunk := file.read(_CHUNK_BYTES):
                        copy.write(chunk)
            for table, last in self._last.items():
                cursor.execute(
                    "select setval(pg_get_serial_sequence(%s, %s), %s)",
                    [f"hotel.{table}", f"{table}_id", last],
                )

    def _path(self, table: str) -> Path:
        return Path(self._folder.name) / table
