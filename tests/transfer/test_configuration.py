from __future__ import annotations

from datetime import date

import pytest

from slacktide.transfer.configuration import (
    AlreadyConfigured,
    ConfigurationRefused,
    NotConfigured,
    configure,
    configured_at,
)
from slacktide.transfer.configuration_property import TargetAhead
from slacktide.transfer.emptiness import TargetNotEmpty
from tests.transfer.moved import moving

TABLES = ("room_type", "room", "rate_code", "market_code", "source_code", "meal_code", "function_space",
          "app_user", "number_range")  # fmt: skip


@pytest.fixture
def make(server, tmp_path):
    """Give a function that makes a move of RESORT."""
    made = []

    def call(**facts):
        made.append(moving(server, tmp_path, **facts))
        return made[-1]

    yield call
    for each in made:
        each.close()


def rows(connection, table, code, columns="*"):
    return connection.execute(f"select {columns} from hotel.{table} where property_code = %s order by 1, 2", [code])


def test_configuration_is_copied_once(make):
    """Every row of the property's configuration arrives, with statistics; a second start is refused."""
    resort = make()
    with pytest.raises(NotConfigured):
        configured_at(resort.control, move=resort.move)
    done = configure(resort.control, move=resort.move)
    for table in TABLES:
        expected = rows(resort.source, table, "RESORT").fetchall()
        assert rows(resort.target, table, "RESORT").fetchall() == expected
        counted = [(one.read, one.written) for one in done.copied if one.name == table]
        assert (len(expected), len(expected)) in counted
    assert done.business_date == date(2016, 8, 15)
    assert configured_at(resort.control, move=resort.move)
    assert resort.move.facts["configuration"]["stubs"] == ["CITY"]
    with pytest.raises(AlreadyConfigured, match=r"abandon.*slacktide move convert resort"):
        configure(resort.control, move=resort.move)


def test_another_code_at_the_target(make):
    """Under another code at the target, every row carries that one, and the own row too."""
    resort = make(target_property="PALACE")
    configure(resort.control, move=resort.move)
    assert resort.count("hotel.room", "property_code = 'PALACE'") == resort.count(
        "hotel.room", "property_code = 'RESORT'", side="source"
    )
    properties = resort.target.execute("select code, name, business_date from hotel.property order by 1").fetchall()
    assert properties == [("CITY", "City Hotel", date(2016, 8, 15)), ("PALACE", "Resort Hotel", date(2016, 8, 15))]


def test_stub_of_another_property(make):
    """The source's other property is a row and its codes, and nothing of its staff, numbers or guests."""
    resort = make()
    configure(resort.control, move=resort.move)
    for table in ("room", "room_type", "rate_code", "market_code", "source_code", "meal_code", "function_space"):
        expected = rows(resort.source, table, "CITY").fetchall()
        assert rows(resort.target, table, "CITY").fetchall() == expected
    for table in ("app_user", "cashier", "number_range", "reservation", "block"):
        assert rows(resort.target, table, "CITY", "property_code, 1").fetchall() == []


def test_property_that_is_there_stays(make):
    """A property of the target that the source has too keeps its row and its codes as they are."""
    resort = make()
    resort.target.execute("insert into hotel.property values ('CITY', 'Mine', 'Asia/Tokyo', 'EUR', '2020-01-01')")
    resort.target.execute("insert into hotel.market_code values ('CITY', 'Direct', 'mine')")
    configure(resort.control, move=resort.move)
    assert resort.target.execute("select name from hotel.property where code = 'CITY'").fetchone() == ("Mine",)
    assert rows(resort.target, "market_code", "CITY").fetchall() == [("CITY", "Direct", "mine")]
    assert resort.count("hotel.room", "property_code = 'CITY'") == 0


def test_property_that_is_there_already(make):
    """An existing target property keeps what it has, gets what it lacks, and the source's business date."""
    resort = make()
    resort.target.execute("insert into hotel.property values ('RESORT', 'New', 'Asia/Tokyo', 'EUR', '2016-08-01')")
    resort.target.execute("insert into hotel.market_code values ('RESORT', 'Direct', 'kept')")
    done = configure(resort.control, move=resort.move)
    assert resort.target.execute("select name, business_date from hotel.property where code = 'RESORT'").fetchone() == (
        "New", date(2016, 8, 15),
    )  # fmt: skip
    assert ("RESORT", "Direct", "kept") in rows(resort.target, "market_code", "RESORT").fetchall()
    assert resort.count("hotel.market_code", "property_code = 'RESORT'") == resort.count(
        "hotel.market_code", "property_code = 'RESORT'", side="source"
    )
    (market,) = [one for one in done.copied if one.name == "market_code" and one.title == "Market codes"]
    assert market.read - market.written == 1


def test_lists_of_everybody(make):
    """Codes of lists without a property that the target lacks are added; its own stay as they are."""
    resort = make()
    resort.source.execute("insert into hotel.transaction_code values ('8888', 'Snow', 'charge')")
    resort.target.execute("update hotel.transaction_code set name = 'mine' where code = '1000'")
    before = resort.count("hotel.transaction_code")
    configure(resort.control, move=resort.move)
    assert resort.count("hotel.transaction_code", "code = '8888'") == 1
    assert resort.count("hotel.transaction_code") == before + 1
    assert resort.count("hotel.transaction_code", "code = '1000' and name <> 'mine'") == 0


def test_failure_leaves_nothing(make):
    """A copy that the target refuses in the middle leaves no row, and can be started again."""
    resort = make()
    resort.target.execute("alter table hotel.app_user add constraint short check (user_name <> 'user3')")
    with pytest.raises(ConfigurationRefused, match="short"):
        configure(resort.control, move=resort.move)
    assert [resort.count(f"hotel.{table}") for table in ("property", *TABLES)] == [0] * (len(TABLES) + 1)
    with pytest.raises(NotConfigured):
        configured_at(resort.control, move=resort.move)
    resort.target.execute("alter table hotel.app_user drop constraint short")
    configure(resort.control, move=resort.move)


def test_gates(make):
    """A target with data of the property, or with a later business date, is refused before anything is copied."""
    resort = make()
    resort.target.execute("insert into hotel.property values ('RESORT', 'x', 'UTC', 'EUR', '2016-08-16')")
    with pytest.raises(TargetAhead):
        configure(resort.control, move=resort.move)
    resort.target.execute("update hotel.property set business_date = '2016-08-15'")
    resort.target.execute(
        "insert into hotel.telephone_entry (property_code, category, name, number) "
        "values ('RESORT', 'taxi', 'Ada', '1')"
    )
    with pytest.raises(TargetNotEmpty):
        configure(resort.control, move=resort.move)
    assert resort.count("hotel.room_type") == 0
