"""The command line: `slacktide`.

Commands are imported when they are called, so that a quick one is not slowed by the others. Every command takes
`--json`; every one that changes something takes `--reason` and `--as`. A command does its work by calling a package
below and says what came of it: one value, shown as text or as JSON (see `cli.output`).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from slacktide.core.errors import ExitStatus, OutsideError, SlacktideError, UsageError

if TYPE_CHECKING:
    from cyclopts import CycloptsError


class DatabaseRefused(OutsideError):
    """The database did not do it: {reason}. Mend that, and run the command again."""


class BadText(UsageError):
    """The argument {argument!r} is not text in UTF-8, so that it cannot be kept: write it in UTF-8."""


def main() -> None:
    """Run the command line and exit with the status of the interface specification."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; give its exit status."""
    from slacktide.cli import voice  # noqa: PLC0415 -- `import slacktide.cli` of a gate alone needs none of this

    try:
        _require_text(arguments)
        return _run(arguments)
    except SlacktideError as error:
        voice.refuse(str(error), as_json="--json" in arguments, code=error.code)
        return error.exit_status
    except _database_error() as error:
        refusal = DatabaseRefused(reason=" ".join(str(error).split()))
        voice.refuse(str(refusal), as_json="--json" in arguments, code=refusal.code)
        return refusal.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return ExitStatus.DONE


def _require_text(arguments: list[str]) -> None:
    """Refuse what no database and no JSON document can hold. Raises BadText."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise BadText(argument=argument) from error


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["check"]:
        from slacktide.cli.check_quick import check_quickly  # noqa: PLC0415 -- see above

        status = check_quickly(arguments[1:])
        if status is not None:
            return status
    return _run_any(arguments)


def _run_any(arguments: list[str]) -> int:
    import cyclopts  # noqa: PLC0415 -- see above

    from slacktide.cli import voice  # noqa: PLC0415 -- see above
    from slacktide.cli.commands import app  # noqa: PLC0415 -- see above

    try:
        status = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except cyclopts.CycloptsError as error:
        voice.refuse(_wrong_usage(error), as_json="--json" in arguments, code="Usage")
        return ExitStatus.USAGE
    return int(status or 0)


def _wrong_usage(error: CycloptsError) -> str:
    """Say what was not understood, and the command that explains itself."""
    from cyclopts import UnknownCommandError  # noqa: PLC0415 -- see above

    command = " ".join(["slacktide", *(error.command_chain or ())])
    if isinstance(error, UnknownCommandError):  # its own text would import every command
        return f'Unknown command "{" ".join((error.unused_tokens or [""])[:1])}". See `{command} --help`.'
    return f"{error} See `{command} --help`."


def _database_error() -> type[Exception]:
    """Give psycopg's error, only looked at when something was raised."""
    import psycopg  # noqa: PLC0415 -- help and wrong usage do without

    return psycopg.Error
