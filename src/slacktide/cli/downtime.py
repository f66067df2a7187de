"""`slacktide downtime`: schedule, look at, extend, end and cancel downtimes.

Times are text here and read by `control.downtime`, in the zone that is given, else in each organization's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import psycopg
from cyclopts import App, Parameter
from psycopg.rows import TupleRow

from slacktide.cli.downtime_text import ended, listing, text
from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown
from slacktide.cli.watching import watch
from slacktide.cli.zone import Zones, read_zones
from slacktide.control.database import open_control
from slacktide.control.downtime import (
    Answer,
    Wish,
    cancel_downtime,
    change_downtime,
    change_occurrence,
    end_downtime,
    list_downtimes,
    schedule_downtime,
    show_downtime,
)
from slacktide.control.drain import set_drain, with_drains
from slacktide.core.duration import parse_duration
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.downtime.drain import DrainUnsaid, Then
from slacktide.holding.expected import with_expected


class SiteUnconfirmed(UsageError):
    """A downtime of the site stops every organization: if that is meant, `slacktide downtime schedule --site --yes`; else name one with --organization CODE."""  # noqa: E501 -- the message is one sentence


class LaterUnsaid(UsageError):
    """How much later is not said: `slacktide downtime extend {id} --end T` or `slacktide downtime extend {id} --by PT1H`."""  # noqa: E501 -- the message is one sentence


app = App(name="downtime", help="Downtimes of the site and of organizations.")

_Id = Annotated[str, Parameter(name="ID", help="The downtime's ID, as `schedule` and `list` show it.")]
_Watch = Annotated[Flag, Parameter(help="Say it again whenever it changes, until interrupted.")]
_Connection = psycopg.Connection[TupleRow]
_DRAIN = "How long after the start those who hold it up may finish, as in PT30M; needs --drain-then."
_THEN = "What happens then: the leases end, it goes on waiting, or it is given up and ended."
_WAITED = {"reached": ExitStatus.DONE, "not yet": ExitStatus.HELD, "never": ExitStatus.REFUSED}


@app.command
def schedule(
    *,
    site: Annotated[Flag, Parameter(help="The whole site; needs --yes.")] = False,
    yes: Annotated[Flag, Parameter(help="Yes, the whole site.")] = False,
    organization: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, negative="", show_default=False, help="One downtime for each of these."),
    ] = (),
    start: Annotated[str | None, Parameter(help="When it begins; left out: now.")] = None,
    end: Annotated[str | None, Parameter(help="When it ends; start+PT2H counts from the start.")] = None,
    for_: Annotated[str | None, Parameter(name="--for", help="How long it lasts, as in PT2H.")] = None,
    until_ended: Annotated[Flag, Parameter(help="Without an end, until somebody ends it.")] = False,
    users: Annotated[
        Literal["in", "out"] | None, Parameter(help="Do normal users stay? Left out: by parameter.")
    ] = None,
    zone: Annotated[str | None, Parameter(help="The IANA zone of local times; left out: the organization's.")] = None,
    rrule: Annotated[str | None, Parameter(help="Recurring, by RFC 5545; needs --for.")] = None,
    message: Annotated[str | None, Parameter(help="What users read in addition.")] = None,
    contact: Annotated[str | None, Parameter(help="Whom users may ask.")] = None,
    drain: Annotated[str | None, Parameter(help=_DRAIN)] = None,
    drain_then: Annotated[Then | None, Parameter(help=_THEN)] = None,
    dry_run: Annotated[Flag, Parameter(help="Check and show it, and save nothing.")] = False,
    options: Acting = ACTING,
) -> int:
    """Schedule a downtime of the site, or one for each organization named."""
    if site and not yes:
        raise SiteUnconfirmed
    wish = Wish(
        start=start,
        end=end,
        duration=for_,
        until_ended=until_ended,
        users=users,
        zone=zone,
        message=message,
        contact=contact,
        rrule=rrule,
    )
    facts: dict[str, Any] = {"site": site, "organizations": organization, "dry_run": dry_run}
    facts |= {"who": options.who, "reason": options.reason or ""}
    after = _drain(drain, drain_then)

    def save(connection: _Connection) -> Answer:
        with connection.transaction():
            answer = schedule_downtime(connection, wish=wish, **facts)
            for saved in answer.downtimes:
                if saved["id"] is not None and after is not None:
                    set_drain(connection, id=saved["id"], **after, who=options.who, reason=options.reason or "")
            return answer

    return _say(options, *_do(save, zone=zone))


@app.command(name="list")
def list_(*, watching: Annotated[_Watch, Parameter(name="--watch")] = False, options: Shown = SHOWN) -> int:
    """List all downtimes, past ones too, in the order of their starts."""
    with open_control() as control, control.connect(name="downtime list") as connection:

        def look() -> list[dict[str, Any]]:
            return _all_shown(connection, list_downtimes(connection))

        return _look(look, say=lambda found: listing(found, read_zones(connection)), watching=watching, options=options)


@app.command
def show(id_: _Id, /, *, watching: Annotated[_Watch, Parameter(name="--watch")] = False, options: Shown = SHOWN) -> int:
    """Show one downtime."""
    with open_control() as control, control.connect(name="downtime show") as connection:

        def look() -> dict[str, Any]:
            return _shown(connection, show_downtime(connection, id=id_))

        return _look(look, say=lambda answer: text(answer, read_zones(connection)), watching=watching, options=options)


@app.command
def extend(
    id_: _Id,
    /,
    *,
    end: Annotated[str | None, Parameter(help="The new end, later than the present one.")] = None,
    by: Annotated[str | None, Parameter(help="How much later than the present end, as in PT1H.")] = None,
    options: Acting = ACTING,
) -> int:
    """Let a downtime end later."""
    if (end is None) == (by is None):
        raise LaterUnsaid(id=id_)
    facts: dict[str, Any] = {"end": end, "duration": by, "only_later": True}
    facts |= {"who": options.who, "reason": options.reason or ""}
    return _say(options, *_do(lambda connection: change_downtime(connection, id=id_, **facts)))


@app.command
def change(
    id_: _Id,
    /,
    *,
    end: Annotated[str, Parameter(help="The new end; `none`: until it is ended.")],
    options: Acting = ACTING,
) -> int:
    """Give a downtime any other end that the rules allow."""
    facts: dict[str, Any] = {"end": end, "who": options.who, "reason": options.reason or ""}
    return _say(options, *_do(lambda connection: change_downtime(connection, id=id_, **facts)))


@app.command(name="end")
def end_(
    id_: _Id,
    /,
    *,
    verifying: Annotated[
        tuple[str, ...] | None,
        Parameter(
            consume_multiple=True, negative="", show_default=False, help="Open it for these users alone, to test."
        ),
    ] = None,
    options: Acting = ACTING,
) -> int:
    """End a downtime now, and say what still keeps its scope down; of a recurring one the occurrence in effect."""
    who = {"who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="downtime end") as connection:
        answer = _shown(connection, end_downtime(connection, id=id_, verifying=verifying, **who))
        zones = read_zones(connection)
    return options.say(answer, lambda: text(answer, zones) if verifying else ended(answer, zones))


@app.command
def cancel(id_: _Id, /, *, options: Acting = ACTING) -> int:
    """Cancel a downtime that has not begun; of a recurring one all that is still to come."""
    who = {"who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="downtime cancel") as connection:
        answer = _shown(connection, cancel_downtime(connection, id=id_, **who))
        zones = read_zones(connection)
    return options.say(answer, lambda: ended(answer, zones) if answer["because"] else text(answer, zones))


@app.command
def wait(
    id_: _Id,
    /,
    *,
    for_: Annotated[Literal["started", "quiet", "open"], Parameter(name="--for", help="What to wait for.")],
    timeout: Annotated[
        str | None, Parameter(help="How long at most, as in PT10M; left out: as long as it takes.")
    ] = None,
    drain: Annotated[str | None, Parameter(help=_DRAIN)] = None,
    drain_then: Annotated[Then | None, Parameter(help=_THEN)] = None,
    options: Acting = ACTING,
) -> int:
    """Wait until a downtime has started, is quiet, or its scope is open again.

    With --drain its drain is set first: from now on, or from the start where that is still to come.
    """
    from slacktide.cutover.waiting import wait as wait_for  # noqa: PLC0415 -- the others need no move

    seconds = None if timeout is None else parse_duration(timeout).total_seconds()
    after = _drain(drain, drain_then)
    with (
        open_control() as control,
        control.connect(name="downtime wait") as connection,
        control.connect(name="downtime wait: listen") as listener,
    ):
        if after is not None:
            set_drain(connection, id=id_, **after, from_now=True, who=options.who, reason=options.reason or "")
        look = wait_for(connection, listener=listener, id=id_, goal=for_, seconds=seconds)
    word = {"not yet": "timed out"}.get(look.outcome, look.outcome)
    options.say({"id": id_, "for": for_, "outcome": word, "state": look.state.answer()}, f"{word}: {look.state.state}")
    return _WAITED[look.outcome]


_Occurrence = Annotated[str, Parameter(help="The occurrence, by its start as `show` lists it.")]


@app.command
def skip(id_: _Id, /, *, occurrence: _Occurrence, options: Acting = ACTING) -> int:
    """Leave out one occurrence of a recurring downtime."""
    return _change_occurrence(id_, occurrence=occurrence, to=None, options=options)


@app.command
def move(
    id_: _Id,
    /,
    *,
    occurrence: _Occurrence,
    to: Annotated[str, Parameter(help="When it starts instead; it lasts as long.")],
    options: Acting = ACTING,
) -> int:
    """Move one occurrence of a recurring downtime."""
    return _change_occurrence(id_, occurrence=occurrence, to=to, options=options)


def _change_occurrence(id_: str, *, occurrence: str, to: str | None, options: Acting) -> int:
    facts: dict[str, Any] = {"occurrence": occurrence, "to": to}
    facts |= {"who": options.who, "reason": options.reason or ""}
    with open_control() as control, control.connect(name="downtime") as connection:
        answer = _shown(connection, change_occurrence(connection, id=id_, **facts))
        zones = read_zones(connection)
    return options.say(answer, lambda: text(answer, zones))


def _drain(after: str | None, then: Then | None) -> dict[str, Any] | None:
    """Give the facts of a drain, None where there is none. Raises DrainUnsaid, BadDuration."""
    if (after is None) != (then is None):
        raise DrainUnsaid
    return None if after is None else {"after": parse_duration(after), "then": then}


def _do(change: Callable[[_Connection], Answer], *, zone: str | None = None) -> tuple[Answer, Zones]:
    """Do it; give the answer with the zones in which it is shown, `zone` that of what is not saved."""
    with open_control() as control, control.connect(name="downtime") as connection:
        answer = change(connection)
        _all_shown(connection, answer.downtimes)
        return answer, read_zones(connection, entered=zone)


def _shown(connection: _Connection, answer: dict[str, Any]) -> dict[str, Any]:
    """Add to the document of a downtime what only those above the control database know."""
    return _all_shown(connection, [answer])[0]


def _all_shown(connection: _Connection, answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with_expected(connection, answers)
    with_drains(connection, answers)
    return answers


def _look(look: Callable[[], Any], *, say: Callable[[Any], str], watching: bool, options: Shown) -> int:
    def show_it(seen: Any) -> int:
        return options.say(seen, lambda: say(seen))

    if watching:
        watch(look, say=show_it)
    return show_it(look())


def _say(options: Shown, answer: Answer, zones: Zones) -> int:
    """Say one downtime as a document, several as a list, and the warnings beside them."""
    for warning in answer.warnings:
        options.note(f"warning: {warning}")
    found = answer.downtimes
    lines = [ended(one, zones) if "because" in one else text(one, zones) for one in found]
    return options.say(found[0] if len(found) == 1 else found, "\n".join(lines))
