"""The site as one plain ASGI application: what gates and proxies ask all the time, without a framework.

    POST /api/decision           scope decide
    GET  /api/schedule           scope schedule; and /api/schedule/events
    GET  /gate/nginx             the proxy's secret; and /gate/traefik, /gate/envoy
    GET  /livez, /readyz
    GET  /metrics                scope schedule
    everything else              the pages (`slacktide.server.pages`), which are Django, in threads

It decides by a keeper of its own, beside the control database, and so by the same code as every gate. The token is
looked at before the body, so that nobody who is not admitted has anything read.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
import psycopg

from slacktide.control import token as tokens
from slacktide.control import user
from slacktide.control.lease import leases_of, live_leases
from slacktide.control.request import organization_about
from slacktide.control.schedule import known_of
from slacktide.control.setting import control_now
from slacktide.control.task import organizations_of_tasks
from slacktide.control.token import Token
from slacktide.core import clock
from slacktide.core.duration import format_instant
from slacktide.downtime.table import Action
from slacktide.gates import forward_auth
from slacktide.gates.ask import Ask
from slacktide.gates.control_source import ControlSource
from slacktide.gates.keeper import Keeper
from slacktide.gates.refusal import Reply, problem
from slacktide.server.decision import answer_decision, read_decision
from slacktide.server.door import Door
from slacktide.server.feed import Feed
from slacktide.server.metrics import Metrics
from slacktide.server.pages.application import Pages
from slacktide.server.pages.house import House, Provider
from slacktide.server.seen import SeenGates
from slacktide.server.user import KnownUsers
from slacktide.server.wire import (
    BodyTooLarge,
    Receive,
    Scope,
    Send,
    body_of,
    header,
    headers_of,
    json_reply,
    say,
    unadmitted,
)

_Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
_POLICY_VIOLATION = 1008
_ENVOY = "/gate/envoy"  # behind which Envoy writes the path of the request that it asks about
_NEW_TOKEN_SECONDS = 0.25
_TASK_SECONDS = 1.0


class Site:
    """The application. It belongs to one control database."""

    def __init__(
        self,
        address: str,
        *,
        proxy_secret: str | None = None,
        secret: str | None = None,
        base_url: str | None = None,
        provider: Provider | None = None,
    ) -> None:
        """Take the control database's address, and what else belongs to the site.

        `proxy_secret` is what proxies come with (None: no proxy may ask), `secret` signs sessions and links (None: one
        of its own, that ends with it), `base_url` is where people reach it, `provider` who else logs them in.
        """
        self._secret = proxy_secret
        self._door, self._seen, self._feed, self._users = Door(), SeenGates(), Feed(), KnownUsers()
        channels = (tokens.CHANNEL, user.CHANNEL)
        source = ControlSource(address, name="server", beside=self._beside, channels=channels)
        self.keeper = Keeper(source, changed=lambda: self._feed.renew(self.keeper.moment()))
        secret = secret or secrets.token_urlsafe(32)
        self._house = House(address, keeper=self.keeper, secret=secret, base_url=base_url, provider=provider)
        self._pages = Pages(self._house)
        self._metrics = Metrics(address, keeper=self.keeper)
        self._routes: dict[str, tuple[str, _Handler]] = {
            "/api/decision": ("POST", self._decision),
            "/api/schedule": ("GET", self._schedule),
            "/api/schedule/events": ("GET", self._events),
            "/metrics": ("GET", self._metrics_),
            "/gate/nginx/refused": ("", self._gate(forward_auth.refused)),
            "/livez": ("GET", self._livez),
            "/readyz": ("GET", self._readyz),
        } | {f"/gate/{name}": ("", self._gate(dialect)) for name, dialect in forward_auth.DIALECTS.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request by its path."""
        if scope["type"] != "http":
            return await self._other(scope, receive, send)
        path = _ENVOY if scope["path"].startswith(f"{_ENVOY}/") else scope["path"]
        method, handler = self._routes.get(path, ("", None))
        if handler is None:
            return await self._pages(scope, receive, send)
        if method and scope["method"] != method and (method, scope["method"]) != ("GET", "HEAD"):
            detail, allow = f"{scope['path']} takes {method}.", (("Allow", method),)
            status = HTTPStatus.METHOD_NOT_ALLOWED
            return await say(problem(status=status, title="Wrong method", detail=detail, headers=allow), send)
        return await handler(scope, receive, send)

    def end(self) -> None:
        """End the streams and the keeper; called by any thread."""
        self._feed.end()
        self.keeper.close()
        self._pages.close()

    # -- the paths -----------------------------------------------------------------------------------------------------

    async def _decision(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = await self._admitted(scope, "decide")
        if token is None:
            return await say(unadmitted("decide"), send)
        try:
            body = await body_of(receive)
        except BodyTooLarge:
            detail = "The body is larger than a request for a decision can be."
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return await say(problem(status=status, title="Too large", detail=detail), send)
        if body is None:
            return None
        asked = read_decision(body)
        if isinstance(asked, Reply):
            return await say(asked, send)
        tasks = await self._tasks(asked.task_named)
        facts: dict[str, Any] = {"keeper": self.keeper, "users": self._users, "decisions": self._metrics.decisions}
        return await say(answer_decision(asked, tasks=tasks, token=token, **facts), send)

    async def _schedule(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- has no body
        token = await self._admitted(scope, "schedule")
        if token is None:
            return await say(unadmitted("schedule"), send)
        self._seen.note(headers_of(scope), token=token, now=self.keeper.moment().now)
        known = header(scope, b"if-none-match")
        return await say(self._feed.answer(token=token, known=known, keeper=self.keeper), send)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        token, authorization = await self._admitted(scope, "schedule"), header(scope, b"authorization")
        if token is None:
            return await say(unadmitted("schedule"), send)

        def live() -> bool:
            return self._door.admit(authorization, scope="schedule") is not None

        return await self._feed.stream(token=token, keeper=self.keeper, live=live, receive=receive, send=send)

    async def _admitted(self, scope: Scope, needed: str) -> Token | None:
        """Give the caller's token; one that is not known is looked for again a moment later, for it may be new."""
        authorization = header(scope, b"authorization")
        token = self._door.admit(authorization, scope=needed)
        if token is None and authorization:
            await asyncio.sleep(_NEW_TOKEN_SECONDS)
            token = self._door.admit(authorization, scope=needed)
        return token

    def _gate(self, dialect: Callable[..., Reply]) -> _Handler:
        async def answer(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 -- the body is the client's
            await say(await self._judged(headers_of(scope), dialect), send)

        return answer

    async def _judged(self, headers: dict[str, str], dialect: Callable[..., Reply]) -> Reply:
        if not forward_auth.trusted(headers, secret=self._secret):
            return forward_auth.distrusted()
        try:
            ask = forward_auth.ask_of(headers, admin=self._users.admin)
        except forward_auth.UnknownAction as error:
            return problem(status=HTTPStatus.FORBIDDEN, title="Unknown action", detail=str(error))
        organization = organization_about(ask.task, ask.organization, tasks=await self._tasks(ask.task))
        role = self._users.role(ask.user)
        own = role is not None and role.manages(organization)
        ask = msgspec.structs.replace(ask, organization=organization, own_downtime=own)
        refusal = self.keeper.refusal(ask)
        if refusal is not None and ask.user is not None and await asyncio.to_thread(self._has_lease, ask):
            refusal = self.keeper.refusal(msgspec.structs.replace(ask, lease=True))
        self._metrics.decisions.count(ask.action, refusal)
        return dialect(refusal, accept=headers.get("accept", ""))

    async def _metrics_(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- has no body
        token = await self._admitted(scope, "schedule")
        if token is None:
            return await say(unadmitted("schedule"), send)
        return await say(await self._metrics.answer(token=token, accept=header(scope, b"accept")), send)

    async def _livez(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- always the same
        await say(json_reply(b'{"live":true}'), send)

    async def _readyz(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 -- of the site alone
        moment = self.keeper.moment()
        ready = moment.schedule is not None and not moment.stale
        down = moment.schedule is not None and moment.schedule.site.at(moment.now).in_effect
        facts: dict[str, Any] = {
            "ready": ready,
            "site": "down" if down else "open",
            "now": format_instant(moment.now),
            "schedule_age_seconds": moment.age_seconds,
        }
        status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
        await say(json_reply(msgspec.json.encode(facts), status=status), send)

    # -- beside the paths ----------------------------------------------------------------------------------------------

    def _beside(self, connection: psycopg.Connection[Any], told: frozenset[str]) -> None:
        """Read tokens and users when they may have changed, and write down the gates, with each look of the keeper."""
        if user.CHANNEL in told:
            self._users.load(connection)
        if tokens.CHANNEL in told and self._door.load(connection):
            self._feed.wake()
        with contextlib.suppress(psycopg.Error):
            self._seen.write(connection, monotonic=clock.monotonic_seconds())

    async def _tasks(self, task: str | None) -> dict[str, str]:
        """Tell of which organization the task of a request is, if it names one and that is known."""
        return {} if task is None else await asyncio.to_thread(self._organizations, task)

    def _organizations(self, task: str) -> dict[str, str]:
        """Tell of which organization a task is, if it is known; nobody knows while the control database is silent."""
        with contextlib.suppress(psycopg.Error), self._house.connection(wait_seconds=_TASK_SECONDS) as connection:
            return organizations_of_tasks(connection, [task])
        return {}

    def _has_lease(self, ask: Ask) -> bool:
        """Tell whether a user has a live lease of a task, for the log-in of any; nobody has while nobody can tell."""
        with contextlib.suppress(psycopg.Error), self._house.connection(wait_seconds=_TASK_SECONDS) as connection:
            user, any_of = str(ask.user), ask.action is Action.LOGIN
            if any(any_of or lease.task == ask.task for lease in leases_of(connection, user=user)):
                live = live_leases(connection, user=user, known=known_of(connection), now=control_now(connection))
                return any(any_of or lease.task == ask.task for lease in live)
        return False

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Follow the server's life; no socket is taken."""
        if scope["type"] == "websocket":
            await receive()
            return await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        while (message := await receive())["type"] != "lifespan.shutdown":
            if message["type"] == "lifespan.startup":
                self._feed.begin()
                self.keeper.start()
                await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
