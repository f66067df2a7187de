"""`slacktide plan`: hold a transfer plan against its databases, draft a first one, and write the XSD of its batches."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from slacktide.cli.address import reachable
from slacktide.cli.output import SHOWN, Shown, aside
from slacktide.core.errors import ExitStatus, UsageError
from slacktide.hotel.property_plan import PLAN_FILE
from slacktide.plan.check import Findings, check_plan
from slacktide.plan.draft import Drafted, draft_plan
from slacktide.plan.load import load_plan
from slacktide.plan.problem import PlanError
from slacktide.plan.schema import xsd as xsd_of
from slacktide.postgres.connection import connect, copyable, shown

app = App(name="plan", help="Check a transfer plan; draft one; write its XSD.")


class PlanFileExists(UsageError):
    """There is a file {file} already, and a plan that somebody mended is not written over: name another, as in `slacktide plan draft {url} --property-column {column} -o FILE`."""  # noqa: E501 -- the message is one sentence


class PlanNotWritten(UsageError):
    """The plan cannot be written to {file}: {reason}. Give the path of a new file in a folder that you may write to."""


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
def draft(
    url: Annotated[str, Parameter(name="URL", help="The database that it moves from: a URL, env:NAME, file:PATH.")],
    /,
    *,
    property_column: Annotated[str, Parameter(help="The column that says, in most tables, whose a row is.")],
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="The file that it goes to; left out: standard output.")
    ] = None,
    options: Shown = SHOWN,
) -> int:
    """Write a first plan from a database's own tables and foreign keys; 1 if guesses in it need a hand."""
    if output is not None and output.exists():
        raise PlanFileExists(file=output, url=copyable(url), column=property_column)
    with reachable(url), connect(url, name="plan draft") as connection:
        file = str(output) if output is not None else "-"
        found = draft_plan(connection=connection, property_column=property_column, file=file, database=shown(url))
    if output is not None:
        _write(output, found.text)
    _say(found, output=output, options=options)
    return ExitStatus.REFUSED if found.guesses else ExitStatus.DONE


def _write(file: Path, text: str) -> None:
    """Write a new file; one that was made meanwhile stays as it is. Raises PlanNotWritten."""
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except OSError as error:
        raise PlanNotWritten(file=file, reason=error.strerror) from error


def _say(found: Drafted, *, output: Path | None, options: Shown) -> None:
    """Say the plan, or where it is, and beside it the guesses that need a hand."""
    lines = [*map(str, found.guesses), *(f"warning: {problem}" for problem in found.warnings)]
    lines.append(f"{output or '-'}: {len(found.guesses)} guesses that need a hand, {len(found.warnings)} warnings")
    plan = found.text if output is None else None
    answer = {"ok": not found.guesses, "file": output and str(output), "plan": plan}
    options.say(
        {**answer, "guesses": found.guesses, "warnings": found.warnings},
        "\n".join(lines) if output is not None else found.text.rstrip(),
    )
    if output is None:
        aside("\n".join(lines))


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
