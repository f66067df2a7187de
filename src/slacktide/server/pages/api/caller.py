"""Who calls: a token, by itself or for a user, with the rights that count at this moment.

1. The token is revoked, or has not the scope: nobody is there, whatever else the request says. It is found by its hash;
   looking changes nothing of it, so that a refused request does not use it up.
2. A browser is made to call us, with its cookie: a cookie admits nobody here.
3. A token acts for an administrator, or for itself: the administrator's rights count only with scope `assert-admin`.
4. A token with organizations: it is good for those, an administrator's rights too; others are as if absent.
5. The role is taken away meanwhile: it is read at each request, and again in the transaction that changes something.
6. The site is down and its user has a task open: then it may go on with that task (`leased`), and do nothing else.
"""

from __future__ import annotations

from typing import cast

import msgspec
from django.http import HttpRequest

from slacktide.control.lease import leases_of
from slacktide.control.log_in import UnknownPerson
from slacktide.control.token import Token, token_of_secret
from slacktide.control.user import Role, role_now, role_of
from slacktide.downtime.decision import Decision
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.server.pages.api.problem import NotAdmitted
from slacktide.server.pages.house import Connection, connected, keeper_of

SCOPE = "api"
ASSERT = "assert-admin"
USER = "Slacktide-User"
_SCHEME = "bearer "
_NAME = "slacktide_caller"


class Caller(msgspec.Struct, frozen=True):
    """Who calls. `user` is None where the token acts by itself; `known` tells whether there is such a user."""

    token: Token
    user: str | None
    role: Role
    known: bool = True
    leased: bool = False

    @property
    def who(self) -> str:
        """Give who acts, for the trail."""
        name = f"token {self.token.name}"
        return name if self.user is None else f"{self.user} by {name}"

    @property
    def as_admin(self) -> bool:
        """Tell whether an administrator's rights count, if there are any."""
        return ASSERT in self.token.scopes

    @property
    def admin(self) -> bool:
        """Tell whether it is let in as an administrator."""
        return self.role.admin

    def administers(self, organization: str | None) -> bool:
        """Tell whether it may do an administrator's work for an organization (None: for the whole site)."""
        return self.role.admin and (not self.token.organizations or organization in self.token.organizations)

    def manages(self, organization: str | None) -> bool:
        """Tell whether it may change the downtimes of an organization (None: of the site)."""
        own = organization is not None and organization in self.role.administers and self.token.may_see(organization)
        return own or self.administers(organization)

    def works_for(self, organization: str) -> bool:
        """Tell whether it may know how an organization stands."""
        own = organization in self.role.organizations | self.role.administers
        return self.token.may_see(organization) and (self.user is None or self.role.admin or own)

    def anew(self, connection: Connection) -> Caller:
        """Give it with the rights of this moment."""
        if self.user is None:
            return self
        return msgspec.structs.replace(self, role=role_now(connection, self.user, as_admin=self.as_admin))


def logs_in(request: HttpRequest, *, with_lease: bool) -> Ask | None:
    """Find out who calls, and ask for its log-in; `with_lease`: an open task lets it in. None: nobody is there."""
    with connected(request) as connection:
        caller = _caller(connection, request, with_lease=with_lease)
    setattr(request, _NAME, caller)
    return None if caller is None else _log_in(caller, lease=caller.leased)


def caller_of(request: HttpRequest) -> Caller:
    """Give who calls, as the gate found out. Raises NotAdmitted, UnknownPerson."""
    caller = cast("Caller | None", getattr(request, _NAME, None))
    if caller is None:
        raise NotAdmitted
    if not caller.known:
        raise UnknownPerson(name=caller.user)
    return caller


def barred(request: HttpRequest, caller: Caller) -> Decision | None:
    """Give the decision that would refuse it without the task that it has open; None where it needs none."""
    return keeper_of(request).refusal(_log_in(caller, lease=False))


def _log_in(caller: Caller, *, lease: bool) -> Ask:
    return Ask(action=Action.LOGIN, user=caller.user, admin=caller.admin, lease=lease, session="none", via="api")


def _caller(connection: Connection, request: HttpRequest, *, with_lease: bool) -> Caller | None:
    authorization = request.headers.get("authorization", "")
    if authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    token = token_of_secret(connection, secret=authorization[len(_SCHEME) :].strip())
    if token is None or SCOPE not in token.scopes:
        return None
    user = _user(request)
    if user is None:
        return Caller(token, None, Role(admin=ASSERT in token.scopes))
    role = role_of(connection, user)
    if role is None or role.disabled:
        return Caller(token, user, Role(), known=False)
    leased = with_lease and role.has_leases and bool(leases_of(connection, user=user))
    return Caller(token, user, role_now(connection, user, as_admin=ASSERT in token.scopes), leased=leased)


def _user(request: HttpRequest) -> str | None:
    """Give the user that is named; names come in UTF-8, which WSGI hands on as Latin-1."""
    name = request.headers.get(USER)
    return None if name is None else name.encode("latin-1", "replace").decode("utf-8", "replace")
