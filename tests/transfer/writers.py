"""Eight writers on the bare schema: transactions of every shape, in every isolation, some of them never committed.

The shapes are chosen by a seed; what they meet is up to the race between them, as at a real source. A transaction that
the database refuses (a unique value taken, a deadlock, a serialization failure) is rolled back and forgotten.
"""

from __future__ import annotations

import random
import threading
import time

import psycopg

from tests.transfer.writer_bills import Bills

ISOLATION = ("read committed", "read committed", "repeatable read", "serializable")
MOST_BOOKINGS = 90
MOST_PEOPLE = 60


class Writer(Bills, threading.Thread):
    """One session that trades until it is told to stop."""

    def __init__(self, address, *, seed, number, pause_seconds=0.004, long_seconds=0.6):
        super().__init__(daemon=True, name=f"writer {number}")
        self.address, self.ordinal = address, number
        self.random = random.Random(f"{seed}/{number}")  # noqa: S311 -- the dice of a test
        self.pause_seconds, self.long_seconds = pause_seconds, long_seconds
        self.stopping = threading.Event()
        self.committed, self.refused, self.rolled_back, self.failure = 0, 0, 0, None
        self.gids = 0

    def run(self):
        try:
            with psycopg.connect(self.address, autocommit=True) as connection:
                connection.execute("set lock_timeout = '1s'; set deadlock_timeout = '50ms'")
                while not self.stopping.is_set():
                    self.transaction(connection)
                    time.sleep(self.random.uniform(0, 2 * self.pause_seconds))
        except Exception as failure:  # noqa: BLE001 -- the test raises it
            self.failure = failure

    def transaction(self, connection):
        """Do one to four things together, and commit most of the time."""
        dice = self.random
        cursor = connection.cursor()
        try:
            cursor.execute(f"begin isolation level {dice.choice(ISOLATION)}")
            if dice.random() < 0.3:
                cursor.execute("set local synchronous_commit = off")
            for _ in range(dice.choice((1, 1, 1, 2, 3, 4))):
                self.thing(cursor)
            if dice.random() < 0.02:
                time.sleep(dice.uniform(0, self.long_seconds))
            self.end(cursor)
        except psycopg.Error as error:
            if error.sqlstate is None or error.sqlstate[:2] not in ("23", "40", "55", "21"):
                raise
            cursor.execute("rollback")
            self.refused += 1

    def thing(self, cursor):
        """Do one thing; sometimes within a savepoint, which is sometimes rolled back."""
        dice = self.random
        shape = getattr(self, dice.choice(SHAPES))
        if dice.random() < 0.2:
            cursor.execute("savepoint s")
            shape(cursor)
            cursor.execute("rollback to s" if dice.random() < 0.3 else "release s")
        else:
            shape(cursor)

    def end(self, cursor):
        chance = self.random.random()
        if chance < 0.08:
            cursor.execute("rollback")
            self.rolled_back += 1
        elif chance < 0.11:
            self.gids += 1
            gid = f"writer {self.ordinal} {self.gids} {cursor.connection.info.dbname}"
            cursor.execute(f"prepare transaction '{gid}'")
            time.sleep(self.random.uniform(0, 0.05))
            cursor.execute(f"commit prepared '{gid}'")
            self.committed += 1
        else:
            cursor.execute("commit")
            self.committed += 1

    # -- choosing -------------------------------------------------------------------------------------------------

    def some(self, cursor, table, column, *, count=1, where="true"):
        """Choose rows by the dice: their keys."""
        order = f"md5({column}::text || '{self.random.getrandbits(32)}')"
        found = cursor.execute(f"select {column} from bare.{table} where {where} order by {order} limit {count}")
        return [key for (key,) in found]

    def text(self):
        dice = self.random
        return dice.choice(
            [
                "plain",
                None,
                "",
                "\\N",
                "a\\nb\n\t\r\\",
                "<&>\"'",
                "\x01\x1f\x7f\ufffe",
                "é\u2028\U0001f600",
                dice.randbytes(dice.choice((50, 4000, 12000))).hex(),
            ]
        )

    def number(self):
        return f"N{self.random.randrange(100)}"

    # -- shapes ---------------------------------------------------------------------------------------------------

    def make_person(self, cursor):
        if cursor.execute("select count(*) from bare.person").fetchone()[0] < MOST_PEOPLE:
            employer = [*self.some(cursor, "person", "person_id"), None]
            cursor.execute(
                "insert into bare.person (name, email, employer_id) values (%s, %s, %s)",
                [self.text() or "x", self.random.choice((None, self.number())), self.random.choice(employer)],
            )

    def change_person(self, cursor):
        for key in self.some(cursor, "person", "person_id"):
            cursor.execute("update bare.person set name = coalesce(%s, 'n') where person_id = %s", [self.text(), key])

    def swap_emails(self, cursor):
        rows = self.some(cursor, "person", "person_id", count=2)
        if len(rows) == 2:
            self.swap(cursor, "person", "person_id", "email", rows)

    def swap(self, cursor, table, key, column, rows):
        one, other = sorted(rows)
        read = f"select {column} from bare.{table} where {key} = %s for update"
        first, second = (cursor.execute(read, [k]).fetchone() for k in (one, other))
        if first and second:
            write = f"update bare.{table} set {column} = %s where {key} = %s"
            cursor.execute(write, [None if column != "number" else f"swap {self.ordinal}", one])
            cursor.execute(write, [first[0], other])
            cursor.execute(write, [second[0], one])

    def employ(self, cursor):
        rows = self.some(cursor, "person", "person_id", count=2)
        if rows:
            employer = self.random.choice((rows[-1], rows[-1], None))
            cursor.execute("update bare.person set employer_id = %s where person_id = %s", [employer, rows[0]])

    def employ_each_other(self, cursor):
        rows = self.some(cursor, "person", "person_id", count=2)
        if len(rows) == 2:
            for one, other in (rows, rows[::-1]):
                cursor.execute("update bare.person set employer_id = %s where person_id = %s", [other, one])

    def merge_people(self, cursor):
        rows = self.some(cursor, "person", "person_id", count=2)
        if len(rows) == 2:
            keep, lose = rows
            cursor.execute("update bare.booking set person_id = %s where person_id = %s", [keep, lose])
            cursor.execute("update bare.person set employer_id = null where employer_id = %s", [lose])
            gone = cursor.execute("delete from bare.person where person_id = %s returning email", [lose]).fetchone()
            if gone:
                cursor.execute("update bare.person set email = %s where person_id = %s", [gone[0], keep])

    def renumber_person(self, cursor):
        for key in self.some(cursor, "person", "person_id"):
            cursor.execute(
                "update bare.person set person_id = nextval(pg_get_serial_sequence('bare.person', 'person_id')) "
                "where person_id = %s",
                [key],
            )

    def make_booking(self, cursor, number=None, property_code=None):
        if cursor.execute("select count(*) from bare.booking").fetchone()[0] >= MOST_BOOKINGS and number is None:
            return self.delete_booking(cursor)
        (person,) = self.some(cursor, "person", "person_id") or (None,)
        (key,) = cursor.execute(
            "insert into bare.booking (property, number, person_id, amount, note, raw, share, flags, seen) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp()) returning booking_id",
            [property_code or self.random.choice("PPQ"), number or self.number(), person, self.random.randrange(1000),
             self.text(), self.random.randbytes(5), self.random.choice((None, -0.0, float("nan"), 0.1)),
             self.random.choice((None, '{"a": "<&\\n"}'))],
        ).fetchone()  # fmt: skip
        for n in range(self.random.randrange(4)):
            room = self.random.choice((None, f"R{self.random.randrange(12)}"))
            cursor.execute("insert into bare.night values (%s, date '2026-01-01' + %s::int, %s, 10)", [key, n, room])
        for _ in range(self.random.randrange(3)):
            self.post(cursor, key)
        return None

    def post(self, cursor, key=None):
        for booking in [key] if key else self.some(cursor, "booking", "booking_id"):
            cursor.execute(
                "insert into bare.posting (booking_id, amount, reference) values (%s, %s, %s)",
                [booking, self.random.randrange(100), self.random.choice((None, f"X{self.random.randrange(300)}"))],
            )

    def delete_booking(self, cursor):
        for key in self.some(cursor, "booking", "booking_id"):
            return self.remove(cursor, key)
        return None

    def remove(self, cursor, key):
        cursor.execute("update bare.booking set sharer_id = null where sharer_id = %s", [key])
        cursor.execute("update bare.party set master_booking_id = null where master_booking_id = %s", [key])
        owned = "(select posting_id from bare.posting where booking_id = %s)"
        way = self.random.choice(
            (
                "update bare.line set posting_id = null where posting_id in ",
                "delete from bare.line where posting_id in ",
            )
        )
        cursor.execute(way + owned, [key])
        for table in ("night", "posting"):
            cursor.execute(f"delete from bare.{table} where booking_id = %s", [key])
        return cursor.execute(
            "delete from bare.booking where booking_id = %s returning number, property", [key]
        ).fetchone()

    def make_again(self, cursor):
        gone = self.delete_booking(cursor)
        if gone:
            self.make_booking(cursor, number=gone[0], property_code=gone[1])

    def change_booking(self, cursor):
        for key in self.some(cursor, "booking", "booking_id", count=self.random.choice((1, 1, 5))):
            cursor.execute("update bare.booking set amount = amount + 1 where booking_id = %s", [key])

    def change_note(self, cursor):
        for key in self.some(cursor, "booking", "booking_id"):
            cursor.execute("update bare.booking set note = %s where booking_id = %s", [self.text(), key])

    def swap_numbers(self, cursor):
        rows = self.some(cursor, "booking", "booking_id", count=2)
        if len(rows) == 2:
            self.swap(cursor, "booking", "booking_id", "number", rows)

    def change_hands(self, cursor):
        for key in self.some(cursor, "booking", "booking_id"):
            cursor.execute(
                "update bare.booking set property = case property when 'P' then 'Q' else 'P' end where booking_id = %s",
                [key],
            )

    def hand_account_over(self, cursor):
        for key in self.some(cursor, "account", "account_id"):
            cursor.execute(
                "update bare.account set property = case property when 'P' then 'Q' else 'P' end where account_id = %s",
                [key],
            )

    def hand_party_over(self, cursor):
        for key in self.some(cursor, "party", "party_id"):
            cursor.execute(
                "update bare.party set property = case property when 'P' then 'Q' else 'P' end where party_id = %s",
                [key],
            )

    def share(self, cursor):
        rows = self.some(cursor, "booking", "booking_id", count=2)
        if rows:
            sharer = self.random.choice((rows[-1], rows[-1], None))
            cursor.execute("update bare.booking set sharer_id = %s where booking_id = %s", [sharer, rows[0]])

    def share_each_other(self, cursor):
        rows = self.some(cursor, "booking", "booking_id", count=2)
        for one, other in (rows, rows[::-1]) if len(rows) == 2 else ():
            cursor.execute("update bare.booking set sharer_id = %s where booking_id = %s", [other, one])

    def stop_sharing(self, cursor):
        for key in self.some(cursor, "booking", "booking_id", count=4, where="sharer_id is not null"):
            cursor.execute("update bare.booking set sharer_id = null where booking_id = %s", [key])

    def change_nights(self, cursor):
        for key in self.some(cursor, "booking", "booking_id"):
            cursor.execute("delete from bare.night where booking_id = %s and day > '2026-01-01'", [key])
            cursor.execute(
                "insert into bare.night values (%s, date '2026-02-01' + %s, %s, 11) on conflict do nothing",
                [key, self.random.randrange(5), f"R{self.random.randrange(12)}"],
            )

    def swap_rooms(self, cursor):
        rows = cursor.execute(
            "select a.booking_id, b.booking_id, a.day, a.room, b.room from bare.night a join bare.night b using (day) "
            "where a.booking_id < b.booking_id order by md5(a.booking_id::text || b.booking_id || %s) limit 1",
            [str(self.random.getrandbits(32))],
        ).fetchall()
        for one, other, day, first, second in rows:
            write = "update bare.night set room = %s where booking_id = %s and day = %s"
            for room, key in ((None, one), (first, other), (second, one)):
                cursor.execute(write, [room, key, day])

    def move_nights(self, cursor):
        rows = self.some(cursor, "booking", "booking_id", count=2)
        if len(rows) == 2:
            cursor.execute(
                "update bare.night set booking_id = %s where booking_id = %s and day not in "
                "(select day from bare.night where booking_id = %s)",
                [rows[0], rows[1], rows[0]],
            )

    def move_postings(self, cursor):
        rows = self.some(cursor, "booking", "booking_id", count=2)
        if len(rows) == 2:
            cursor.execute("update bare.posting set booking_id = %s where booking_id = %s", rows)

    def move_posting(self, cursor):
        (to,) = self.some(cursor, "booking", "booking_id") or (None,)
        for key in self.some(cursor, "posting", "posting_id"):
            cursor.execute("update bare.posting set booking_id = %s where posting_id = %s", [to, key])

    def swap_references(self, cursor):
        rows = self.some(cursor, "posting", "posting_id", count=2)
        if len(rows) == 2:
            self.swap(cursor, "posting", "posting_id", "reference", rows)

    def delete_posting(self, cursor):
        for key in self.some(cursor, "posting", "posting_id"):
            cursor.execute("update bare.line set posting_id = null where posting_id = %s", [key])
            cursor.execute("delete from bare.posting where posting_id = %s", [key])

    def make_party(self, cursor):
        rows = self.some(cursor, "booking", "booking_id", count=2)
        if rows and cursor.execute("select count(*) from bare.party").fetchone()[0] < 12:
            (key,) = cursor.execute(
                "insert into bare.party (property, name, master_booking_id) values (%s, 'p', %s) returning party_id",
                [self.random.choice("PPQ"), self.random.choice((rows[0], None))],
            ).fetchone()
            cursor.execute("update bare.booking set party_id = %s where booking_id = any (%s)", [key, rows])

    def lead_party(self, cursor):
        for key in self.some(cursor, "party", "party_id"):
            (to,) = self.some(cursor, "booking", "booking_id") or (None,)
            cursor.execute("update bare.party set master_booking_id = %s where party_id = %s", [to, key])

    def delete_party(self, cursor):
        """Delete both ends of the cycle."""
        for key in self.some(cursor, "party", "party_id"):
            cursor.execute("update bare.booking set party_id = null where party_id = %s", [key])
            (master,) = cursor.execute(
                "delete from bare.party where party_id = %s returning master_booking_id", [key]
            ).fetchone() or (None,)
            if master is not None and self.random.random() < 0.5:
                self.remove(cursor, master)

    def leave_party(self, cursor):
        for key in self.some(cursor, "booking", "booking_id", count=4, where="party_id is not null"):
            cursor.execute("update bare.booking set party_id = null where booking_id = %s", [key])

    def other_table(self, cursor):
        cursor.execute("update bare.property set today = today + 1 where code = 'Q'")


SHAPES = tuple(
    name
    for name, value in (vars(Writer) | vars(Bills)).items()
    if callable(value)
    and not name.startswith("_")
    and name not in {"run", "transaction", "thing", "end", "some", "text", "number", "swap", "remove"}
)


class Writers:
    """Eight writers, as one."""

    def __init__(self, address, *, seed, count=8, **named):
        self.each = [Writer(address, seed=seed, number=n, **named) for n in range(count)]

    def __enter__(self):
        for writer in self.each:
            writer.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        for writer in self.each:
            writer.stopping.set()
        for writer in self.each:
            writer.join()
        for writer in self.each:
            if writer.failure:
                raise writer.failure

    def total(self, what):
        return sum(getattr(writer, what) for writer in self.each)
