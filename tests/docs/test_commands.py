"""Every command that a page shows as typed is a command that there is, with those options."""

from __future__ import annotations

import re

import cyclopts
import pytest

from slacktide.cli.commands import app
from tests.docs.documents import PAGES, ROOT, prose, shown, typed, words

TYPED = [(shown(page), command) for page in PAGES for command in typed(page) if words(command)]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
INLINE = re.compile(r"`slacktide ([a-z][a-z -]*)")
COMING: set[str] = set()  # errors name them already; a command that comes leaves this list


@pytest.mark.parametrize(("page", "command"), TYPED, ids=[f"{page} {command}" for page, command in TYPED])
def test_typed(page, command):
    """A command typed at a prompt is understood by the command line, or is a target of the Makefile."""
    program, *arguments = words(command)
    if program == "make":
        assert {word for word in arguments if "=" not in word} <= TARGETS
        return
    try:
        app.parse_args(arguments, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        pytest.fail(f"{page}: {command}: {error}")


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_named(page):
    """A command that is named in a sentence is there, as far as its words go."""
    unknown = []
    for said in INLINE.findall(prose(page)):
        group = app
        for word in said.split():
            if word.startswith("-"):
                break
            if word not in group:
                unknown += [said] if group.default_command is None else []
                break
            group = group[word]
    assert [said for said in unknown if said.strip() not in COMING] == []


def test_coming():
    """What is listed as to come is not there yet."""
    assert [name for name in COMING if has(name.split())] == []


def has(names):
    """Tell whether there is a command of these names."""
    group = app
    for name in names:
        if name not in group:
            return False
        group = group[name]
    return True
