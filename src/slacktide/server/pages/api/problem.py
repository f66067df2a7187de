"""What an operation that does not go through answers: an RFC 9457 problem document with a stable `code`.

Refusals by the schedule are those of the gates (`gates.refusal`). Errors of ours keep their class's name as `code`:
what is not there is 404, what is not understood 400, and what cannot be done as things are 409.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
from django.http import HttpResponse

from slacktide.control.downtime import UnknownDowntime
from slacktide.control.lease import UnknownLease
from slacktide.control.log_in import UnknownPerson
from slacktide.control.session import SessionLimited, SessionOver, UnknownSession
from slacktide.control.setting_change import UnknownSetting
from slacktide.control.task import UnknownTask
from slacktide.control.user import UnknownUser
from slacktide.core.errors import InputError, OutsideError, SlacktideError, UsageError
from slacktide.downtime.decision import Decision
from slacktide.downtime.schedule import UnknownOrganization
from slacktide.gates.refusal import refuse
from slacktide.holding.store import UnknownItem


class NotAdmitted(InputError):
    """This needs `Authorization: Bearer TOKEN` with a live token of scope api: `slacktide token add`."""


class UserUnsaid(UsageError):
    """This is done by a user, and the token names none: add the header Slacktide-User."""


class SessionUnsaid(UsageError):
    """This is done in a session of the user: make one with POST /api/sessions, and name it in the header Slacktide-Session."""  # noqa: E501 -- the message is one sentence


class SessionNotOfUser(InputError):
    """The session {id} is not one of {user}: make one with POST /api/sessions."""


class NotAnOperation(UsageError):
    """There is no operation {method} {path}: /api/docs lists those that there are."""


class WrongMethod(UsageError):
    """{path} does not take {method}, but {allowed}."""


class BadBody(UsageError):
    """The request is not understood: {reason}."""


class Refused(Exception):
    """A decision refuses it. `facts` are said beside, such as what was typed and could not be saved."""

    def __init__(self, decision: Decision, **facts: Any) -> None:
        """Take the decision."""
        self.decision, self.facts = decision, facts
        super().__init__(decision.code)


_ABSENT = (
    UnknownDowntime, UnknownItem, UnknownLease, UnknownOrganization, UnknownSession, UnknownSetting, UnknownTask,
    UnknownUser, NotAnOperation,
)  # fmt: skip
_STATUS: tuple[tuple[type[SlacktideError] | tuple[type[SlacktideError], ...], HTTPStatus], ...] = (
    (NotAdmitted, HTTPStatus.UNAUTHORIZED),
    (WrongMethod, HTTPStatus.METHOD_NOT_ALLOWED),
    ((UnknownPerson, SessionOver, SessionLimited, SessionNotOfUser), HTTPStatus.FORBIDDEN),
    (_ABSENT, HTTPStatus.NOT_FOUND),
    (UsageError, HTTPStatus.BAD_REQUEST),
    (InputError, HTTPStatus.CONFLICT),
    (OutsideError, HTTPStatus.SERVICE_UNAVAILABLE),
)


def document_of(error: SlacktideError) -> dict[str, Any]:
    """Give the problem document of an error; what was typed and could not be saved is given back."""
    found = (status for kind, status in _STATUS if isinstance(error, kind))
    status = next(found, HTTPStatus.INTERNAL_SERVER_ERROR)
    name, typed = error.code, {"note": error.facts["note"]} if "note" in error.facts else {}
    return {
        "type": f"urn:slacktide:{name}",
        "title": status.phrase,
        "status": int(status),
        "detail": str(error),
        "code": name,
        **typed,
    }


def problem_of(problem: SlacktideError | Refused) -> HttpResponse:
    """Give the answer to what did not go through."""
    if isinstance(problem, Refused):
        reply = refuse(problem.decision)
        headers = {name: value for name, value in reply.headers if name != "Content-Length"}
        body = msgspec.json.encode(msgspec.json.decode(reply.body) | problem.facts)
        return HttpResponse(body, status=reply.status, headers=headers)
    document = document_of(problem)
    headers = {"Content-Type": "application/problem+json"}
    if isinstance(problem, NotAdmitted):
        headers["WWW-Authenticate"] = 'Bearer scope="api"'
    if isinstance(problem, WrongMethod):
        headers["Allow"] = str(problem.facts["allowed"])
    return HttpResponse(msgspec.json.encode(document), status=document["status"], headers=headers)
