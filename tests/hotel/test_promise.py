"""The promise file: order within an object, durability of lines, and what is torn."""

from __future__ import annotations

import threading

import msgspec
import pytest

from slacktide.hotel.promise import BadPromise, Change, PromiseFile, PromisesUnreadable, last_promises


def test_lines(tmp_path):
    """A line has the five fields that the interface names."""
    with PromiseFile(tmp_path / "p") as file, file.committing({("trace", "7"): Change(3, deleted=True)}):
        pass
    line = msgspec.json.decode((tmp_path / "p").read_bytes())
    assert list(line) == ["entity", "key", "version", "deleted", "committed_at"]
    assert (line["entity"], line["key"], line["version"], line["deleted"]) == ("trace", "7", 3, True)


def test_failed_commit(tmp_path):
    """What did not commit is not promised."""
    with PromiseFile(tmp_path / "p") as file:
        with pytest.raises(ZeroDivisionError), file.committing({("trace", "7"): Change(3)}):
            raise ZeroDivisionError
        assert file.lines == 0
    assert last_promises(path=tmp_path / "p") == {}


def test_order_of_commits(tmp_path):
    """The line of a later commit waits for that of an earlier one of the same object, and for no other."""
    path = tmp_path / "p"
    committed, written = threading.Event(), threading.Event()

    def slow():
        with file.committing({("trace", "7"): Change(5)}):
            committed.set()
            written.wait(10)

    def quick(key, version):
        with file.committing({("trace", key): Change(version)}):
            pass

    with PromiseFile(path) as file:
        first = threading.Thread(target=slow)
        first.start()
        committed.wait(10)
        second = threading.Thread(target=quick, args=("7", 6))
        second.start()
        quick("8", 1)
        second.join(0.2)
        assert second.is_alive()
        written.set()
        first.join()
        second.join()
    lines = [msgspec.json.decode(line) for line in path.read_bytes().splitlines()]
    assert [(line["key"], line["version"]) for line in lines] == [("8", 1), ("7", 5), ("7", 6)]


def test_torn_line(tmp_path):
    """A line that a kill tore was never promised, and the next run begins a line of its own."""
    path = tmp_path / "p"
    with PromiseFile(path) as file, file.committing({("trace", "7"): Change(3)}):
        pass
    with path.open("ab") as torn:
        torn.write(b'{"entity":"trace","key":"8","ver')
    assert last_promises(path=path) == {("trace", "7"): Change(3)}
    with PromiseFile(path) as file, file.committing({("trace", "9"): Change(1)}):
        pass
    assert set(last_promises(path=path)) == {("trace", "7"), ("trace", "9")}


def test_unreadable(tmp_path):
    """A file that is not there, and a line that is no promise, are named."""
    with pytest.raises(PromisesUnreadable, match="No such file"):
        last_promises(path=tmp_path / "none")
    (tmp_path / "bad").write_text('{"entity": 1}\n')
    with pytest.raises(BadPromise, match="Line 1"):
        last_promises(path=tmp_path / "bad")
