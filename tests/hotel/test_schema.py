"""The hotel's schema: made once, and honest about what belongs together."""

from __future__ import annotations

import psycopg
import pytest

from slacktide.hotel.loading import load
from slacktide.hotel.schema import SchemaExists, SchemaMissing, create
from slacktide.postgres.connection import connect


def test_create_twice(database):
    """A second `create` is refused and changes nothing."""
    create(address=database)
    with pytest.raises(SchemaExists, match="has a schema"):
        create(address=database)


def test_load_without_schema(database):
    """Loading into a database without the schema names the command that makes it."""
    with pytest.raises(SchemaMissing, match="slacktide hotel create"):
        load(address=database, bookings_per_property=10)


def test_nothing_cascades(database):
    """No foreign key deletes or empties rows of its own accord."""
    create(address=database)
    with connect(database, name="test") as connection:
        actions = connection.execute(
            "select distinct confdeltype, confupdtype from pg_constraint "
            "where contype = 'f' and connamespace = 'hotel'::regnamespace"
        ).fetchall()
    assert actions == [("a", "a")]


def test_every_key_is_drawn_from_a_sequence_of_its_own(database):
    """Every surrogate key is an identity, so that its sequence can be found."""
    create(address=database)
    with connect(database, name="test") as connection:
        tables = connection.execute(
            "select relname from pg_class c join pg_attribute a on attrelid = c.oid "
            "where relnamespace = 'hotel'::regnamespace and relkind = 'r' and attname = relname || '_id'"
        ).fetchall()
        found = [
            connection.execute("select pg_get_serial_sequence(%s, %s)", [f"hotel.{t}", f"{t}_id"]).fetchone()[0]
            for (t,) in tables
        ]
    assert len(found) > 15
    assert all(found)


def test_no_room_is_sold_twice(connection):
    """The database refuses a second guest in the same room and night."""
    night = connection.execute(
        "select n.stay_date, n.property_code, n.room_type, n.room_no from hotel.reservation_night n "
        "where room_no is not null limit 1"
    ).fetchone()
    other = connection.execute(
        "select reservation_id from hotel.reservation r where property_code = %s and not exists "
        "(select from hotel.reservation_night where reservation_id = r.reservation_id and stay_date = %s) limit 1",
        [night[1], night[0]],
    ).fetchone()
    with pytest.raises(psycopg.errors.UniqueViolation, match="room_no_stay_date"):
        connection.execute("insert into hotel.reservation_night values (%s, %s, %s, %s, %s, 1)", [*other, *night])


def test_a_posting_can_move_to_the_other_property(connection):
    """A posting may go to a folio of another property: its codes hold there too."""
    (posting,) = connection.execute(
        "select posting_id from hotel.posting join hotel.folio using (folio_id) where property_code = 'RESORT'"
    ).fetchone()
    (folio,) = connection.execute("select folio_id from hotel.folio where property_code = 'CITY'").fetchone()
    moved = connection.execute(
        "update hotel.posting set folio_id = %s, window_no = 1 where posting_id = %s", [folio, posting]
    )
    assert moved.rowcount == 1


@pytest.mark.parametrize("text", ["a\nb\tc\\d", "\r\n", "\\N", "'\"", "<b>&amp;]]></b>", "🎂 e\u0308", "", "  "])
def test_dirt_is_kept(connection, text):
    """Any text that people type comes back as it went in."""
    connection.execute("update hotel.profile set note = %s where profile_id = 1", [text])
    assert connection.execute("select note from hotel.profile where profile_id = 1").fetchone() == (text,)
