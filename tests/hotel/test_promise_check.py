"""Checking promises: what is missing, older or still there is found, at a source and at a target."""

from __future__ import annotations

import pytest

from slacktide.hotel.promise import BadPromise, Change, PromiseFile
from slacktide.hotel.promise_check import BrokenPromise, check_promises


@pytest.fixture
def promise(tmp_path):
    """Give a function that writes a promise file of entity, key, version, deleted."""

    def write(*lines):
        path = tmp_path / "promises"
        with PromiseFile(path) as file:
            for entity, key, version, *deleted in lines:
                with file.committing({(entity, str(key)): Change(version, *deleted)}):
                    pass
        return path

    return write


def test_source(hotel, connection, promise):
    """A deleted row, a version put back and a row that should be gone are each reported, by object."""
    keys = [key for (key,) in connection.execute("select telephone_entry_id from hotel.telephone_entry limit 4")]
    path = promise(*[("telephone_entry", key, 0) for key in keys[:2]], ("telephone_entry", keys[2], 1, True))
    report = check_promises(address=hotel, promises=path, property_code=None)
    assert (report.promised, report.found, report.kept) == (3, 2, False)
    assert report.still_there == [BrokenPromise("telephone_entry", str(keys[2]), 1, 0)]

    connection.execute("delete from hotel.telephone_entry where telephone_entry_id = any (%s)", [keys[:1] + keys[2:3]])
    promise(("telephone_entry", keys[1], 2))
    report = check_promises(address=hotel, promises=path)
    assert report.missing == [BrokenPromise("telephone_entry", str(keys[0]), 0)]
    assert report.older == [BrokenPromise("telephone_entry", str(keys[1]), 2, 0)]
    assert (report.found, report.still_there) == (1, [])


def test_of_another_property(hotel, connection, promise):
    """With a property's code, an object that carries another property's code counts as missing."""
    (key,) = connection.execute("select folio_id from hotel.folio where property_code = 'CITY'").fetchone()
    path = promise(("folio", key, 0))
    assert check_promises(address=hotel, promises=path, property_code="CITY").kept
    assert len(check_promises(address=hotel, promises=path, property_code="RESORT").missing) == 1


def test_target(hotel, connection, promise):
    """Where there is a key map, keys are translated, and an object that it does not know is missing."""
    connection.execute("create schema slacktide")
    connection.execute("create table slacktide.key_map (move_no integer, name text, source_key text, target_key text)")
    (key,) = connection.execute("select trace_id from hotel.trace").fetchone()
    connection.execute("insert into slacktide.key_map values (1, 'trace', '900', %s)", [str(key)])
    connection.execute("insert into slacktide.key_map values (1, 'folio', '901', %s)", [str(key)])
    path = promise(("trace", 900, 0), ("trace", 901, 0), ("trace", key, 1, True))
    report = check_promises(address=hotel, promises=path)
    assert report.missing == [BrokenPromise("trace", "901", 0)]
    assert (report.promised, report.found) == (3, 2)


def test_unknown_entity(hotel, promise):
    """An entity that the plan does not move is named."""
    with pytest.raises(BadPromise, match="'spaceship'"):
        check_promises(address=hotel, promises=promise(("spaceship", 1, 0)))
