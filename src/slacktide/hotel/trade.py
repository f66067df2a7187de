"""A property that trades: several clerks at once who do all that is done in a hotel, and write down what committed.

The trader stands for the users of a property that moves. It does on purpose what is hard to copy: it swaps unique
values, moves parts from one object to another, merges profiles, deletes and books anew under the same number, deletes
both ends of a cycle, rolls back, keeps transactions open, uses every isolation level, and writes texts that break
formats.

Which actions come, and their throws, depend on the seed, the clerk and the turn only. Which objects they meet depends
on who is faster.

The promise file (see `promise`) is what a test holds against a database afterwards, with `promise_check`.

What the trader leaves as it is: cashiers (it posts under their numbers and opens none, so that it does not keep the
property from moving) and the configuration, but for the number ranges it draws from. Of another property it changes one
thing: a house account gets a posting now and then.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING

import msgspec

from slacktide.core import clock
from slacktide.hotel.inventory import require_property
from slacktide.hotel.promise import PromiseFile
from slacktide.hotel.trade_clerk import Clerk, Office, Tally
from slacktide.hotel.trade_hotel import HotelFacts, read_facts
from slacktide.hotel.trade_pace import Holding, Pace
from slacktide.postgres.connection import connect

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LOOK_SECONDS = 0.1


class TradingReport(msgspec.Struct):
    """What was traded.

    `ended` is "time", "stopped", "closed" or "reference only"; for the last two `refusal` is what the database said.
    `changes` counts committed transactions and `promises` the lines written. `actions` are the committed ones by name,
    `nothing_to_do` those that met no object as they need it, `conflicts` counts by the name of the SQLSTATE, and
    `events` counts rolled_back, held_open, lost_connections, found_committed, found_aborted and unknown_outcomes.
    """

    property: str
    ended: str
    refusal: str | None
    seconds: float
    changes: int
    promises: int
    actions: dict[str, int]
    nothing_to_do: dict[str, int]
    conflicts: dict[str, int]
    events: dict[str, int]


def trade(
    *,
    address: str,
    property_code: str,
    rate: float,
    seconds: float | None,
    seed: int,
    promises: Path | None,
    clerks: int = 8,
    stop: threading.Event | None = None,
) -> TradingReport:
    """Trade at `rate` changes a second (0: as fast as possible) for so many seconds, or until `stop` is set.

    A closing of the property ends it, and is no error. Raises UnknownProperty, Unreachable (after half a minute too, if
    the server went away), NumberRangeMissing.
    """
    began = clock.monotonic_seconds()
    stop = stop or threading.Event()
    facts = _facts(address, property_code)
    with PromiseFile(promises) if promises else nullcontext() as file:
        office = Office(
            address=address,
            hotel=facts,
            seed=seed,
            pace=Pace(rate),
            holding=Holding(),
            promises=file,
            end=threading.Event(),
        )
        tallies = _run(office, clerks=clerks, seconds=seconds, stop=stop)
    actions = _sum(tally.actions for tally in tallies)
    state, refusal = office.refused or ("stopped" if stop.is_set() else "time", None)
    return TradingReport(
        property=property_code,
        ended=state,
        refusal=refusal,
        seconds=clock.monotonic_seconds() - began,
        changes=sum(actions.values()),
        promises=file.lines if file else 0,
        actions=actions,
        nothing_to_do=_sum(tally.nothing_to_do for tally in tallies),
        conflicts=_sum(tally.conflicts for tally in tallies),
        events=_sum(tally.events for tally in tallies),
    )


def _facts(address: str, property_code: str) -> HotelFacts:
    with connect(address, name="trade") as connection:
        require_property(connection, address=address, property_code=property_code)
        return read_facts(connection, property_code=property_code)


def _run(office: Office, *, clerks: int, seconds: float | None, stop: threading.Event) -> list[Tally]:
    """Let the clerks work until the time is over, somebody says stop, the property closes, or one fails."""
    failures: list[BaseException] = []
    staff = [Clerk(office=office, number=number) for number in range(1, clerks + 1)]
    threads = [threading.Thread(target=_work, args=(clerk, office, failures), daemon=True) for clerk in staff]
    limit = None if seconds is None else clock.monotonic_seconds() + seconds
    for thread in threads:
        thread.start()
    try:
        while not (office.end.is_set() or stop.is_set() or (limit and clock.monotonic_seconds() >= limit)):
            stop.wait(_LOOK_SECONDS)
    finally:
        office.end.set()
        for thread in threads:
            thread.join()
    if failures:
        raise failures[0]
    return [clerk.tally for clerk in staff]


def _work(clerk: Clerk, office: Office, failures: list[BaseException]) -> None:
    try:
        clerk.run()
    except BaseException as error:  # noqa: BLE001 -- raised again by `_run`, in the thread that can tell it
        failures.append(error)
        office.end.set()


def _sum(counters: Iterable[Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(counters, Counter[str]()).items()))
