"""`slacktide move`: a property moves; the tasks in order, each a command."""

from __future__ import annotations

from cyclopts import App

app = App(name="move", help="Move a property from one database to another while it trades.")
for _name, _where in {
    "create": "slacktide.cli.move_task:create",
    "list": "slacktide.cli.move_task:list_",
    "connections": "slacktide.cli.move_task:connections",
    "property": "slacktide.cli.move_task:property_",
    "configure": "slacktide.cli.move_task:configure",
    "convert": "slacktide.cli.move_task:convert",
    "prepare": "slacktide.cli.move_task:prepare",
    "processes": "slacktide.cli.move_process:app",
    "status": "slacktide.cli.move_process:status",
    "messages": "slacktide.cli.move_process:messages",
    "message": "slacktide.cli.move_process:message",
    "show": "slacktide.cli.move_process:show",
    "reprocess": "slacktide.cli.move_process:reprocess",
    "error": "slacktide.cli.move_error:app",
    "verify": "slacktide.cli.move_verify:verify",
    "rehearse": "slacktide.cli.move_rehearse:rehearse",
    "partners": "slacktide.cli.move_partner:partners",
    "contingency": "slacktide.cli.move_contingency:contingency",
    "form": "slacktide.cli.move_contingency:form",
    "downtime": "slacktide.cli.move_downtime:app",
    "verifying": "slacktide.cli.move_verifying:verifying_",
    "go": "slacktide.cli.move_downtime:go",
    "report": "slacktide.cli.move_report:report",
    "miscellaneous": "slacktide.cli.move_miscellaneous:miscellaneous",
    "clean": "slacktide.cli.move_downtime:clean",
}.items():
    app.command(_where, name=_name)
