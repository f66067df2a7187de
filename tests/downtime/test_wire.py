from __future__ import annotations

import time
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.downtime import Organization, compile_schedule, decide
from slacktide.downtime.recurrence import Recurrence
from slacktide.downtime.table import Action
from slacktide.downtime.wire import decode_schedule, encode_schedule

INSTANT = timedelta(microseconds=1)
LEFT = {"state": "reference only", "lives_at": "https://new.example"}
SIDES = {
    "none": [],
    "open": [("source", "open", 0, None)],
    "closed": [("source", "closed", 3, None), ("target", "closed", -9, None)],
    "left": [("source", "reference only", 5, "https://new.example")],
    "moved": [("source", "reference only", 5, "https://new.example"), ("target", "open", 5, None)],
}
hours = st.integers(0, 12)


@st.composite
def schedules(draw, example):
    """Draw a schedule with downtimes of the site, the hotel and the other one, parameters, sides and a series."""
    made = []
    for number in range(draw(st.integers(0, 7))):
        start = draw(hours)
        end = draw(st.none() | st.integers(start, 13))
        facts = {"id": str(number), "latched": end is None, "message": draw(st.sampled_from([None, "Stock taking."]))}
        facts["testers"] = draw(st.sampled_from([(), (), ("ada",)]))
        organization = draw(st.sampled_from([None, "HOTEL", "OTHER"]))
        kind = {"organization": organization} if organization else {}
        make = example.own if organization else example.site
        made.append(make(start, end, draw(st.sampled_from([None, "in", "out"])), **facts, **kind))
    if draw(st.booleans()):
        daily = Recurrence(rule="FREQ=DAILY", length=timedelta(hours=1))
        made.append(example.own(draw(hours), None, "out", id="series", recurrence=daily))
    if draw(st.booleans()):
        made.append(example.setting("email_link_downtime_scope", "own", draw(hours), 13, id="e"))
    if draw(st.booleans()):
        made.append(example.setting("hold_recheck_interval", "PT1M", draw(hours), 13, id="r"))
    sides = [example.side(*each) for each in SIDES[draw(st.sampled_from(sorted(SIDES)))]]
    return example.schedule(*made, sides=sides), made


def answers(schedule, now, *, organizations=("HOTEL",)):
    """Give what is decided at an instant, for every action, side and degree of knowledge."""
    found = []
    for action in Action:
        for organization in (None, *organizations):
            sides = (None, *schedule.organizations[organization].sides) if organization else (None,)
            for side in sides:
                for more in ({}, {"stale": True}, {"link_asks": False}, {"writer": "other"}, {"user": "ada"}):
                    facts = {"action": action, "organization": organization, "side": side, "now": now, **more}
                    decision = decide(schedule=schedule, **facts)
                    found.append((decision.answer(), decision.valid_until, decision.recheck))
    return found


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_gate_decides_as_the_server(example, data):
    """At random instants and at boundaries what was written and read again decides exactly as the original."""
    schedule, made = data.draw(schedules(example))
    read = decode_schedule(encode_schedule(schedule, organizations=["HOTEL"], since=example.at(0)))
    random = data.draw(st.lists(st.floats(0, 900).map(example.at), max_size=4))
    borders = {each.start for each in made} | {each.end for each in made if each.end}
    for now in [example.at(0), *random, *(border + step for border in borders for step in (-INSTANT, timedelta()))]:
        if now >= example.at(0):
            assert answers(read, now) == answers(schedule, now)
            assert read.next_boundary(now) == schedule.next_boundary(now)


def test_names_only_what_may_be_seen(example):
    """Another organization's downtime is there as a period without a name, text or zone."""
    schedule = example.schedule(example.own(1, 2, organization="OTHER", message="a secret", contact="Eve"))
    document = encode_schedule(schedule, organizations=["HOTEL"], since=example.at(0))
    for word in (b"OTHER", b"a secret", b"Eve"):
        assert word not in document
    read = decode_schedule(document)
    asked = {"action": "email_link", "now": example.at(1.5), "organization": "HOTEL", "link_asks": False}
    assert decide(schedule=read, **asked).decision == "login"
    assert b"a secret" in encode_schedule(schedule, since=example.at(0))


@pytest.mark.parametrize("document", [b"", b"{}", b"[1]", b'{"version": 1}', b'{"version": "1"}', b"\xff"])
def test_what_cannot_be_read_is_no_schedule(example, document):
    """A document that is of another form, or of another version, is as if there were none."""
    assert decode_schedule(document) is None
    written = msgspec.json.decode(encode_schedule(example.schedule(example.site(0, 8)), since=example.at(0)))
    assert decode_schedule(msgspec.json.encode(written | {"version": 2})) is None
    broken = [[False, [["2026-06-01T08:00:00Z", [True, ["2026-06-01T08:00:00Z", None], 7, 8, 9]]]]]
    assert decode_schedule(msgspec.json.encode(written | {"site": broken})) is None


def test_what_is_long_over_is_left_out(example):
    """What ended more than two days before is not written."""
    schedule = example.schedule(example.own(0, 1, message="long ago"), example.own(200, 201, message="to come"))
    document = encode_schedule(schedule, since=example.at(100))
    assert (b"long ago" in document, b"to come" in document) == (False, True)


def test_ten_thousand_settings(example):
    """A schedule of ten thousand settings is read well below a second."""
    codes = [f"H{number}" for number in range(1000)]
    made = [
        example.own(10 * number, 10 * number + 5, organization=code, id=f"{code}-{number}")
        for code in codes
        for number in range(10)
    ]
    organizations = [Organization(code=code, name=code, zone="Europe/Berlin") for code in codes]
    schedule = compile_schedule(settings=made, organizations=organizations, around=example.at(0))
    document = encode_schedule(schedule, since=example.at(0))
    begun = time.thread_time()
    read = decode_schedule(document)
    assert time.thread_time() - begun < 0.5
    assert len(document) < 1_500_000
    asked = {"action": "open_task", "now": example.at(42), "organization": "H999"}
    assert decide(schedule=read, **asked).answer() == decide(schedule=schedule, **asked).answer()
