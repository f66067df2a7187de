"""All commands by name; each group lives in a module of its own and is imported when it is called."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

app = App(
    name="slacktide",
    help="Planned downtime for systems that many organizations share.",
    version=lambda: version("slacktide"),
    help_on_error=False,
)
for _name, _where in {
    "up": "slacktide.cli.up:up",
    "worker": "slacktide.cli.up:worker",
    "demo": "slacktide.cli.demo:app",
    "database": "slacktide.cli.database:app",
    "organization": "slacktide.cli.organization:app",
    "downtime": "slacktide.cli.downtime:app",
    "status": "slacktide.cli.status:status",
    "holders": "slacktide.cli.status:holders",
    "transaction": "slacktide.cli.status:transaction",
    "hotel": "slacktide.cli.hotel:app",
    "plan": "slacktide.cli.plan:app",
    "move": "slacktide.cli.move:app",
    "audit": "slacktide.cli.audit:audit",
}.items():
    app.command(_where, name=_name)
