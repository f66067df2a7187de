"""`slacktide token` and `slacktide gate`: who is admitted over HTTP, and which gates there are."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown, table
from slacktide.control.database import open_control
from slacktide.control.gate import list_gates
from slacktide.control.token import Token, add_token, list_tokens, revoke_token
from slacktide.core.duration import format_instant

app = App(name="token", help="Tokens, by which gates, proxies and scripts are admitted.")
gate = App(name="gate", help="Gates in applications and proxies.")

_Name = Annotated[str, Parameter(name="NAME", help="The token's name.")]


@app.command
def add(
    name: _Name,
    /,
    *,
    scope: Annotated[
        tuple[str, ...],
        Parameter(
            consume_multiple=True, negative="", help="decide, schedule, assert-admin, api, calendar; with commas."
        ),
    ],
    organization: Annotated[
        tuple[str, ...],
        Parameter(consume_multiple=True, negative="", show_default=False, help="Only for these; left out: all."),
    ] = (),
    options: Acting = ACTING,
) -> int:
    """Make a token, and show it, once."""
    scopes = [one for text in scope for one in text.split(",") if one]
    facts: dict[str, Any] = {"name": name, "scopes": scopes, "organizations": organization}
    with open_control() as control, control.connect(name="token add") as connection:
        token, secret = add_token(connection, **facts, who=options.who, reason=options.reason or "")
    return options.say(_answer(token) | {"token": secret}, secret)


@app.command(name="list")
def list_(*, options: Shown = SHOWN) -> int:
    """List all tokens, revoked ones too; the tokens themselves are not kept."""
    with open_control() as control, control.connect(name="token list") as connection:
        answers = [_answer(token) for token in list_tokens(connection)]
    head = ["name", "scopes", "organizations", "created", "revoked"]
    return options.say(answers, lambda: table([_row(one) for one in answers], head=head))


@app.command
def revoke(name: _Name, /, *, options: Acting = ACTING) -> int:
    """Revoke a token: whoever comes with it is refused from now on."""
    with open_control() as control, control.connect(name="token revoke") as connection:
        token = revoke_token(connection, name=name, who=options.who, reason=options.reason or "")
    return options.say(_answer(token), f"revoked: {name}")


@gate.command(name="list")
def list_gates_(*, options: Shown = SHOWN) -> int:
    """List the gates that have asked for the schedule within a week, each with its clock's offset and its age."""
    with open_control() as control, control.connect(name="gate list") as connection:
        found = list_gates(connection)
    names = ["token", "name", "version", "schedule", "offset_seconds", "age_seconds"]
    return options.say(found, lambda: table([[str(row[name]) for name in names] for row in found], head=names))


def _answer(token: Token) -> dict[str, Any]:
    times = {"created_at": token.created_at, "revoked_at": token.revoked_at}
    shown = {name: None if instant is None else format_instant(instant) for name, instant in times.items()}
    plain: dict[str, Any] = msgspec.to_builtins(token)
    return plain | shown


def _row(answer: dict[str, Any]) -> list[str]:
    scopes, organizations = ",".join(answer["scopes"]), ",".join(answer["organizations"]) or "all"
    return [answer["name"], scopes, organizations, answer["created_at"], answer["revoked_at"] or ""]
