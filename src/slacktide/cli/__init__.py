"""The command line: `slacktide`.

Commands are imported when they are called, so that a quick one is not slowed by the others. Every command takes
`--json`; every one that changes something takes `--reason` and `--as`. A command does its work by calling a package
below and says what came of it: one value, shown as text or as JSON (see `cli.output`).
"""

from __future__ import annotations

import sys

from slacktide.core.errors import ExitStatus, SlacktideError


def main() -> None:
    """Run the command line and exit with the status of the interface specification."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command; give its exit status."""
    from cyclopts import CycloptsError  # noqa: PLC0415 -- `slacktide --version` of a gate alone has no cyclopts

    from slacktide.cli import output  # noqa: PLC0415 -- see above
    from slacktide.cli.commands import app  # noqa: PLC0415 -- see above

    try:
        status = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        output.refuse(str(error), as_json="--json" in arguments, code="Usage")
        return ExitStatus.USAGE
    except SlacktideError as error:
        output.refuse(str(error), as_json="--json" in arguments, code=error.code)
        return error.exit_status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return ExitStatus.DONE
    return int(status or 0)
