"""Loading: deterministic, balanced, consistent, and refused where something is held already."""

from __future__ import annotations

import zlib

import pytest

from slacktide.hotel import inventory
from slacktide.hotel.booking import BadBooking
from slacktide.hotel.loading import AlreadyLoaded, BadScale, load
from slacktide.hotel.schema import create
from slacktide.postgres.connection import connect


def fingerprint(address):
    """Make a number of every row of every table."""
    with connect(address, name="test") as connection:
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'hotel'::regnamespace and relkind = 'r' order by 1"
        ).fetchall()
        return {
            table: zlib.crc32(
                repr(connection.execute(f"select t::text from hotel.{table} t order by 1").fetchall()).encode()
            )
            for (table,) in tables
        }


def test_same_seed_same_hotel(server, database):
    """The same seed loads the same rows; another seed loads others."""
    prints = []
    for number, seed in enumerate([7, 7, 8]):
        name = f"same_{number}_{database.partition('?')[0].rpartition('/')[2]}"
        server.create_database(name)
        create(address=server.address(name))
        load(address=server.address(name), bookings_per_property=60, seed=seed)
        prints.append(fingerprint(server.address(name)))
    assert prints[0] == prints[1]
    assert prints[0]["profile"] != prints[2]["profile"]


def test_refused_when_loaded(hotel):
    """A second load is refused, and nothing changes."""
    before = fingerprint(hotel)
    with pytest.raises(AlreadyLoaded, match="CITY, RESORT"):
        load(address=hotel, bookings_per_property=10)
    assert fingerprint(hotel) == before


def test_nothing_half_done(database, bookings, row):
    """A file with a bad row loads nothing, and the next load succeeds."""
    create(address=database)
    with pytest.raises(BadBooking):
        load(address=database, bookings=bookings(row, row.replace("City", "Motel")))
    report = load(address=database, bookings=bookings(row))
    assert report.read == {"CITY": 1}
    assert report.odd == {"negative_rate": 1, "unknown_children": 1, "no_country": 1}


def test_bad_scale(database):
    """A hotel is loaded once at least."""
    create(address=database)
    with pytest.raises(BadScale):
        load(address=database, scale=0)


def test_scale(database):
    """Copies have confirmation numbers, rooms and guests of their own."""
    create(address=database)
    report = load(address=database, bookings_per_property=60, scale=3)
    with connect(database, name="test") as connection:
        numbers, lowest, highest = connection.execute(
            "select count(*), min(confirmation_no), max(confirmation_no) from hotel.reservation "
            "where property_code = 'RESORT'"
        ).fetchone()
        last = connection.execute(
            "select last_number from hotel.number_range where (property_code, name) = ('RESORT', 'confirmation')"
        ).fetchone()
    assert report.rows["reservation"] == 360
    assert (numbers, highest - lowest) == (180, 179)
    assert last == (highest,)
    assert inventory.check(address=database, property_code="RESORT") == []


def test_past_stays_are_settled(connection):
    """Every settled folio's windows add up to zero, and every window of a guest in house is open."""
    assert connection.execute(
        "select count(*) from (select 1 from hotel.posting p join hotel.folio f using (folio_id) "
        "where settled_on is not null group by folio_id, window_no, currency_code having sum(amount) <> 0) x"
    ).fetchone() == (0,)
    assert connection.execute(
        "select count(*) from hotel.reservation r left join hotel.folio f using (reservation_id) "
        "where (r.status in ('in house', 'checked out')) <> (f.folio_id is not null) "
        "or (r.status = 'checked out') <> (f.settled_on is not null and f.folio_no is not null)"
    ).fetchone() == (0,)


def test_invoices_are_what_was_transferred(connection):
    """Every AR invoice's lines name a transfer of the same amount; a settled one is paid to the cent."""
    rows = connection.execute(
        "select i.status, (select sum(l.amount) from hotel.ar_invoice_line l where l.ar_invoice_id = i.ar_invoice_id), "
        "(select -sum(p.amount) from hotel.ar_invoice_line l join hotel.posting p using (posting_id) "
        " where l.ar_invoice_id = i.ar_invoice_id and p.transaction_code = '9100'), "
        "(select coalesce(sum(y.amount), 0) from hotel.ar_payment y where y.ar_invoice_id = i.ar_invoice_id) "
        "from hotel.ar_invoice i"
    ).fetchall()
    assert rows
    assert all(lines == transferred for _, lines, transferred, _ in rows)
    assert all((paid == lines) == (status == "settled") for status, lines, _, paid in rows)


def test_every_circle_is_closed(connection):
    """Each block with reservations names one of them as its master, which names the block."""
    assert (
        connection.execute(
            "select count(*) filter (where r.block_id = b.block_id), count(*) from hotel.block b "
            "left join hotel.reservation r on r.reservation_id = b.master_reservation_id"
        ).fetchone()
        == connection.execute("select count(*), count(*) from hotel.block").fetchone()
    )


def test_picked_up_is_what_reservations_hold(connection):
    """A block's rooms picked up are the nights of its reservations."""
    assert (
        connection.execute(
            "select block_id, stay_date, room_type, picked_up from hotel.block_room where picked_up > 0 "
            "order by 1, 2, 3"
        ).fetchall()
        == connection.execute(
            "select block_id, stay_date, n.room_type, count(*)::int from hotel.reservation r "
            "join hotel.reservation_night n using (reservation_id) where block_id is not null "
            "group by 1, 2, 3 order by 1, 2, 3"
        ).fetchall()
    )


def test_sequences_follow(connection):
    """After a load every table draws keys that are not taken."""
    for table in ("profile", "reservation", "folio", "posting", "block", "ar_invoice", "event", "trace", "deposit"):
        free = connection.execute(
            f"select nextval(pg_get_serial_sequence('hotel.{table}', '{table}_id')) > max({table}_id) "
            f"from hotel.{table}"
        ).fetchone()
        assert free == (True,), table


def test_foreign_keys_are_back(hotel, database, server):
    """The foreign keys after a load are those of the schema, and hold."""
    name = f"fresh_{database.partition('?')[0].rpartition('/')[2]}"
    server.create_database(name)
    create(address=server.address(name))
    found = []
    for address in (hotel, server.address(name)):
        with connect(address, name="test") as connection:
            found.append(
                connection.execute(
                    "select conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated "
                    "from pg_constraint where connamespace = 'hotel'::regnamespace order by 1, 2"
                ).fetchall()
            )
    assert found[0] == found[1]
