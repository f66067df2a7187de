"""`slacktide guard`: a command that runs only while no downtime is in effect, under the organization's shared lock.

1. The downtime starts between look and start of the command: the locks come first, so that whoever closes waits for
   us.
2. It starts while the command runs: whoever closes sees us as a holder and waits. With `until_start` the command is
   told by SIGTERM, so that it can end.
3. The lock is lost while the command runs (a database restarts): nobody waits for it any more, so it is told to end.
4. We are told to end: the command is told, and the lock is kept until it has ended.
5. We are killed with -9: the lock goes, and the command runs on. Have it started by something that ends both.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import psycopg
from psycopg.rows import TupleRow

from slacktide.control.database import Control
from slacktide.core import clock
from slacktide.core.errors import ExitStatus, OutsideError, UsageError
from slacktide.guard.passing import pass_guard
from slacktide.holding import place
from slacktide.holding.item import Step
from slacktide.holding.look import HeldBack, LeftBehind, Look, ScheduleInChange
from slacktide.holding.passage import PASSAGE_OPTIONS, open_place
from slacktide.postgres.connection import Unreachable

_LOOK_SECONDS = 0.2
_WAIT_SECONDS = 0.5
_STEP: Step = "insert"
_Connection = psycopg.Connection[TupleRow]


class CommandHeld(OutsideError):
    """The command was not started: {reason} Run it again later, or add --wait."""

    exit_status = ExitStatus.HELD


class CommandMissing(UsageError):
    """The command {command!r} could not be started: {reason}. Give it after `--`, as in `slacktide guard --organization CODE -- COMMAND`."""  # noqa: E501 -- the message is one sentence


def guarded(
    control: Control,
    *,
    organization: str,
    command: Sequence[str],
    wait: timedelta | None = timedelta(),
    until_start: bool = False,
) -> int:
    """Run a command under the shared locks; give its exit status.

    It is waited for as long as `wait` says (None: without a limit) until no downtime is in effect. Raises CommandHeld,
    UnknownOrganization, CommandMissing.
    """
    limit = None if wait is None else clock.monotonic_seconds() + wait.total_seconds()
    with control.connect(name="guard look") as connection:
        look = Look(connection)
        while True:
            try:
                with _locked(control, look, organization) as locks:
                    return _run(command, look=look, organization=organization, locks=locks, until_start=until_start)
            except (HeldBack, LeftBehind, ScheduleInChange, psycopg.Error, Unreachable) as error:
                if limit is not None and clock.monotonic_seconds() >= limit:
                    raise CommandHeld(reason=" ".join(str(error).split())) from error
            _wait(connection, limit)


def _wait(connection: _Connection, limit: float | None) -> None:
    left = _WAIT_SECONDS if limit is None else limit - clock.monotonic_seconds()
    clock.sleep(max(0.0, min(_WAIT_SECONDS, left)))
    connection.execute("select")  # a control database that is gone is said by that


@contextmanager
def _locked(control: Control, look: Look, organization: str) -> Iterator[list[_Connection]]:
    """Hold the shared locks in the control database and the organization's place, let through by all looks."""
    with ExitStack() as stack:
        options = PASSAGE_OPTIONS
        own = stack.enter_context(control.connect(name=f"guard {organization}", options=options))
        look.decide(organization=organization, step=_STEP)
        found = place.list_places(own)
        locks = [own]
        if any(one.organization in (None, organization) for one in found):
            address = place.address_of(found, organization=organization, home=look.home(organization))
            locks.append(stack.enter_context(open_place(address, name=f"guard {organization}")))
        for connection in locks:
            stack.enter_context(connection.transaction(force_rollback=True))
            pass_guard(connection, organization=organization, what=f"a command for {organization}")
        look.require(organization=organization, step=_STEP)
        yield locks


def _run(
    command: Sequence[str], *, look: Look, organization: str, locks: Sequence[_Connection], until_start: bool
) -> int:
    try:
        child = subprocess.Popen(command)
    except OSError as error:
        raise CommandMissing(command=command[0], reason=error.strerror or str(error)) from error
    with _passed_on(child):
        told = False
        while True:
            try:
                status = child.wait(_LOOK_SECONDS)
            except subprocess.TimeoutExpired:
                if not told and not (_kept(locks) and (not until_start or _open(look, organization))):
                    child.terminate()
                    told = True
                continue
            return status if status >= 0 else 128 - status


def _kept(locks: Sequence[_Connection]) -> bool:
    """Tell whether the locks are still ours: their transactions live as long as their connections."""
    try:
        for connection in locks:
            connection.execute("select")
    except psycopg.Error:
        return False
    return True


def _open(look: Look, organization: str) -> bool:
    try:
        return look.decide(organization=organization, step=_STEP).allowed
    except ScheduleInChange:
        return True  # what comes of it is looked at next time
    except psycopg.Error:
        return False


@contextmanager
def _passed_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Tell the command what we are told."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda told, _: child.send_signal(told)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
