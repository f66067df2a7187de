"""Serving the site: uvicorn on a socket of ours, in a thread beside whatever else the process does.

1. The port is taken: said with the way out, before anything is called ready.
2. Port 0 is asked for: the socket is bound first, so that the address that is said is the real one.
3. An answer of two pieces waits 40 ms for the acknowledgement of the first: asyncio sets TCP_NODELAY, but only on
   sockets that are said to be TCP, as `socket.create_server` does not.
4. Somebody forges where a request comes from: forwarded headers are heeded from trusted proxies alone.
5. The end: the streams are ended first, for a server waits for its connections; then uvicorn, then the socket.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import uvicorn

from slacktide.core import clock
from slacktide.core.errors import OutsideError
from slacktide.server.asgi import Site

_END_SECONDS = 5
_LOOK_SECONDS = 0.01
_BACKLOG = 2048
_FIRST_SCHEDULE_SECONDS = 10.0


class PortNotOpened(OutsideError):
    """The site cannot listen at {host} port {port}: {reason}. Give another one with --host and --port; --port 0 takes one that is free."""  # noqa: E501 -- the message is one sentence


class SiteNotStarted(OutsideError):
    """The site at {url} did not start within {seconds:.0f} s: see what it logged above, and whether the control database answers."""  # noqa: E501 -- the message is one sentence


@contextlib.contextmanager
def serving(site: Site, *, host: str, port: int, proxies: str | None = None) -> Iterator[str]:
    """Serve the site while the block runs; gives its address.

    `proxies` are those whose forwarded headers are heeded, with commas. Raises PortNotOpened, SiteNotStarted.
    """
    with _bound(host, port) as listening:
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{listening.getsockname()[1]}"
        server = uvicorn.Server(_settings(site, proxies))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="slacktide site")
        thread.start()
        try:
            _await_start(site, server, thread, url=url)
            yield url
        finally:
            site.end()
            server.should_exit = True
            thread.join()


def _settings(site: Site, proxies: str | None) -> uvicorn.Config:
    return uvicorn.Config(
        site,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=proxies is not None,
        forwarded_allow_ips=proxies or "",
        timeout_graceful_shutdown=_END_SECONDS,
        lifespan="on",
    )


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
    except (OSError, OverflowError) as error:
        raise PortNotOpened(host=host, port=port, reason=error) from error
    return listening


def _await_start(site: Site, server: uvicorn.Server, thread: threading.Thread, *, url: str) -> None:
    limit = clock.monotonic_seconds() + _FIRST_SCHEDULE_SECONDS
    site.keeper.start(wait_seconds=_FIRST_SCHEDULE_SECONDS)
    while not server.started:
        if not thread.is_alive() or clock.monotonic_seconds() > limit:
            raise SiteNotStarted(url=url, seconds=_FIRST_SCHEDULE_SECONDS)
        clock.sleep(_LOOK_SECONDS)
