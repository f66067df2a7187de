"""`slacktide status`, `holders` and `transaction`: what is open, closing or down, and who holds it up."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Flag, Shown, aside, table
from slacktide.cli.watching import watch
from slacktide.control.audit import record_audit, require_reason
from slacktide.control.database import open_control
from slacktide.control.organization import organization_of
from slacktide.control.setting import control_now
from slacktide.core.errors import ExitStatus, InputError, UsageError
from slacktide.core.instant import parse_instant
from slacktide.cutover.state import Measured, codes, measure, places, state
from slacktide.guard.holders import Holder, UnknownTransaction, end_transaction
from slacktide.holding.store import held_count
from slacktide.postgres.connection import connect
from slacktide.transfer.move import list_moves

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import TupleRow

    from slacktide.downtime.state import State

    _Connection = psycopg.Connection[TupleRow]


class AmbiguousTransaction(InputError):
    """{id} is open in several databases, {databases}: end it in the one that you mean, by `select pg_terminate_backend({pid})`."""  # noqa: E501 -- the message is one sentence


class AllOrOne(UsageError):
    """--all shows every organization and --organization one: run `slacktide status --all`, or `slacktide status --organization {organization}`."""  # noqa: E501 -- the message is one sentence


transaction = App(name="transaction", help="End a transaction that holds a closing up.")

_Organization = Annotated[str | None, Parameter(help="The organization's code; left out: the site.")]


# -- status ------------------------------------------------------------------------------------------------------------


def status(
    *,
    organization: _Organization = None,
    at: Annotated[str | None, Parameter(help="At another instant; left out: now, and with who holds it up.")] = None,
    zone: Annotated[str | None, Parameter(help="The IANA zone of --at; left out: the organization's.")] = None,
    all_: Annotated[Flag, Parameter(name="--all", help="The site and every organization.")] = False,
    watching: Annotated[
        Flag, Parameter(name="--watch", help="Say it again when it changes, until interrupted.")
    ] = False,
    options: Shown = SHOWN,
) -> int:
    """Tell whether the site or an organization is open, scheduled, closing or down, and why."""
    if all_ and organization is not None:
        raise AllOrOne(organization=organization)
    with open_control() as control, control.connect(name="status") as connection:
        instant = _instant(connection, at, organization=organization, zone=zone) if at else None

        def look() -> list[State]:
            wanted = codes(connection) if all_ else [organization]
            measured = None if instant else _measured(connection, wanted)
            found = [state(connection, organization=code, measured=measured, at=instant) for code in wanted]
            return found if instant else [_with_held(connection, one) for one in found]

        def say(states: list[State]) -> int:
            answers = [one.answer() for one in states]
            return options.say(answers if all_ else answers[0], lambda: "\n".join(map(_text, answers)))

        if watching:
            watch(look, say=say)
        states = look()
    say(states)
    return _exit_status(states) if all_ else states[0].exit_status


def _instant(connection: _Connection, text: str, *, organization: str | None, zone: str | None) -> datetime:
    if zone is None and organization is not None:
        zone = organization_of(connection, code=organization).zone
    return parse_instant(text, now=control_now(connection), zone=zone)


def _measured(connection: _Connection, wanted: list[str | None]) -> Measured:
    """Ask the guarded databases; name those that do not answer, beside the result."""
    found = measure(place for place in places(list_moves(connection)) if place.organization in wanted)
    for unseen in found.unseen:
        aside(f"not asked: {unseen.reason}")
    return found


def _with_held(connection: _Connection, found: State) -> State:
    return msgspec.structs.replace(found, held=held_count(connection, organization=found.organization))


def _exit_status(states: list[State]) -> ExitStatus:
    return ExitStatus.HELD if any(one.exit_status is ExitStatus.HELD for one in states) else ExitStatus.DONE


def _text(answer: dict[str, Any]) -> str:
    lines = [f"{answer['organization'] or 'the site'}: {_word(answer)}"]
    for one in answer["because"]:
        end = f"to {one['end']}" if one["end"] else "until it is ended"
        lines.append(f"  because of {one['scope']} downtime {one['id']} from {one['start']} {end}: {one['reason']}")
    facts = {"until": answer["until"], "next start": answer["next_start"], "lives at": answer["lives_at"]}
    facts["held:"] = answer["held"]
    return "\n".join([*lines, *(f"  {name} {fact}" for name, fact in facts.items() if fact)])


def _word(answer: dict[str, Any]) -> str:
    if answer["state"] != "closing":
        return str(answer["state"])
    return f"closing ({', '.join(f'{count} {name}' for name, count in answer['holders'].items())})"


# -- who holds it up ---------------------------------------------------------------------------------------------------


def holders(*, organization: _Organization = None, options: Shown = SHOWN) -> int:
    """List the transactions that a closing waits for, of an organization or of all."""
    with open_control() as control, control.connect(name="holders") as connection:
        if organization is not None:
            organization_of(connection, code=organization)
        found = _measured(connection, [organization]).holders(organization)
    answer = {"leases": [], "sessions": [], "transactions": [_answer(holder) for holder in found]}
    return options.say(answer, lambda: _holders_table(found))


@transaction.command(name="end")
def end_(
    id_: Annotated[str, Parameter(name="ID", help="The transaction, as `slacktide holders` shows it.")],
    /,
    *,
    options: Acting = ACTING,
) -> int:
    """End a transaction: its session is terminated, a prepared one rolled back."""
    reason = options.reason or ""
    require_reason(reason, what=f"slacktide transaction end {id_}")
    with open_control() as control, control.connect(name="transaction end") as connection:
        address, holder = _find(_measured(connection, [None]), id_)
        with connection.transaction(), connect(address, name="transaction end") as other:
            subject = f"transaction {id_} in {holder.database}"
            record_audit(
                connection,
                who=options.who,
                what="transaction end",
                object=subject,
                before=_answer(holder),
                reason=reason,
            )
            end_transaction(other, id=id_)
    return options.say(_answer(holder), f"ended: {id_} of {holder.user} in {holder.database}")


def _find(measured: Measured, id_: str) -> tuple[str, Holder]:
    """Give the transaction of this name, and the address of its database."""
    found = {
        holder.database: (seen.place.address, holder)
        for seen in measured.seen
        for holder in seen.holders
        if holder.id == id_
    }
    if not found:
        raise UnknownTransaction(id=id_)
    if len(found) > 1:
        raise AmbiguousTransaction(id=id_, databases=", ".join(sorted(found)), pid=id_.partition(":")[0])
    return next(iter(found.values()))


def _answer(holder: Holder) -> dict[str, Any]:
    names = ("id", "database", "user", "query", "age_seconds", "prepared")
    return {name: getattr(holder, name) for name in names}


def _holders_table(found: list[Holder]) -> str:
    rows = [
        [one.id, one.database, one.user, f"{one.age_seconds:.0f} s", one.state, " ".join(one.query.split())[:60]]
        for one in found
    ]
    return table(rows, head=["id", "database", "user", "age", "state", "query"])
