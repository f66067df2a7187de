"""A cable between a gate and its server, that a test cuts."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit


class Cable:
    """A relay between a gate and its server, whose connections the test cuts."""

    def __init__(self, url):
        """Listen; `plugged` says whether connections are taken."""
        self.lead(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.plugged, self.opened, self._open = True, 0, []
        self._taking = threading.Thread(target=self._take, daemon=True)
        self._taking.start()

    def lead(self, url):
        """Lead new connections to this server."""
        parts = urlsplit(url)
        self._to = (parts.hostname, parts.port)

    def cut(self):
        """Cut all connections."""
        for each in [*self._open]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Cut it for good."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._taking.join()
        self._listening.close()
        self.cut()

    def _take(self):
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            if self.plugged:
                threading.Thread(target=self._join, args=(near,), daemon=True).start()
            else:
                near.close()

    def _join(self, near):
        with near, socket.create_connection(self._to) as far:
            self.opened += 1
            self._open += [near, far]
            back = threading.Thread(target=carry, args=(far, near), daemon=True)
            back.start()
            carry(near, far)
            back.join()
            self._open.remove(near)
            self._open.remove(far)


def carry(source, target):
    """Carry what comes from one end to the other; where one ends, both do."""
    with contextlib.suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
