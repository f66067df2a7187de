"""The journal: what was seen at the source, which batches were made of it, and how far each is.

It lives in the control database. Each of the four processes takes its own lock on the connection over which it
writes, so that who has lost the lock can no longer write: the events that this answers are

1. a worker's machine hangs, its connection is cut, another worker takes the process over, and the first one wakes;
2. a process is killed between its work and the note of it: the work is found again and its note made good.
"""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.rows import TupleRow

from slacktide.core.errors import OutsideError
from slacktide.postgres import sql
from slacktide.postgres.position import format_lsn, parse_lsn
from slacktide.transfer.entry import Batch, Incarnation, Pending, Problem, Range, Touched, Transaction

PROCESSES = ("synchronization", "generate", "transfer", "process")
DOWN_TIME = "down time"
MISCELLANEOUS = "miscellaneous"
OWNED = (*PROCESSES, DOWN_TIME, MISCELLANEOUS)
"""What one owner does at a time, each by a lock of its own, in the order of the locks' numbers."""
BATCH_STATES = ("lost", "generated", "transferred", "processed")
LOCK_CLASS = 0x51AC
_ENDED = {"stopped": "is stopped", "failed": "has failed"}
_STATEMENTS = sql.load(__package__, "journal.sql")


class OwnedElsewhere(OutsideError):
    """The process {process!r} of the move {move!r} already runs elsewhere: it is left to its owner."""


class Journal:
    """The journal of one move, over one connection."""

    def __init__(self, connection: psycopg.Connection[TupleRow], *, move_id: int, process: str = "") -> None:
        """Use the connection; `process` is the name under which `say` and `count` write."""
        self.connection = connection
        self.move_id = move_id
        self.process = process

    def _run(self, name: str, **values: Any) -> psycopg.Cursor[TupleRow]:
        return self.connection.execute(_STATEMENTS[name], {"move_id": self.move_id, **values})

    def _one(self, name: str, **values: Any) -> Any:
        row = self._run(name, **values).fetchone()
        return row[0] if row else None

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what is in this block at once, or not at all."""
        with self.connection.transaction():
            yield

    # -- the process itself ---------------------------------------------------------------------------------------

    def own(self) -> None:
        """Take the lock of this process. Raises OwnedElsewhere."""
        ordinal = OWNED.index(self.process)
        if not self._one("lock", **{"class": LOCK_CLASS, "ordinal": ordinal}):
            raise OwnedElsewhere(process=self.process, move=self._one("name"))

    def move_name(self) -> str:
        """Give the name of the move."""
        return str(self._one("name"))

    def say(self, state: str, *, waits_for: str | None = None, error: str | None = None) -> None:
        """Note the state of this process for its panel, and for what it waits."""
        self._run("say", process=self.process, state=state, waits_for=waits_for, error=error,
                  pid=os.getpid(), host=socket.gethostname())  # fmt: skip

    def beat(self, *, done: int, rate_per_second: float, lag_seconds: float | None, waits_for: str | None) -> None:
        """Write the panel: what was done since the last beat, the rate, the lag, and for what it waits."""
        self._run("beat", process=self.process, done=done, rate_per_second=rate_per_second, lag_seconds=lag_seconds,
                  waits_for=waits_for, pid=os.getpid(), host=socket.gethostname())  # fmt: skip

    def note_uncounted(self, found: str) -> None:
        """Write down, as JSON, what this process saw that Steady does not count."""
        self._run("note_uncounted", process=self.process, uncounted=found)

    def fail(self, error: str) -> None:
        """Say that this process ended for a reason that does not pass."""
        self._run("fail", process=self.process, error=error)

    def earlier_ended(self) -> str | None:
        """Say that the process before this one is stopped or has failed, if that is so."""
        at = PROCESSES.index(self.process) if self.process in PROCESSES else 0
        state = self._one("ended_as", process=PROCESSES[at - 1]) if at else None
        return f"{PROCESSES[at - 1]}, which {_ENDED[state]}" if state in _ENDED else None

    def want(self, process: str, *, running: bool) -> None:
        """Say whether a process is wanted to run, and wake it and the workers."""
        with self.together():
            self._run("want", process=process, wanted="running" if running else "stopped")
            self.wake(process)
            self.connection.execute("select pg_notify('slacktide_worker', %s)", [str(self.move_id)])

    def wanted(self) -> bool:
        """Tell whether this process is wanted to run."""
        return bool(self._one("wanted", process=self.process) == "running")

    def held(self) -> bool:
        """Tell whether this process is to stand still."""
        return bool(self._one("held", process=self.process))

    def wake(self, process: str) -> None:
        """Tell another process that there may be work for it."""
        self.connection.execute("select pg_notify(%s, %s)", [f"slacktide_move_{self.move_id}", process])

    def listen(self) -> None:
        """Begin to hear who wakes this process."""
        self.connection.execute(f"listen slacktide_move_{self.move_id}")

    def wait(self, seconds: float) -> None:
        """Wait until this process is woken, at the most so long."""
        for heard in self.connection.notifies(timeout=seconds):
            if heard.payload == self.process:
                return

    def called(self) -> bool:
        """Tell whether this process was woken since it was last asked, without waiting."""
        heard = [each.payload for each in self.connection.notifies(timeout=0)]
        return self.process in heard

    def wait_beside(self, socket_number: int, seconds: float) -> None:
        """Wait until something comes on another socket or this process is woken, at the most so long."""
        select.select([socket_number, self.connection.fileno()], [], [], seconds)

    # -- what synchronization writes ------------------------------------------------------------------------------

    def incarnation(self) -> Incarnation:
        """Give the current incarnation. Raises NotPrepared."""
        current = self.current()
        if current is None:
            raise NotPrepared(move=self._one("name"))
        return current

    def begin_incarnation(self, *, slot: str, behind: int = 0, floor: int = 0) -> Incarnation:
        """Begin a new incarnation behind another one; its slot is yet to be made. A `floor` settles what is stored."""
        with self.together():
            self._run("begin_incarnation", slot=slot, behind=behind, floor=floor)
            for name in ("raise_floor", "forget_xids", "settle_batches"):
                self._run(name, floor=floor)
        return self.incarnation()

    def settled(self) -> tuple[int, int]:
        """Give the number up to which batches are settled, and the last one above it that the target has."""
        floor, last = self._run("last_processed").fetchone() or (0, 0)
        return floor, last

    def slot_made(self, **facts: Any) -> None:
        """Write down a slot that has just been made: incarnation, system_id, timeline, consistent_point, snapshot."""
        self._run("slot_made", **facts)

    def set_fingerprint(
        self, fingerprint: Mapping[str, str], *, before: Mapping[str, str] | None, incarnation: int
    ) -> None:
        """Write down what the plan's tables look like in this incarnation, unless it stands there otherwise by now."""
        was = None if before is None else json.dumps(before)
        self._run("set_fingerprint", incarnation=incarnation, fingerprint=json.dumps(fingerprint), before=was)

    def forget_fingerprint(self, tables: list[str]) -> None:
        """Have Generate take tables and leaves as they are next, and read their objects again."""
        self._run("forget_fingerprint", tables=tables)

    def remember(self, text: str) -> None:
        """Keep a sentence for the operator."""
        self._run("remember", text=text)

    def current(self) -> Incarnation | None:
        """Give the current incarnation, if there is one."""
        row = self._run("incarnation").fetchone()
        if row is None:
            return None
        number, slot, system_id, timeline, point, snapshot, fingerprint, reached = row
        return Incarnation(number, slot, system_id, timeline, parse_lsn(point or "0/0"), snapshot, fingerprint,
                           parse_lsn(reached or "0/0"))  # fmt: skip

    def position(self) -> int:
        """Give the position before which everything is journalled."""
        return parse_lsn(self._one("position") or "0/0")

    def append(self, transactions: Iterable[Transaction], *, reached: int, incarnation: int | None = None) -> None:
        """Write transactions, in the order of their commits, and how far the stream is read, durably and at once.

        Raises Superseded where another incarnation has begun.
        """
        with self.together():
            self._append([(t.position, t.xid, t.committed_at, t.objects) for t in transactions])
            if self._one("reach", position=format_lsn(reached), incarnation=incarnation) is None:
                raise Superseded(incarnation=incarnation)
            self.wake("generate")

    def enqueue(self, objects: Iterable[Touched], *, now: datetime) -> None:
        """Ask for objects to be read again, as if a transaction had touched them."""
        with self.together():
            self._append([(self.position(), None, now, sorted(set(objects)))])
            self.wake("generate")

    def _append(self, entries: list[tuple[int, int | None, datetime, Sequence[Touched]]]) -> None:
        if not entries:
            return
        rows = self._run("append", positions=[format_lsn(e[0]) for e in entries], xids=[e[1] for e in entries],
                         instants=[e[2] for e in entries]).fetchall()  # fmt: skip
        listed = [(number, o) for (number,), entry in zip(sorted(rows), entries, strict=True) for o in entry[3]]
        if listed:
            self._run("append_objects", sequences=[n for n, _ in listed], entities=[o.entity for _, o in listed],
                      keys=[o.key for _, o in listed], crossed=[o.crossed for _, o in listed])  # fmt: skip

    def reached(self) -> int:
        """Give the position before which everything is journalled, as far as the stream said."""
        return parse_lsn(self._one("reached") or "0/0")

    def last_range(self, *, incarnation: int) -> int:
        """Give the number of the last range of this incarnation's pass; 0 while none is planned."""
        return int(self._one("last_range", incarnation=incarnation))

    def add_ranges(self, ranges: list[Range], *, incarnation: int) -> None:
        """Write the ranges of the pass."""
        self._run("add_ranges", incarnation=incarnation, ordinals=[r.ordinal for r in ranges],
                  entities=[r.entity for r in ranges], afters=[r.after for r in ranges], uptos=[r.upto for r in ranges],
                  absences=[r.absence for r in ranges], objects=[r.objects for r in ranges])  # fmt: skip

    # -- what generate reads and writes ---------------------------------------------------------------------------

    def pending(self) -> list[Pending]:
        """List the transactions that belong to no batch yet, in the order of commits."""
        return [Pending(*row) for row in self._run("pending")]

    def objects_of(self, sequences: list[int]) -> dict[str, tuple[list[str], list[str]]]:
        """Give, by entity, the keys that these transactions touched, and those of them that may have crossed."""
        return {entity: (keys, crossed) for entity, keys, crossed in self._run("objects_of", sequences=sequences)}

    def ranges_left(self, *, incarnation: int) -> list[Range]:
        """List the ranges that belong to no batch yet."""
        return [Range(*row) for row in self._run("ranges_left", incarnation=incarnation)]

    def passing(self, number: int) -> bool:
        """Tell whether this batch belongs to the pass, or comes before some of it."""
        return bool(self._one("passing", number=number))

    def last_batch(self) -> int:
        """Give the number of the last stored batch; 0 before the first."""
        return int(self._one("last_batch"))

    def outside(self) -> dict[str, list[str]]:
        """Give, by entity, the objects of other properties that were sent because something of ours refers to them."""
        return dict(self._run("outside").fetchall())

    def store(
        self, batch: Batch, *, sequences: list[int], ordinals: list[int], problems: Iterable[Problem],
        outside: list[tuple[str, str]], own_objects: int,
    ) -> None:  # fmt: skip
        """Store a batch together with what went into it, durably. Raises Superseded."""
        facts = msgspec.structs.asdict(batch) | {"position": format_lsn(batch.position), "own_objects": own_objects}
        with self.together():
            if self._one("store_batch", **facts) is None:
                raise Superseded(incarnation=batch.incarnation)
            self._run("take_transactions", number=batch.number, sequences=sequences)
            self._run("take_range", number=batch.number, incarnation=batch.incarnation, ordinals=ordinals)
            if outside:
                self._run("add_outside", entities=[e for e, _ in outside], keys=[k for _, k in outside])
            self._put(problems, batch=batch.number)
            self.wake("transfer")

    def ask_verification(self) -> int:
        """Ask Generate to verify ahead now; give the number of the request."""
        with self.together():
            number = int(self._one("ask_verification"))
            self.wake("generate")
        return number

    def verification_asked(self) -> tuple[int, int]:
        """Give the number of the last request to verify ahead, and of the last one that was answered."""
        asked, answered = self._run("verification_asked").fetchone() or (0, 0)
        return asked, answered

    def conversions(self) -> dict[str, dict[str, str | None]]:
        """Give the mappings of codes, list by list."""
        return dict(self._run("conversions").fetchall())

    # -- what transfer and process read and write -----------------------------------------------------------------

    def next_batch(self, state: str) -> Batch | None:
        """Give the oldest batch in this state, unless one before it has not come so far."""
        row = self._run("next_batch", states=[*BATCH_STATES[: BATCH_STATES.index(state) + 1]]).fetchone()
        return _batch(row[:-1]) if row and row[-1] == state else None

    def batch(self, number: int) -> Batch | None:
        """Give one batch."""
        row = self._run("batch", number=number).fetchone()
        return _batch(row) if row else None

    def batches_queued(self) -> int:
        """Give how many batches are made and not applied."""
        return int(self._one("batches_queued"))

    def is_left(self) -> bool:
        """Tell whether a range of the pass, or an object that was asked for again, belongs to no batch yet."""
        return bool(self._one("is_left"))

    def own_objects(self, number: int) -> int:
        """Give how many objects of the property itself a batch holds."""
        return int(self._one("own_objects", number=number) or 0)

    def batch_state(self, number: int) -> str | None:
        """Give how far a batch is, as one of BATCH_STATES; None where there is none of this number."""
        state = self._one("batch_state", number=number)
        return None if state is None else str(state)

    def fetch_again(self, number: int) -> None:
        """Have a batch brought over again."""
        with self.together():
            self._run("fetch_again", number=number)
            self.wake("transfer")

    def lose(self, number: int, *, reason: str) -> None:
        """Note that a batch is in neither spool any more: Generate makes it again."""
        with self.together():
            self._run("lose", number=number)
            self.remember(f"batch {number} is made again: {reason}")
            self.wake("generate")

    def free_lost(self) -> list[str]:
        """Forget a lost batch and all behind it, whose objects are then read again; give the names of their files.

        Only the owner of Generate may do so, and no batch behind a lost one is applied.
        """
        number = self._one("first_lost")
        if number is None:
            return []
        with self.together():
            for name in ("free_transactions", "free_ranges", "free_messages"):
                self._run(name, number=number)
            return [file for (file,) in self._run("free_batches", number=number)]

    def transferred(self, number: int) -> None:
        """Note that a batch lies in the target spool."""
        with self.together():
            self._run("batch_transferred", number=number)
            self.wake("process")

    def processed(self, number: int, *, written: int, arrived: list[tuple[str, str]], problems: list[Problem]) -> None:
        """Note that a batch is committed at the target, what arrived with it, and what did not."""
        with self.together():
            self._run("batch_processed", number=number, written=written)
            if self._one("messages_exist"):
                self._settle(arrived, number=number)
            self._put(problems, batch=number)
            self.wake("generate")

    def _settle(self, arrived: list[tuple[str, str]], *, number: int) -> None:
        """Forget what stood about objects that have arrived, and ask again for what waited for them.

        Where one arrives that had not, or the pass ends, whatever came into its way may have gone from there: what
        failed by a conflict is asked for once more.
        """
        names, keys = [entity for entity, _ in arrived], [key for _, key in arrived]
        stirred = self._one("settle_messages", entities=names, keys=keys, number=number)
        stirred = stirred or self._one("pass_ended", number=number)
        waiting = self.waiting_for(names, keys, stirred=stirred)
        if waiting:
            now = self.connection.execute("select clock_timestamp()").fetchone()[0]  # type: ignore[index] # a select without from gives a row
            self.enqueue(waiting, now=now)

    def waiting_for(self, entities: list[str], keys: list[str], *, stirred: bool) -> list[Touched]:
        """Give what waits for objects; with `stirred` also what failed by a conflict with another one."""
        rows = self._run("waiting_for", entities=entities, keys=keys, stirred=stirred)
        return [Touched(entity, key) for entity, key in rows]

    def _put(self, problems: Iterable[Problem], *, batch: int) -> None:
        for problem in problems:
            entity, key = problem.waits_for or (None, None)
            self._run("put_message", entity=problem.entity, key=problem.key, batch=batch, state=problem.state,
                      reason=problem.reason, waits_for_entity=entity, waits_for_key=key)  # fmt: skip


class Superseded(OutsideError):
    """Incarnation {incarnation} serves no longer, for another one has begun: what was read in it is left."""


class NotPrepared(OutsideError):
    """The move {move!r} is not prepared: run `slacktide move prepare {move} --apply`."""


def _batch(row: TupleRow) -> Batch:
    number, incarnation, snapshot, position, as_of, oldest, file, checksum, size, objects = row
    return Batch(number, incarnation, snapshot, parse_lsn(position), as_of, oldest, file, checksum, size, objects)
