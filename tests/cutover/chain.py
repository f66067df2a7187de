"""A chain of small hotels on shared databases, that moves in waves; driven by the commands, as an operator would."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slacktide.hotel import day, loading, schema
from slacktide.postgres.connection import connect
from slacktide.transfer.ahead import subject_of
from slacktide.transfer.journal import Journal
from slacktide.transfer.move import Move, load_move
from slacktide.transfer.source import Source
from slacktide.transfer.verify import compare
from tests.cutover import proof
from tests.cutover.moving import BUSINESS_DATE, WAIVED, Moving, until
from tests.memory import drop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from slacktide.postgres.server import Server

CLERK = "chain_clerk"
_LATE = (
    "insert into hotel.market_code (property_code, code, name) values (%s, 'ZZ', 'late')",
    """update hotel.reservation set market_code = 'ZZ'
    where reservation_id = (select min(reservation_id) from hotel.reservation where property_code = %s)""",
)
_OF_PROPERTY = """
select c.oid::regclass::text from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'hotel'::regnamespace and c.relkind = 'r' and a.attname = 'property_code'
"""


@dataclass
class Chain:
    """Hotels by code, the source of each, one target; `moving` runs the commands."""

    moving: Moving
    sources: dict[str, str]
    target: str
    workers: list[Any] = field(default_factory=list)

    def create(self, waves: dict[str, list[str]]) -> None:
        """Write the moves down, and their waves by a file."""
        for code, source in self.sources.items():
            self.moving.run("move", "create", code.lower(), "--plan", "hotel", "--property", code,
                            "--source", source, "--target", self.target)  # fmt: skip
        file = self.moving.folder / "waves.csv"
        lines = [f"{wave},{code.lower()},{code},," for wave, codes in waves.items() for code in codes]
        file.write_text("\n".join(["wave,move,property,start,end", *lines]) + "\n")
        self.moving.run("wave", "import", str(file))

    def start(self, wave: str) -> None:
        """Start a wave, with a go and waivers for all of it."""
        self.moving.run("wave", "start", wave, "--business-date", BUSINESS_DATE, "--go", "operations=Ada Night",
                        *WAIVED, "--reason", "the chain moves")  # fmt: skip

    def board(self, wave: str) -> dict[str, Any]:
        """Give the board, by property."""
        return {line["property"]: line for line in self.moving.run("wave", "show", wave).json["moves"]}

    def until_steady(self, wave: str, *, seconds: float) -> None:
        """Wait until every move of a wave is steady."""
        until(lambda: all(line["steady"] for line in self.board(wave).values()), seconds=seconds, what=f"{wave} steady")

    def close(self, codes: list[str]) -> None:
        """Schedule a downtime of each property, from now on."""
        self.moving.run("downtime", "schedule", "--organization", *codes, "--for", "PT2H", "--users", "out",
                        "--reason", "the chain moves")  # fmt: skip

    def spoil(self, code: str) -> None:
        """Have a property use a code that nobody has mapped."""
        with connect(self.sources[code], name="spoil") as source:
            for statement in _LATE:
                source.execute(statement, [code])

    def move(self, code: str) -> Move:
        """Give the move of a property."""
        with connect(self.moving.control, name="look") as control:
            return load_move(control, name=code.lower())

    def differences(self, code: str) -> list[str]:
        """Say where an open property differs from its source by content, and which side treats writes wrongly."""
        move = self.move(code)
        source = Source(move.source, plan=move.plan, property_code=code, name="proof")
        with (
            contextlib.closing(source),
            connect(self.moving.control, name="proof") as control,
            connect(move.target, name="proof") as target,
            source.at_one_instant(),
        ):
            found = compare(source=source.connection, target=target,
                            subject=subject_of(move, Journal(control, move_id=move.move_id)),
                            business_date=date.fromisoformat(BUSINESS_DATE))  # fmt: skip
        wrong = [f"{code}: {text}" for text in proof.not_equal(found)]
        update = f"update hotel.reservation set room_no = room_no where property_code = '{code}'"
        if (got := proof.refusal(move.source, update, role=CLERK)) != proof.REFUSED:
            wrong.append(f"{code}: the source answers {got} to a write")
        if (got := proof.refusal(move.target, update, role=CLERK)) is not None:
            wrong.append(f"{code}: the target answers {got} to a write")
        return wrong

    def foreign(self, codes: list[str]) -> list[str]:
        """Name rows at the target that are of no property of these."""
        with connect(self.target, name="proof") as target:
            tables = [name for (name,) in target.execute(_OF_PROPERTY)]
            counts = {
                name: target.execute(f"select count(*) from {name} where property_code <> all (%s)", [codes]).fetchone()
                for name in tables
            }
        return [f"{count[0]} rows of others in {name}" for name, count in counts.items() if count and count[0]]

    def still_writable(self, code: str) -> bool:
        """Tell whether a property can be written at its source."""
        update = f"update hotel.reservation set room_no = room_no where property_code = '{code}'"
        return proof.refusal(self.sources[code], update, role=CLERK) is None


@contextmanager
def a_chain(server: Server, *, name: str, shared: list[str], alone: list[str], bookings: int) -> Iterator[Chain]:
    """Give hotels, some on one shared source, some each on its own, all with one empty target."""
    stem = f"{name}_{os.getpid()}"
    places = {f"{stem}_shared": shared} | {f"{stem}_{code.lower()}": [code] for code in alone}
    databases = [*places, f"{stem}_control", f"{stem}_target"]
    for database in databases:
        server.create_database(database)
    for database in (*places, f"{stem}_target"):
        schema.create(address=server.address(database))
    sources = {}
    for database, codes in places.items():
        address = server.address(database)
        loading.load(address=address, codes=codes, bookings_per_property=bookings, seed=len(sources) + 1)
        for code in codes:
            day.cashiers_close(address=address, property_code=code)
            sources[code] = address
    for address in {*sources.values(), server.address(f"{stem}_target")}:
        with connect(address, name="clerk") as connection:
            connection.execute(proof.ROLE.format(role=CLERK))
    folder = Path(tempfile.mkdtemp(prefix=f"slacktide-{name}-"))
    addresses = {side: server.address(f"{stem}_{side}") for side in ("control", "target")}
    try:
        with Moving(source=next(iter(sources.values())), folder=folder, **addresses) as moving:
            yield Chain(moving, sources, addresses["target"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        drop(*map(server.address, databases))
