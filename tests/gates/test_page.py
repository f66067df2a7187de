"""The page for who puts a gate before an application runs as it is written."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from slacktide.gates import wsgi
from tests.docs.documents import BLOCK, ROOT, text_of

PAGE = ROOT / "docs" / "how-to" / "gate.md"


async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


def test_page(site, token, plan, soon, database, monkeypatch):
    """The page's Python gates an application over HTTP, and beside the control database."""
    monkeypatch.setenv("SLACKTIDE_TOKEN", token("schedule"))
    monkeypatch.setenv("SLACKTIDE_DATABASE_URL", database)
    first, beside = (text for kind, text in BLOCK.findall(text_of(PAGE)) if kind == "python")
    names = {
        "app": app,
        "route_of": lambda scope: scope["path"].strip("/"),
        "user_of": lambda scope: scope.get("user"),
        "organization_of": lambda _: "HOTEL",
    }
    exec(compile(first.replace("https://slacktide.example.com", site), "gate.md", "exec"), names)  # noqa: S102 -- the page's own code
    over_http = names["keeper"]
    exec(compile(beside, "gate.md", "exec"), names)  # noqa: S102 -- the page's own code

    def status(path, user=None):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "user": user}
        asyncio.run(names["app"](scope, None, send))
        return sent[0]["status"]

    with over_http, names["keeper"] as kept:
        soon(lambda: status("/task") == 200)
        plan("HOTEL")
        soon(lambda: status("/task") == 503)
        admin = SimpleNamespace(admin=True)
        assert [status("/login"), status("/task", admin), status("/worklist", SimpleNamespace(admin=False))] == [
            200
        ] * 3
        ask = names["asks"]({"path": "/task"})
        soon(lambda: kept.refusal(ask) is not None)
        gate = wsgi.Gate(lambda *_: [], keeper=kept, asks=lambda _: ask)
        assert gate({"REQUEST_METHOD": "HEAD"}, lambda *_: None) == []
