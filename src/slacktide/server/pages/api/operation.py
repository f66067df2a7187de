"""An operation: its address, how it is judged, what it takes; and the views that Django sees.

A request goes through these steps, and what does not go through becomes a problem document:

    the gate        judges `login` of who calls
    admitted        a token of scope `api`, and a user that is there
    judged          by the operation's way, as of this moment
    understood      parameters and body, as the operation's structs have them; a field that is not known is refused
    done            the operation judges again, in its transaction, what it changes (`Call.must`)
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
import psycopg
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt

from slacktide.core.errors import SlacktideError
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages.api.caller import Caller, caller_of, logs_in
from slacktide.server.pages.api.problem import BadBody, NotAnOperation, Refused, UserUnsaid, WrongMethod, problem_of
from slacktide.server.pages.gate import JUDGED, exempt
from slacktide.server.pages.house import Connection, connected, keeper_of

_SAFE = "GET"
_ID = re.compile(r"{(\w+)}")


class Way(StrEnum):
    """How an operation is judged, beside the log-in."""

    READS = "the log-in alone; the answer holds what the caller may know of"
    MANAGES = "`change_setting`, of organization administrators for their own; again in the transaction"
    ADMINISTERS = "`change_setting`; again in the transaction"
    WHOLE = "`change_setting`, of a token for all organizations"
    ACTS = "`login`, `open_task`, `continue_task`, in the transaction that does it; an open task lets its user in"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. `body` and `query` are the structs of what it takes; `session`: it is done in a session."""

    method: str
    path: str
    way: Way
    do: Callable[..., Any]
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    status: HTTPStatus = HTTPStatus.OK
    session: bool = False

    @property
    def title(self) -> str:
        """The first sentence of what it does."""
        return (self.do.__doc__ or "").strip().split("\n")[0]

    @property
    def name(self) -> str:
        """Its name, for clients that are made from the document."""
        return self.do.__name__.rstrip("_")

    @property
    def arguments(self) -> list[str]:
        """The names in its path."""
        return _ID.findall(self.path)


class Call:
    """One request of an operation."""

    def __init__(self, request: HttpRequest, connection: Connection, caller: Caller) -> None:
        """Take the request, a connection and who calls."""
        self.request, self.connection, self.caller = request, connection, caller
        self.status: HTTPStatus | None = None  # where it is not that of the operation

    @property
    def user(self) -> str:
        """The user that it is done for. Raises UserUnsaid."""
        if self.caller.user is None:
            raise UserUnsaid
        return self.caller.user

    def must(self, *organizations: str | None, manages: bool = False) -> str:
        """Give who acts, if it may for all of these (None: the site) now, in the caller's transaction. Raises Refused.

        With `manages` it is about their downtimes.
        """
        caller = self.caller.anew(self.connection)
        for organization in organizations:
            may = caller.manages(organization) if manages else caller.administers(organization)
            if not may:
                self.refuse()
        return caller.who

    def refuse(self) -> NoReturn:
        """Refuse it as what administrators do. Raises Refused."""
        ask = Ask(action=Action.CHANGE_SETTING, user=self.caller.user)
        raise Refused(keeper_of(self.request).decide(ask))


OPERATIONS: list[Operation] = []


def operation(
    method: str, path_: str, way: Way, *, status: HTTPStatus = HTTPStatus.OK, **takes: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Have a function be an operation: it is called with the `Call`, the names in its path, `body` and `query`."""

    def register(do: Callable[..., Any]) -> Callable[..., Any]:
        OPERATIONS.append(Operation(method=method, path=f"/api/{path_}", way=way, do=do, status=status, **takes))
        return do

    return register


def addresses() -> list[URLPattern]:
    """Give the addresses of all operations, and of what is none."""
    by_path: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, {})[one.method] = one
    found = [path(_ID.sub(r"<str:\1>", at).lstrip("/"), _view(there)) for at, there in by_path.items()]
    return [*found, path("api/<path:rest>", csrf_exempt(exempt(_nothing)))]


def _view(there: dict[str, Operation]) -> Callable[..., HttpResponse]:
    def asks(request: HttpRequest, **_: str) -> Ask | None:
        found = _chosen(there, request)
        return logs_in(request, with_lease=found is not None and found.way is Way.ACTS)

    def view(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            return _answer(there, request, named)
        except (SlacktideError, Refused) as problem:
            return problem_of(problem)
        except (psycopg.DataError, OverflowError):
            return problem_of(BadBody(reason="a value in it cannot be kept"))

    setattr(view, JUDGED, asks)
    return csrf_exempt(view)


def _answer(there: dict[str, Operation], request: HttpRequest, named: dict[str, str]) -> HttpResponse:
    caller, chosen = caller_of(request), _chosen(there, request)
    if chosen is None:
        raise WrongMethod(path=request.path, method=request.method, allowed=", ".join(sorted(there)))
    _judge(chosen, request, caller)
    given = named | _taken(chosen, request)
    with connected(request) as connection:
        call = Call(request, connection, caller)
        answer = chosen.do(call, **given)
    body = b"" if chosen.status is HTTPStatus.NO_CONTENT else msgspec.json.encode(answer)
    return HttpResponse(body, status=call.status or chosen.status, content_type="application/json")


def _chosen(there: dict[str, Operation], request: HttpRequest) -> Operation | None:
    method = _SAFE if request.method == "HEAD" else request.method or ""
    return there.get(method)


def _judge(chosen: Operation, request: HttpRequest, caller: Caller) -> None:
    if chosen.way in (Way.READS, Way.ACTS):
        return
    admin = caller.administers(None) if chosen.way is Way.WHOLE else caller.admin
    own = chosen.way is Way.MANAGES and bool(caller.role.administers)
    ask = Ask(action=Action.CHANGE_SETTING, user=caller.user, admin=admin, own_downtime=own, via="api")
    decision = keeper_of(request).refusal(ask)
    if decision is not None:
        raise Refused(decision)


def _taken(chosen: Operation, request: HttpRequest) -> dict[str, Any]:
    """Read parameters and body. Raises BadBody."""
    taken: dict[str, Any] = {}
    try:
        if chosen.query is not None:
            taken["query"] = msgspec.convert(request.GET.dict(), chosen.query, strict=False)
        if chosen.body is not None:
            taken["body"] = msgspec.json.decode(request.body or b"{}", type=chosen.body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadBody(reason=str(error)) from error
    return taken


def _nothing(request: HttpRequest, rest: str) -> HttpResponse:
    return problem_of(NotAnOperation(method=request.method, path=f"/api/{rest}"))
