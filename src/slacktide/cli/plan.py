"""`slacktide plan`: hold a transfer plan against its databases, and write the XSD of its batches."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from slacktide.cli.address import reachable
from slacktide.cli.output import SHOWN, Shown
from slacktide.core.errors import ExitStatus
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.check import Findings, check_plan
from slacktide.plan.load import load_plan
from slacktide.plan.problem import PlanError
from slacktide.plan.schema import xsd as xsd_of
from slacktide.postgres.connection import connect

app = App(name="plan", help="Check a transfer plan; write its XSD.")

_File = Annotated[str, Parameter(name="FILE", help="The plan's file, or the word hotel for the hotel's.")]


def plan_file(name: str) -> Path:
    """Give the file of a plan: the one named, or for the word `hotel` the one that is shipped."""
    return PLAN_FILE if name == "hotel" else Path(name)


@app.command
def check(
    file: _File,
    /,
    *,
    source: Annotated[
        str | None, Parameter(help="The database that it moves from: a URL, env:NAME, file:PATH.")
    ] = None,
    target: Annotated[str | None, Parameter(help="The database that it moves to.")] = None,
    options: Shown = SHOWN,
) -> int:
    """Check a plan by itself, and against the databases that are named; 1 if it has an error."""
    findings = _findings(plan_file(file), source=source, target=target)
    answer = {"ok": not findings.errors, "errors": findings.errors, "warnings": findings.warnings}
    lines = [*map(str, findings.errors), *(f"warning: {problem}" for problem in findings.warnings)]
    options.say(
        answer, "\n".join([*lines, f"{file}: {len(findings.errors)} errors, {len(findings.warnings)} warnings"])
    )
    return ExitStatus.REFUSED if findings.errors else ExitStatus.DONE


@app.command
def xsd(file: _File, /, *, options: Shown = SHOWN) -> int:
    """Write the XML Schema that every batch of a plan is valid against."""
    text = xsd_of(load_plan(path=plan_file(file)))
    return options.say({"xsd": text}, text.rstrip())


def _findings(file: Path, *, source: str | None, target: str | None) -> Findings:
    try:
        plan = load_plan(path=file)
    except PlanError as error:
        return Findings(errors=tuple(error.errors))
    with reachable(source, target), ExitStack() as opened:
        connections = {
            side: opened.enter_context(connect(address, name="plan check"))
            for side, address in {"source": source, "target": target}.items()
            if address is not None
        }
        return check_plan(plan=plan, source=connections.get("source"), target=connections.get("target"))
