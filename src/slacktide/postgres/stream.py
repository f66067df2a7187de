"""The replication stream: a walsender's connection, decoded message by message.

The stream says what happened in commit order. What is confirmed to the server is only what the caller made durable:
the server may forget everything before it. A stream that breaks raises; the caller opens a new one, which begins at
what was confirmed last, and drops what it has already. How long the server waits for one who takes nothing is its own
`wal_sender_timeout`, and not ours to shorten.
"""

from __future__ import annotations

import select
from struct import Struct
from typing import TYPE_CHECKING, Self

import msgspec
import psycopg
from psycopg import pq, sql

from slacktide.core.errors import OutsideError
from slacktide.postgres.connection import FIXED_SETTINGS, OF_THE_CLIENT, Unreachable, resolved, shown
from slacktide.postgres.fitting import fitting
from slacktide.postgres.pgoutput import Decoded, decode
from slacktide.postgres.position import format_lsn, parse_lsn

if TYPE_CHECKING:
    from collections.abc import Iterator

_DATA = Struct("!cQQq")
_KEEPALIVE = Struct("!cQqB")
_DATA_KIND = ord("w")
_FEEDBACK = Struct("!cQQQqB")


class StreamEnded(OutsideError):
    """The replication stream of the slot {slot!r} ended: {reason}."""


class SlotNotCreated(OutsideError):
    """The replication slot {slot!r} could not be made: {reason}."""


class CreatedSlot(msgspec.Struct, frozen=True):
    """A slot just made: where decoding becomes complete, and the name of the snapshot of that point."""

    name: str
    consistent_point: int
    snapshot_name: str


class Keepalive(msgspec.Struct, frozen=True, gc=False):
    """The server has sent everything up to `end`; where `reply`, it wants to hear from us."""

    end: int
    reply: bool


class ReplicationStream:
    """One walsender connection. `create_slot` first or `start` at once."""

    def __init__(self, address: str, *, name: str, options: str = "") -> None:
        """Connect to the database at `address`. Raises Unreachable."""
        try:
            self._connection = psycopg.connect(
                resolved(address),
                autocommit=True,
                application_name=fitting(f"slacktide {name}"),
                options=f"{FIXED_SETTINGS} {options}",
                connect_timeout=10,
                replication="database",
                **OF_THE_CLIENT,
            )
        except psycopg.OperationalError as error:
            raise Unreachable(address=shown(address), reason=" ".join(str(error).split())) from error
        self._raw = self._connection.pgconn
        self._slot = ""
        self.durable = 0

    def __enter__(self) -> Self:
        """Give the stream itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """Close the connection; the slot stays."""
        self._connection.close()

    def fileno(self) -> int:
        """Give the socket, to wait on."""
        return self._raw.socket

    def create_slot(self, slot: str) -> CreatedSlot:
        """Make a logical slot and export its snapshot, which lives until this connection's next command.

        This waits for every transaction of the whole cluster that was writing when it began. Raises SlotNotCreated.
        """
        command = sql.SQL("CREATE_REPLICATION_SLOT {} LOGICAL pgoutput (SNAPSHOT 'export')").format(
            sql.Identifier(slot)
        )
        result = self._raw.exec_(command.as_bytes(self._connection))
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise SlotNotCreated(slot=slot, reason=result.get_error_message())
        return CreatedSlot(slot, parse_lsn(_cell(result, 1)), _cell(result, 2))

    def start(self, slot: str, *, publication: str, position: int) -> None:
        """Begin to stream what commits behind `position`, or behind what the slot has confirmed. Raises StreamEnded."""
        self._slot, self.durable = slot, position
        command = sql.SQL(
            "START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {}, messages 'true')"
        ).format(sql.Identifier(slot), sql.SQL(format_lsn(position)), sql.Literal(publication))
        result = self._raw.exec_(command.as_bytes(self._connection))
        if result.status != pq.ExecStatus.COPY_BOTH:
            raise StreamEnded(slot=slot, reason=result.get_error_message())
        self._raw.nonblocking = 1

    def received(self) -> Iterator[Decoded | Keepalive]:
        """Give what has arrived, without waiting. Raises StreamEnded."""
        self._consume()
        while True:
            length, data = self._raw.get_copy_data(1)
            if length == 0:
                return
            if length < 0:
                raise StreamEnded(slot=self._slot, reason=self._reason())
            yield self._message(bytes(data))

    def wait(self, seconds: float) -> bool:
        """Wait until something arrives, at the most so long; tell whether it did."""
        return bool(select.select([self], [], [], seconds)[0])

    def confirm(self, position: int, *, ask: bool = False) -> None:
        """Tell the server what is durable here; with `ask` it answers at once how far it has sent."""
        self.durable = max(self.durable, position)
        report = _FEEDBACK.pack(b"r", self.durable, self.durable, self.durable, 0, ask)
        try:
            self._raw.put_copy_data(report)
            self._raw.flush()
        except psycopg.Error as error:
            raise StreamEnded(slot=self._slot, reason=str(error)) from error

    def _consume(self) -> None:
        try:
            self._raw.consume_input()
        except psycopg.Error as error:
            raise StreamEnded(slot=self._slot, reason=str(error)) from error

    def _message(self, data: bytes) -> Decoded | Keepalive:
        if data[0] == _DATA_KIND:  # its end is not a position that everything before has reached
            return decode(data[_DATA.size :])
        _, end, _, reply = _KEEPALIVE.unpack(data)
        return Keepalive(end, bool(reply))

    def _reason(self) -> str:
        try:
            result = self._raw.get_result()
        except psycopg.Error as error:
            return str(error)
        return (result.get_error_message() if result else "") or "the server closed it"


def _cell(result: pq.abc.PGresult, column: int) -> str:
    return (result.get_value(0, column) or b"").decode()
