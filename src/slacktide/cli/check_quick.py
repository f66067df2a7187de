"""`slacktide check` without the machinery of the other commands: it runs before other programs, again and again.

What it understands it does. Everything else (help, a wrong option, a wrong value) it leaves to the command
line as a whole, which says what is wrong.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec
import psycopg

from slacktide.cli.voice import write, write_json
from slacktide.control.database import open_control
from slacktide.control.keeper import Keeper
from slacktide.control.request import Facts, Request, answer_request, facts_of, instant_of, needs_all, read_request
from slacktide.control.schedule import known_of
from slacktide.control.setting import control_now
from slacktide.control.user import user_of
from slacktide.core.errors import ExitStatus, SlacktideError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from slacktide.downtime.decision import Decision

_STATUS = {
    "allow": ExitStatus.DONE,
    "hold": ExitStatus.HELD,
    "deny": ExitStatus.DENIED,
    "login": ExitStatus.DENIED,
}
_VALUES = {"organization", "user", "task", "via", "session", "writer", "side", "at", "zone"}
_PIECE_BYTES = 65536
_FLAGS = {"lease", "json", "lines"}


def check_quickly(arguments: list[str]) -> int | None:
    """Run `check` with these arguments; None where they are not understood."""
    facts = _read(arguments)
    if facts is None or ("action" in facts) == ("lines" in facts):
        return None
    as_json = bool(facts.pop("json", False))
    if facts.pop("lines", False):
        return answer_lines(sys.stdin.buffer) if not facts else None
    try:
        request = request_of(facts)
    except msgspec.ValidationError:
        return None
    return answer_one(request, as_json=as_json)


def request_of(facts: dict[str, Any]) -> Request:
    """Give the request of the command's options."""
    user = facts.get("user")
    return msgspec.convert(facts | {"user": None if user is None else {"name": user}}, Request)


def answer_one(request: Request, *, as_json: bool) -> int:
    """Say the answer to one request; give the exit status."""
    decision = _decide(request)
    if as_json:
        write_json(decision.answer())
    else:
        write(_text(decision))
    return _STATUS[decision.decision]


def answer_lines(source: BinaryIO) -> int:
    """Answer each line on a line, as it comes, until there are no more."""
    with open_control() as control, control.connect(name="check --lines") as connection:
        keeper = Keeper(connection)
        encode, out = msgspec.json.Encoder().encode, sys.stdout.buffer
        for lines in _batches(source):
            out.writelines(encode(answer) + b"\n" for answer in _answers(keeper, lines))
            out.flush()
    return ExitStatus.DONE


def _batches(source: BinaryIO) -> Iterator[list[bytes]]:
    """Give the lines that are there, as soon as there is one, blank ones too; the last one may lack its end."""
    rest = b""
    while piece := os.read(source.fileno(), _PIECE_BYTES):
        *lines, rest = (rest + piece).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


def _answers(keeper: Keeper, lines: list[bytes]) -> list[dict[str, Any]]:
    """Answer some lines that came together; what they ask about is read once for all of them."""
    requests = [_request(line) for line in lines]
    now = keeper.hear()
    try:
        facts = facts_of(keeper.connection, [one for one in requests if isinstance(one, Request)])
    except psycopg.DataError as error:  # such as a NUL in a name: find out whose
        if len(lines) > 1:
            return [answer for line in lines for answer in _answers(keeper, [line])]
        return [{"error": "BadRequest", "message": " ".join(str(error).split())}]
    return [_answer(keeper, one, facts, now) if isinstance(one, Request) else one for one in requests]


def _request(line: bytes) -> Request | dict[str, Any]:
    try:
        return read_request(line)
    except SlacktideError as error:
        return {"error": error.code, "message": str(error)}


def _answer(keeper: Keeper, request: Request, facts: Facts, now: datetime) -> dict[str, Any]:
    try:
        at = instant_of(request, facts=facts, known=keeper.known(), now=now)
        known, connection = keeper.known_at(at), keeper.connection
        found = answer_request(connection, request=request, facts=facts, known=known, at=at, trust_admin=True)
        return found.answer()
    except SlacktideError as error:
        return {"error": error.code, "message": str(error)}


def _read(arguments: list[str]) -> dict[str, Any] | None:
    """Read the options, or give None for what only the whole command line understands."""
    facts: dict[str, Any] = {}
    rest = iter(arguments)
    for argument in rest:
        name, given, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("-") and "action" not in facts:
            facts["action"] = argument
        elif argument.startswith("--") and name in _FLAGS and not given:
            facts[name] = True
        elif argument.startswith("--") and name in _VALUES and name not in facts:
            value = value if given else next(rest, "-")
            if value.startswith("-"):
                return None
            facts[name] = value
        else:
            return None
    return facts


def _decide(request: Request) -> Decision:
    with open_control() as control, control.connect(name="check") as connection:
        if request.user is not None and request.user.name is not None:
            user_of(connection, name=request.user.name)
        facts = facts_of(connection, [request])
        only = None if needs_all(request.action) else facts.organization_of(request)
        known, now = known_of(connection, organization=only), control_now(connection)
        at = instant_of(request, facts=facts, known=known, now=now)
        if not known.schedule.around(at):
            known = known_of(connection, around=at, organization=only)
        return answer_request(connection, request=request, facts=facts, known=known, at=at, trust_admin=True)


def _text(decision: Decision) -> str:
    lines = [f"{decision.decision}: {decision.message}" if decision.message else decision.decision]
    answer = decision.answer()
    facts = {"next check": answer["next_check"], "until": answer["until"]}
    return "\n".join([*lines, *(f"  {name} {fact}" for name, fact in facts.items() if fact)])
