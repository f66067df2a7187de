"""Answers for proxies that ask before they pass a request on, each in its proxy's dialect.

The proxy says whose request it is in headers: `X-Slacktide-User`, `-Organization`, `-Task` and `-Action` (left out:
`open_task`, which is judged most strictly). They count only beside the proxy's own secret; without it the request is
refused, so that nobody who comes past the proxy is asked anything.

1. nginx turns every answer of its `auth_request` but 2xx, 401 and 403 into 500, and drops the body. It gets 403, with
   the status, code and waiting time in headers; its `error_page` asks once more, for what the client is to see
   (`refused`). In between the downtime may have ended: then the request was refused all the same, and is to come again.
2. Envoy takes a 5xx for a failure of the gate. It gets 403 with the whole answer, and the real status in a header.
3. Traefik passes on what it gets. It gets the answer as it is.
4. A client sends these headers itself. The proxy strips them at the edge, as the snippets do; the secret is compared in
   constant time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hmac import compare_digest
from http import HTTPStatus

from slacktide.core.errors import UsageError
from slacktide.downtime.decision import Decision
from slacktide.downtime.table import Action
from slacktide.gates.ask import Ask
from slacktide.gates.refusal import Reply, common_headers, problem, refuse, status_of

_ACTIONS = frozenset(action.value for action in Action)
NO_STORE = (("Cache-Control", "no-store"),)
_OVER, _AGAIN = "Available again", "What you have just asked for was refused; nothing was done. Ask again."


class UnknownAction(UsageError):
    """The action {action!r} is not known: it is one of {known}."""


def trusted(headers: Mapping[str, str], *, secret: str | None) -> bool:
    """Tell whether a request comes from the proxy: headers by their names in small letters."""
    given = headers.get("x-slacktide-secret", "")
    return bool(secret) and compare_digest(given.encode(), (secret or "").encode())


def ask_of(headers: Mapping[str, str], *, admin: Callable[[str], bool | None] = lambda _: None) -> Ask:
    """Read what a proxy says of a request; `admin` tells by the user's name. Raises UnknownAction.

    Whoever knows the task judges it by the task's own organization, whatever the proxy says.
    """
    action, user = headers.get("x-slacktide-action") or Action.OPEN_TASK, headers.get("x-slacktide-user") or None
    if action not in _ACTIONS:
        raise UnknownAction(action=action, known=", ".join(Action))
    return Ask(
        action=Action(action),
        organization=headers.get("x-slacktide-organization") or None,
        user=user,
        admin=bool(user and admin(user)),
        task=headers.get("x-slacktide-task") or None,
        session="none",
    )


def nginx(decision: Decision | None, *, accept: str = "") -> Reply:  # noqa: ARG001 -- the same for every dialect
    """Answer nginx: 204, or 403 with the status and the waiting time in headers."""
    return Reply(HTTPStatus.NO_CONTENT, NO_STORE) if decision is None else Reply(403, _said(decision))


def refused(decision: Decision | None, *, accept: str = "") -> Reply:
    """Answer whom nginx has just refused: the refusal as the client is to see it, never that it is allowed."""
    if decision is not None:
        return refuse(decision, accept=accept)
    headers = (("Retry-After", "1"),)
    return problem(status=HTTPStatus.SERVICE_UNAVAILABLE, title=_OVER, detail=_AGAIN, headers=headers)


def traefik(decision: Decision | None, *, accept: str = "") -> Reply:
    """Answer Traefik: 200, or the refusal as the client is to see it."""
    return Reply(HTTPStatus.OK, NO_STORE) if decision is None else refuse(decision, accept=accept)


def envoy(decision: Decision | None, *, accept: str = "") -> Reply:
    """Answer Envoy: 200, or 403 with the refusal and the real status in a header."""
    if decision is None:
        return Reply(HTTPStatus.OK, NO_STORE)
    whole = refuse(decision, accept=accept)
    return Reply(HTTPStatus.FORBIDDEN, (*whole.headers, ("X-Slacktide-Status", str(whole.status))), whole.body)


DIALECTS = {"nginx": nginx, "traefik": traefik, "envoy": envoy}


def distrusted() -> Reply:
    """Answer whoever is not the proxy; nginx passes a 403 on."""
    detail = "The proxy's secret is missing or wrong: see SLACKTIDE_PROXY_SECRET, and the header X-Slacktide-Secret."
    return problem(status=HTTPStatus.FORBIDDEN, title="Not a known proxy", detail=detail)


def _said(decision: Decision) -> tuple[tuple[str, str], ...]:
    facts = {
        "Status": status_of(decision),
        "Code": decision.code or "log_in",
        "Retry-After": decision.retry_after_seconds,
    }
    said = tuple((f"X-Slacktide-{name}", str(fact)) for name, fact in facts.items() if fact is not None)
    return (*common_headers(decision), *said, ("Content-Length", "0"))
