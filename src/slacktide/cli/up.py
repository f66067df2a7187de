"""`slacktide up` and `slacktide worker`: what runs in the foreground."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from slacktide.cli.output import Shown
from slacktide.control.database import Control, open_control
from slacktide.control.reviving import revived
from slacktide.control.witness import witnessed
from slacktide.core.configuration import (
    base_url,
    data_folder,
    move_retention,
    proxy_secret,
    retention,
    secret_key,
    single_sign_on,
    trusted_proxies,
    worker_moves,
)
from slacktide.core.errors import OutsideError
from slacktide.postgres.connection import shown

if TYPE_CHECKING:
    from slacktide.server.asgi import Site

_SHOWN = Shown()


class ServerMissing(OutsideError):
    """The site needs {module}, which is not installed: install slacktide[server], or start a worker alone with `slacktide worker`."""  # noqa: E501 -- the message is one sentence


def up(
    *,
    host: Annotated[str, Parameter(help="Where the site listens; 0.0.0.0 is everywhere.")] = "127.0.0.1",
    port: Annotated[int, Parameter(help="The site's port; 0 takes one that is free.")] = 8000,
    no_worker: Annotated[bool, Parameter(negative="", help="Start the control database and the site only.")] = False,
    options: Shown = _SHOWN,
) -> int:
    """Start the control database, the site and a worker, in the foreground. Says "ready" with the address."""
    serving, site_of = _server()
    ended = _until_signal()
    proxies = trusted_proxies()
    with (
        open_control() as control,
        revived(control),
        witnessed(control.address, folder=data_folder()),
        serving(site_of(control.address), host=host, port=port, proxies=proxies) as url,
    ):
        if no_worker:
            _say_ready(control, options, what="the site", url=url)
            ended.wait()
        else:
            _work(control, options, ended, what="the site and a worker", url=url)
    return 0


def worker(*, options: Shown = _SHOWN) -> int:
    """Start one more worker, on this or any machine with the same control database."""
    ended = _until_signal()
    with open_control() as control, revived(control), witnessed(control.address, folder=data_folder()):
        _work(control, options, ended, what="a worker")
    return 0


def _server() -> tuple[Callable[..., AbstractContextManager[str]], Callable[[str], Site]]:
    """Give what serves a site, and what makes one of a control database. Raises ServerMissing."""
    try:
        from slacktide.server.asgi import Site  # noqa: PLC0415 -- a worker does without
        from slacktide.server.pages.house import Provider  # noqa: PLC0415 -- see above
        from slacktide.server.run import serving  # noqa: PLC0415 -- see above
    except ModuleNotFoundError as error:
        raise ServerMissing(module=error.name) from error
    facts: dict[str, Any] = {"proxy_secret": proxy_secret(), "secret": secret_key(), "base_url": base_url()}
    named = single_sign_on()
    facts["provider"] = Provider(**named) if named else None
    return serving, lambda address: Site(address, **facts)


def _work(control: Control, options: Shown, ended: threading.Event, *, what: str, url: str | None = None) -> None:
    from slacktide.worker.supervise import Worker  # noqa: PLC0415 -- `up --no-worker` does without

    said = threading.Event()
    move_retention()
    retention()  # what cannot be understood is refused now, not by a thread an hour later
    worker_moves()

    def ready() -> None:
        if not said.is_set():
            said.set()
            _say_ready(control, options, what=what, url=url)

    Worker(control.address).run(ended=ended.is_set, ready=ready)


def _say_ready(control: Control, options: Shown, *, what: str, url: str | None = None) -> None:
    address = shown(control.address)
    where = f" at {url}" if url else ""
    facts = {"url": url} if url else {}
    options.say(
        {"state": "ready", **facts, "database": address},
        f"ready: {what}{where}, the control database at {address} (ctrl-C ends it)",
    )


def _until_signal() -> threading.Event:
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    return ended
