"""A site on the loopback for as long as a block runs: `slacktide up` in a folder of its own, with one organization."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_COMMAND = Path(sys.executable).with_name("slacktide")


class Site(NamedTuple):
    """A site that runs."""

    url: str
    token: str
    environment: dict[str, str]
    pid: int

    def cpu_seconds(self) -> float:
        """How long its process has computed."""
        user, system = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_site(*, scope: str) -> Iterator[Site]:
    """Run a site; its token is of that scope."""
    with tempfile.TemporaryDirectory(prefix="slacktide-bench-") as folder:
        environment = os.environ | {"SLACKTIDE_DATA": folder}
        Path(folder).chmod(0o755)  # as root the cluster runs as nobody, who has to be able to enter
        up = [_COMMAND, "up", "--port", "0", "--no-worker"]
        server = subprocess.Popen(up, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            url = re.search(r"http://[\d.:]+", server.stdout.readline())[0]
            _run("organization", "add", "HOTEL", environment=environment)
            token = _run("token", "add", "bench", "--scope", scope, environment=environment).strip()
            yield Site(url, token, environment, server.pid)
        finally:
            server.terminate()
            server.wait()


def _run(*arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run([_COMMAND, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
