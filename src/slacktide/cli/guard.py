"""`slacktide guard`: a command that runs only while no downtime is in effect."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from slacktide.cli.output import SHOWN, Flag, Shown
from slacktide.control.database import open_control
from slacktide.core.duration import parse_duration
from slacktide.core.errors import UsageError
from slacktide.gates.command import guarded


class CommandUnsaid(UsageError):
    """Which command is to run is not said: `slacktide guard --organization {organization} -- COMMAND ...`."""


class TimeoutAlone(UsageError):
    """--timeout says how long is waited: add --wait, as in `slacktide guard --organization {organization} --wait --timeout PT5M -- COMMAND`."""  # noqa: E501 -- the message is one sentence


def guard(
    *command: Annotated[str, Parameter(name="COMMAND", help="The command with its arguments, after `--`.")],
    organization: Annotated[str, Parameter(help="Whose downtimes count.")],
    wait: Annotated[Flag, Parameter(help="Wait until no downtime is in effect.")] = False,
    timeout: Annotated[str | None, Parameter(help="Wait no longer than this, as in PT5M.")] = None,
    until_start: Annotated[Flag, Parameter(help="Send it SIGTERM when a downtime starts.")] = False,
    options: Shown = SHOWN,  # noqa: ARG001 -- every command takes --json; what is said is the command's own
) -> int:
    """Run a command under the organization's shared lock, while no downtime is in effect."""
    if not command:
        raise CommandUnsaid(organization=organization)
    if timeout is not None and not wait:
        raise TimeoutAlone(organization=organization)
    longest = None if wait else timedelta()
    if timeout is not None:
        longest = parse_duration(timeout)
    with open_control() as control:
        return guarded(control, organization=organization, command=command, wait=longest, until_start=until_start)
