"""The page of all errors is made from their classes: `python tests/tidy/test_errors.py > docs/reference/errors.md`."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from itertools import groupby
from pathlib import Path

import slacktide
from slacktide.core import errors

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
HEAD = """\
# Errors

Made from the classes of the errors by `python tests/tidy/test_errors.py > docs/reference/errors.md`.

A command that fails says one of these on standard error and ends with its exit status; with `--json` it also writes
`{"error": CODE, "message": TEXT}`. What stands in braces is filled in. The codes are stable.
"""
FAMILIES = {errors.SlacktideError, errors.InputError, errors.UsageError, errors.OutsideError, errors.BugError}


def classes():
    """Give the class of every error, by package and name."""
    for module in pkgutil.walk_packages(slacktide.__path__, "slacktide."):
        importlib.import_module(module.name)
    found, more = set(), [errors.SlacktideError]
    while more:
        more = [below for one in more for below in one.__subclasses__() if below.__module__.startswith("slacktide.")]
        found.update(more)
    return sorted(found - FAMILIES, key=lambda one: (package(one), one.__name__))


def package(one):
    """Give the package that an error belongs to."""
    return one.__module__.split(".")[1]


def page():
    """Write the page."""
    parts = [HEAD]
    for name, found in groupby(classes(), key=package):
        parts.append(f"\n## {name}\n\n| code | exit status | message |\n|---|---|---|\n")
        parts += [f"| `{one.__name__}` | {int(one.exit_status)} | {message(one)} |\n" for one in found]
    return "".join(parts)


def message(one):
    """Give the message with its places to be filled in, fit for a table."""
    return " ".join((one.__doc__ or "").replace("|", "\\|").split())


def test_the_page_is_up_to_date():
    """The page holds every error as it is now; make it again with the command at the top of it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_error_is_a_sentence():
    """Each error has a message of its own, in whole sentences."""
    assert [one.__name__ for one in classes() if not message(one).endswith((".", ":", "?"))] == []


def test_codes_are_unique():
    """No two errors share a code."""
    names = [one.__name__ for one in classes()]
    assert sorted(names) == sorted(set(names))


OF_A_MOVE = ("cli.move", "cli.pair", "cli.wave", "cutover.attempt", "cutover.result", "cutover.start")


def test_a_refusal_of_a_move_names_a_command():
    """What the commands of a move refuse says which command would be accepted."""
    listed = [one for one in classes() if one.__module__.removeprefix("slacktide.").startswith(OF_A_MOVE)]
    assert listed
    assert [one.__name__ for one in listed if "`slacktide " not in message(one) and "`{" not in message(one)] == []


if __name__ == "__main__":
    sys.stdout.write(page())
