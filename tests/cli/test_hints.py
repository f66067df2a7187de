"""The command that a refusal names can be copied: what the program knows stands in it."""

from __future__ import annotations

import itertools
import os
import re
import shlex

import pytest

_number = itertools.count(1)


@pytest.fixture
def bare(server):
    """Give the address of a database with nothing in it."""
    name = f"hinted_{os.getpid()}_{next(_number)}"
    server.create_database(name)
    return server.address(name)


def hinted(said):
    """Give the words of the command that stands in a refusal."""
    return shlex.split(re.search(r"`slacktide ([^`]*)`", said.err)[1])


def test_no_hotel(slacktide, bare):
    """The command that makes a hotel names the database; it can be run as it stands."""
    refused = slacktide("hotel", "load", bare)
    assert refused.status == 1
    assert hinted(refused) == ["hotel", "create", bare]
    assert slacktide(*hinted(refused)).status == 0


def test_reference_and_password(slacktide, bare, monkeypatch):
    """A reference stays a reference, and an address with a password is not repeated."""
    monkeypatch.setenv("HINTED", bare)
    assert hinted(slacktide("hotel", "load", "env:HINTED"))[-1] == "env:HINTED"
    secret = slacktide("hotel", "inventory", bare.replace("slacktide@", "slacktide:s3cret@"), "--property", "RESORT",
                       "--check", "--resync")  # fmt: skip
    assert hinted(secret)[:3] == ["hotel", "inventory", "URL"]
    assert "s3cret" not in secret.err


def test_check_or_resync(slacktide, bare):
    """The inventory's command is named with the address that was given."""
    refused = slacktide("hotel", "inventory", bare, "--property", "RESORT", "--check", "--resync")
    assert hinted(refused) == ["hotel", "inventory", bare, "--property", "RESORT"]
