"""`slacktide database`: further databases on the embedded server, for demonstrations, tests and rehearsals."""

from __future__ import annotations

import re
from typing import Annotated

from cyclopts import App, Parameter

from slacktide.cli.output import ACTING, SHOWN, Acting, Shown
from slacktide.control.audit import record_audit
from slacktide.control.database import open_control
from slacktide.core.configuration import data_folder
from slacktide.core.errors import InputError, UsageError
from slacktide.postgres.server import Server

app = App(name="database", help="Databases on the embedded server.")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,62}")


class BadDatabaseName(UsageError):
    """{name!r} cannot be a database's name: use letters, digits, "_" and "-", at most 63, a letter or "_" first, as in `slacktide database add hotel_target`."""  # noqa: E501 -- the message is one sentence


class DatabaseExists(InputError):
    """There is a database {name!r} already: choose another name, or see its address by `slacktide database list`."""


@app.command
def add(name: Annotated[str, Parameter(help="The new database's name.")], /, *, options: Acting = ACTING) -> int:
    """Make one more database on the embedded server, and print its URL."""
    if not _NAME.fullmatch(name):
        raise BadDatabaseName(name=name)
    with Server(data_folder()) as server, open_control() as control, control.connect(name="database add") as connection:
        with connection.transaction():
            subject, reason = f"database {name}", options.reason or ""
            record_audit(connection, who=options.who, what="database add", object=subject, reason=reason)
            if not server.create_database(name):
                raise DatabaseExists(name=name)
        url = server.address(name)
    return options.say({"name": name, "url": url}, url)


@app.command(name="list")
def list_(*, options: Shown = SHOWN) -> int:
    """List the databases on the embedded server with their URLs, without the control database."""
    with Server(data_folder()) as server, open_control() as control:
        urls = {name: server.address(name) for name in server.databases()}
        found = [{"name": name, "url": url} for name, url in urls.items() if url != control.address]
    return options.say(found, "\n".join(f"{one['name']}  {one['url']}" for one in found))
