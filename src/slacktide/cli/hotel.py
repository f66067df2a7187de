"""`slacktide hotel`: make the hotel, load it, let it trade, and do what its day needs.

These commands touch the database that they are given and nothing else; without the control database there is no
audit trail, so they take no reason.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from slacktide.cli.address import reachable
from slacktide.cli.output import SHOWN, Flag, Shown
from slacktide.core.duration import parse_duration
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.hotel import day, inventory, loading, promise_check, schema
from slacktide.hotel.trade import trade as trade_in
from slacktide.postgres.connection import connect, copyable, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class CheckOrResync(UsageError):
    """--check only compares and --resync makes anew: run `slacktide hotel inventory {url} --property {property}` with one of them."""  # noqa: E501 -- the message is one sentence


app = App(name="hotel", help="The hotel: load a property and let it trade.")
promises = App(name="promises", help="What a trader promised.")
cashiers = App(name="cashiers", help="The cashiers of a property.")
app.command(promises)
app.command(cashiers)

_Url = Annotated[str, Parameter(name="URL", help="The hotel's database: a URL, or env:NAME or file:PATH.")]
_Property = Annotated[str, Parameter(name="--property", help="The property's code, as CITY or RESORT.")]


@app.command
def create(url: _Url, /, *, options: Shown = SHOWN) -> int:
    """Make the hotel's schema in an existing database."""
    with reachable(url):
        schema.create(address=url)
    return options.say({"schema": "hotel", "database": shown(url)}, f"the schema hotel is in {shown(url)}")


@app.command
def load(
    url: _Url,
    /,
    *,
    bookings: Annotated[
        Path | None, Parameter(help="The published bookings, .csv or .zip; left out: a sample.")
    ] = None,
    business_date: Annotated[date, Parameter(help="The day that it is at the properties.")] = loading.BUSINESS_DATE,
    scale: Annotated[int, Parameter(help="How many times every booking is loaded.")] = 1,
    seed: Annotated[int, Parameter(help="What is made depends on it.")] = 1,
    options: Shown = SHOWN,
) -> int:
    """Load the properties CITY and RESORT, and say what came in, what was odd and what was made."""
    with reachable(url):
        report = loading.load(address=url, bookings=bookings, business_date=business_date, scale=scale, seed=seed)
    return options.say(report, lambda: _loaded(report))


@app.command
def trade(
    url: _Url,
    /,
    *,
    property_: _Property,
    rate: Annotated[float, Parameter(help="Changes a second; 0: as fast as possible.")] = 20.0,
    for_: Annotated[str | None, Parameter(name="--for", help="How long, as in PT1M; left out: until stopped.")] = None,
    seed: Annotated[int, Parameter(help="Which actions come depends on it.")] = 1,
    promises: Annotated[Path | None, Parameter(help="Write down here what committed.")] = None,
    options: Shown = SHOWN,
) -> int:
    """Trade at a property, until the time is over, it is stopped, or the property closes."""
    seconds = None if for_ is None else parse_duration(for_).total_seconds()
    with reachable(url), _until_signal() as stop:
        report = trade_in(
            address=url,
            property_code=property_,
            rate=rate,
            seconds=seconds,
            seed=seed,
            promises=promises,
            stop=stop,
        )
    said = f" ({report.refusal})" if report.refusal else ""
    text = f"{report.changes} changes in {report.seconds:.1f} s at {property_}, ended: {report.ended}{said}"
    groups = {"actions": report.actions, "conflicts": report.conflicts, "events": report.events}
    return options.say(report, lambda: "\n".join([text, *_counts(groups)]))


@contextmanager
def _until_signal() -> Iterator[threading.Event]:
    """Give an event that ctrl-C and SIGTERM set, so that what is under way ends cleanly."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_WITHOUT_KEY_MAP = (
    "There is no key map here, so keys were taken as the source's. At a target that `slacktide move clean` has cleaned "
    "objects have keys of their own, and nobody can say any more which is which."
)


@promises.command(name="check")
def check_promises(
    url: _Url,
    file: Annotated[Path, Parameter(name="FILE", help="The promise file of `hotel trade`.")],
    /,
    *,
    options: Shown = SHOWN,
) -> int:
    """Look for every promised change in a database; 1 if one is missing."""
    with reachable(url):
        report = promise_check.check_promises(address=url, promises=file)
    broken = {"missing": report.missing, "older": report.older, "still there": report.still_there}
    lines = [f"  {what}: {one.entity} {one.key}" for what, found in broken.items() for one in found]
    text = "\n".join([f"{report.found} of {report.promised} promised objects are as promised", *lines])
    if not (report.kept or report.key_map):
        text += f"\n{_WITHOUT_KEY_MAP}"
    options.say(msgspec.to_builtins(report) | {"kept": report.kept}, text)
    return ExitStatus.DONE if report.kept else ExitStatus.REFUSED


@app.command
def end_of_day(url: _Url, /, *, property_: _Property, options: Shown = SHOWN) -> int:
    """Close the cashiers, post tonight's rates and begin the next business date."""
    with reachable(url):
        report = day.end_of_day(address=url, property_code=property_)
    text = (
        f"{property_} is on {report.business_date}: {report.room_charges} room charges, {report.no_shows} no shows, "
        f"{len(report.overdue)} overdue, {report.closed.cashiers} cashiers closed"
    )
    return options.say(report, text)


@cashiers.command
def close(url: _Url, /, *, property_: _Property, options: Shown = SHOWN) -> int:
    """Close the cashiers and settle the card batches, as before a move."""
    with reachable(url):
        closed = day.cashiers_close(address=url, property_code=property_)
    return options.say(closed, f"{closed.cashiers} cashiers closed, {closed.card_batches} card batches settled")


@app.command(name="inventory")
def inventory_(
    url: _Url,
    /,
    *,
    property_: _Property,
    check: Annotated[
        Flag, Parameter(help="Compare it with what it derives from; 1 if it differs. The default.")
    ] = False,
    resync: Annotated[Flag, Parameter(help="Make it anew.")] = False,
    options: Shown = SHOWN,
) -> int:
    """Compare a property's inventory with what it derives from, or make it anew."""
    if check and resync:
        raise CheckOrResync(property=property_, url=copyable(url))
    with reachable(url):
        return (_resync if resync else _compare)(url, property_, options)


def _resync(url: str, code: str, options: Shown) -> int:
    with connect(url, name="hotel inventory") as connection:
        inventory.require_property(connection, address=url, property_code=code)
        lines = inventory.resync(connection, property_code=code)
    return options.say({"property": code, "lines": lines}, f"the inventory of {code} was made anew: {lines} lines")


def _compare(url: str, code: str, options: Shown) -> int:
    found = inventory.check(address=url, property_code=code)
    lines = [f"  stored {one.stored}, derived {one.derived}" for one in found]
    text = "\n".join([f"the inventory of {code} has {len(found)} differences", *lines])
    options.say({"property": code, "differences": found}, text)
    return ExitStatus.REFUSED if found else ExitStatus.DONE


# -- for people --------------------------------------------------------------------------------------------------------


def _loaded(report: loading.LoadingReport) -> str:
    head = (
        f"loaded from {report.origin}, seed {report.seed}, scale {report.scale}, business date {report.business_date}: "
    )
    groups = {
        "odd": report.odd,
        "noted": report.noted,
        "status in the file": report.source_statuses,
        "status on the business date": report.statuses,
        "rows": report.rows,
    }
    return "\n".join([head + ", ".join(f"{code} {count}" for code, count in report.read.items()), *_counts(groups)])


def _counts(groups: Mapping[str, Mapping[str, int]]) -> list[str]:
    return [
        f"  {group}: {', '.join(f'{name} {count}' for name, count in counts.items())}"
        for group, counts in groups.items()
        if counts
    ]
