from __future__ import annotations

from datetime import UTC, datetime, timedelta

from slacktide.gates.reading import take_reading

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


def after(seconds):
    return NOON + timedelta(seconds=seconds)


def reading(now=NOON, *, sent=100.0, received=100.0, wall=NOON, age_seconds=0.0, before=None):
    facts = {"sent": sent, "received": received, "wall": wall, "age_seconds": age_seconds, "before": before}
    return take_reading(now=now, **facts)


def test_the_middle_of_the_round_trip():
    """The server's time belongs to the middle between sending and receiving, the machine's clock is not believed."""
    taken = reading(sent=100, received=102, wall=after(91))
    assert taken.time(102) == after(1)
    assert taken.time(161) == after(60)
    assert taken.offset_seconds == -90


def test_the_clocks_disagree():
    """More than a second between the clocks is seen, both ways; less is not."""
    taken = reading()
    assert not taken.disagrees(110, after(10.9))
    assert not taken.disagrees(110, after(9.1))
    assert taken.disagrees(110, after(11.1))
    assert taken.disagrees(110, after(8.9))


def test_age_is_what_the_clock_says_that_says_more():
    """A machine that slept, so that its count stood still, takes its knowledge for as old as it is."""
    taken = reading(age_seconds=3)
    assert taken.age(110, after(10)) == 13
    assert taken.age(110, after(3600)) == 3603
    assert taken.age(110, after(-3600)) == 13


def test_now_never_goes_back():
    """A new reading that is earlier lets the time stand still until it has caught up."""
    first = reading()
    second = reading(after(8), sent=110, received=110, before=first)
    assert [second.time(count) for count in (110, 111, 112, 113)] == [after(10), after(10), after(10), after(11)]
    third = reading(after(5), sent=111, received=111, before=second)
    assert third.time(111) == after(10)
