"""`POST /api/decision`: whether an action may go on now.

The caller is trusted with the facts of the request, by its token; not with the administrator's role. The server's own
knowledge of a user wins, and of one that it does not know `admin` counts only with scope `assert-admin`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

import msgspec

from slacktide.control.token import Token
from slacktide.downtime.schedule import SideName
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import Reply, problem
from slacktide.server.metrics import Decisions
from slacktide.server.user import KnownUsers
from slacktide.server.wire import json_reply


class _User(msgspec.Struct, forbid_unknown_fields=True):
    name: str | None = None
    admin: bool = False


class _Request(msgspec.Struct, forbid_unknown_fields=True):
    """The request, as the interface has it."""

    action: Action
    user: _User | None = None
    organization: str | None = None
    task: str | int | None = None
    via: Literal["browser", "email", "api"] = "browser"
    session: Literal["none", "live"] = "none"
    lease: bool = False
    writer: Literal["own", "other"] = "own"
    side: SideName | None = None
    link_asks: bool = True


_decoder = msgspec.json.Decoder(_Request)
_encoder = msgspec.json.Encoder()


def answer_decision(body: bytes, *, token: Token, keeper: Keeper, users: KnownUsers, decisions: Decisions) -> Reply:
    """Answer a request: 200 with the decision, 400 if it cannot be read, 404 for an organization that is not there."""
    try:
        asked = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return problem(status=HTTPStatus.BAD_REQUEST, title="Not a request for a decision", detail=f"{error}.")
    if asked.organization is not None and not _is_there(asked, token=token, keeper=keeper):
        detail = f"There is no organization {asked.organization!r} that this token may see, or not that side of it."
        return problem(status=HTTPStatus.NOT_FOUND, title="Unknown organization", detail=detail)
    decision = keeper.decide(_ask(asked, token, users))
    decisions.count(asked.action, decision)
    return json_reply(_encoder.encode(decision.answer()))


def _is_there(asked: _Request, *, token: Token, keeper: Keeper) -> bool:
    """Tell whether the organization, and the side that is named, may be seen and are there, as far as is known."""
    schedule, code = keeper.moment().schedule, asked.organization or ""
    if not token.may_see(code):
        return False
    if schedule is None:
        return True
    found = schedule.organizations.get(code)
    return found is not None and (asked.side is None or asked.side in found.sides)


def _ask(asked: _Request, token: Token, users: KnownUsers) -> Ask:
    return Ask(
        action=asked.action,
        organization=asked.organization,
        user=asked.user.name if asked.user is not None else None,
        admin=_admin(asked.user, token, users),
        lease=asked.lease,
        session=asked.session,
        via=asked.via,
        writer=asked.writer,
        side=asked.side,
        link_asks=asked.link_asks,
    )


def _admin(user: _User | None, token: Token, users: KnownUsers) -> bool:
    if user is None:
        return False
    known = users.admin(user.name) if user.name is not None else None
    return known if known is not None else user.admin and "assert-admin" in token.scopes
