"""What the hotel's tests share: a database that holds a small sample of both hotels, and a file of bookings."""

from __future__ import annotations

import itertools
import os

import psycopg
import pytest

from slacktide.hotel.loading import load
from slacktide.hotel.schema import create
from slacktide.postgres.connection import connect

_number = itertools.count(1)

HEADER = (
    "hotel,is_canceled,lead_time,arrival_date_year,arrival_date_month,arrival_date_week_number,"
    "arrival_date_day_of_month,stays_in_weekend_nights,stays_in_week_nights,adults,children,babies,meal,country,"
    "market_segment,distribution_channel,is_repeated_guest,previous_cancellations,previous_bookings_not_canceled,"
    "reserved_room_type,assigned_room_type,booking_changes,deposit_type,agent,company,days_in_waiting_list,"
    "customer_type,adr,required_car_parking_spaces,total_of_special_requests,reservation_status,"
    "reservation_status_date"
)
ROW = (
    "City Hotel,0,7,2016,August,33,10,2,3,2,NA,0,BB,NULL,Direct,Direct,0,0,0,A,D,0,No Deposit,NULL,40,0,"
    "Transient,-6.38,0,1,Check-Out,2016-08-15"
)


@pytest.fixture(scope="session")
def hotel_template(server):
    """Give the name of a database with 200 bookings of each hotel, to be copied."""
    name = f"hotel_{os.getpid()}"
    server.create_database(name)
    create(address=server.address(name))
    load(address=server.address(name), bookings_per_property=200)
    return name


@pytest.fixture
def hotel(server, hotel_template):
    """Give the address of a database with 200 bookings of each hotel, this test's own."""
    name = f"{hotel_template}_{next(_number)}"
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(f"create database {name} template {hotel_template}")
    return server.address(name)


@pytest.fixture
def connection(hotel):
    """Give a connection to the small hotels."""
    with connect(hotel, name="test") as connection:
        yield connection


@pytest.fixture
def row():
    """Give a row of the published file's form."""
    return ROW


@pytest.fixture
def bookings(tmp_path):
    """Give a function that writes rows into a file of bookings."""

    def write(*rows, header=HEADER):
        path = tmp_path / "bookings.csv"
        path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
        return path

    return write
