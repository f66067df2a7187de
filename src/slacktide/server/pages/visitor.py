"""Who a request comes from: the session of the signed cookie, as the control database has it now.

1. The session was ended, or idle for too long: the visitor is nobody, whatever the cookie says.
2. The role was taken away, or given, in mid-session: the role is read at every request.
3. The cookie is another's, or changed: it is signed, and bound to nothing but the session, which is a row of ours.
4. All of it was so when the request came, and is not any more when something is changed: who acts is asked again in the
   transaction that changes it, and its session stays live until that ends.
5. The control database does not answer, and a file of the pages is asked for: that is for everybody, and nobody is
   asked for.
6. An administrator's link was forwarded, and its level asks for no log-in: a limited session administers nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import msgspec
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from slacktide.control.session import SessionOver, hold_session, visit
from slacktide.control.user import Role, role_of
from slacktide.server.pages.house import Connection, connected

SESSION = "session"
_FOR_NOBODY = "slacktide_for_nobody"
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class Visitor(msgspec.Struct, frozen=True):
    """Who is there; without a session nobody is. A `limited` one may go on with open tasks only."""

    session: str | None = None
    user: str = ""
    role: Role = Role()
    limited: bool = False

    @property
    def admin(self) -> bool:
        """Tell whether it is an administrator, who has logged in as one."""
        return self.role.admin and not self.limited

    @property
    def manages(self) -> bool:
        """Tell whether it may change the downtimes of anything."""
        return self.admin or bool(self.administers)

    @property
    def administers(self) -> tuple[str, ...]:
        """The organizations whose downtimes it may change."""
        return () if self.limited else tuple(self.role.administers)


class Request(HttpRequest):
    """A request with its visitor; for the type checker."""

    visitor: Visitor


class VisitorMiddleware:
    """Sets `request.visitor`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Take what comes behind."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Find out who it is, and go on."""
        known = request.session.get(SESSION)
        found = Visitor()
        if known is not None and not _for_nobody(request):
            with connected(request) as connection:
                found = _visitor(connection, known)
        cast("Request", request).visitor = found
        return self._get_response(request)


def for_nobody(view: View) -> View:
    """Have a view that shows everybody the same not ask who it is, nor the control database."""
    setattr(view, _FOR_NOBODY, True)
    return view


def _for_nobody(request: HttpRequest) -> bool:
    try:
        return hasattr(resolve(request.path_info).func, _FOR_NOBODY)
    except Resolver404:
        return False


def visitor_of(request: HttpRequest) -> Visitor:
    """Give who a request comes from."""
    found: Visitor = getattr(request, "visitor", Visitor())  # an error page may come before it is known
    return found


def visitor_now(connection: Connection, request: HttpRequest) -> Visitor:
    """Give who acts by the session and the role of this moment, in the transaction of the act."""
    before = visitor_of(request)
    try:
        hold_session(connection, id=before.session or "")
    except SessionOver:
        return Visitor()
    role = role_of(connection, before.user) or Role(disabled=True)
    return Visitor() if role.disabled else msgspec.structs.replace(before, role=role)


def administrator(connection: Connection, request: HttpRequest) -> str:
    """Give who acts, if it is an administrator now, in the transaction of the act. Raises PermissionDenied."""
    visitor = visitor_now(connection, request)
    if not visitor.admin:
        reason = "You are not an administrator any more, or your session is over: nothing was changed."
        raise PermissionDenied(reason)
    return visitor.user


def _visitor(connection: Connection, session: str) -> Visitor:
    try:
        user, limited = visit(connection, id=session)
    except SessionOver:
        return Visitor()
    role = role_of(connection, user) or Role(disabled=True)
    return Visitor() if role.disabled else Visitor(session, user, role, limited)
