"""`POST /api/decision`: whether an action may go on now.

The caller is trusted with the facts of the request, by its token; not with the administrator's role. The server's own
knowledge of a user and of a task wins, as it does for `check`. Of a user that it does not know `admin` counts only with
scope `assert-admin`; a task that it does not know, that the token may not see, or that nobody can look up while the
control database is silent, is judged as the request says.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal

import msgspec

from slacktide.control.request import organization_about
from slacktide.control.token import Token
from slacktide.control.user import Role
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


class DecisionRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The request, as the interface has it."""

    action: Action
    user: _User | None = None
    organization: str | None = None
    task: str | int | None = None  # whose organization counts, see `task_named`
    via: Literal["browser", "email", "api"] = "browser"
    session: Literal["none", "live"] = "none"
    lease: bool = False
    writer: Literal["own", "other"] = "own"
    side: SideName | None = None
    link_asks: bool = True

    @property
    def task_named(self) -> str | None:
        """The task's ID as the control database has it."""
        return None if self.task is None else str(self.task)


_decoder = msgspec.json.Decoder(DecisionRequest)
_encoder = msgspec.json.Encoder()
_NORMAL, _ADMINISTRATOR = Role(), Role(admin=True)


def read_decision(body: bytes) -> DecisionRequest | Reply:
    """Read a request, or give the answer to what cannot be read: 400."""
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return problem(status=HTTPStatus.BAD_REQUEST, title="Not a request for a decision", detail=f"{error}.")


def answer_decision(
    asked: DecisionRequest,
    *,
    tasks: Mapping[str, str],
    token: Token,
    keeper: Keeper,
    users: KnownUsers,
    decisions: Decisions,
) -> Reply:
    """Answer a request: 200 with the decision, 404 for an organization that is not there.

    `tasks` tells of which organization the request's task is, as far as that is known.
    """
    if asked.task is not None:
        seen = {task: code for task, code in tasks.items() if token.may_see(code)}
        asked.organization = organization_about(asked.task_named, asked.organization, tasks=seen)
    if asked.organization is not None and not _is_there(asked, token=token, keeper=keeper):
        detail = f"There is no organization {asked.organization!r} that this token may see, or not that side of it."
        return problem(status=HTTPStatus.NOT_FOUND, title="Unknown organization", detail=detail)
    decision = keeper.decide(_ask(asked, token, users))
    decisions.count(asked.action, decision)
    return json_reply(_encoder.encode(decision.answer()))


def _is_there(asked: DecisionRequest, *, token: Token, keeper: Keeper) -> bool:
    """Tell whether the organization, and the side that is named, may be seen and are there, as far as is known."""
    schedule, code = keeper.moment().schedule, asked.organization or ""
    if not token.may_see(code):
        return False
    if schedule is None:
        return True
    found = schedule.organizations.get(code)
    return found is not None and (asked.side is None or asked.side in found.sides)


def _ask(asked: DecisionRequest, token: Token, users: KnownUsers) -> Ask:
    role = _role(asked.user, token, users)
    return Ask(
        action=asked.action,
        organization=asked.organization,
        user=asked.user.name if asked.user is not None else None,
        admin=role.admin,
        own_downtime=role.manages(asked.organization),
        lease=asked.lease,
        session=asked.session,
        via=asked.via,
        writer=asked.writer,
        side=asked.side,
        link_asks=asked.link_asks,
    )


def _role(user: _User | None, token: Token, users: KnownUsers) -> Role:
    if user is None:
        return _NORMAL
    known = users.role(user.name)
    if known is not None:
        return known
    return _ADMINISTRATOR if user.admin and "assert-admin" in token.scopes else _NORMAL
