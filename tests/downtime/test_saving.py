from __future__ import annotations

import msgspec
import pytest

from slacktide.downtime import in_effect, saving
from slacktide.downtime.parameter import PARAMETERS, BadValue, Level, LevelNotAllowed, UnknownParameter


def save(old, now, **changes):
    return saving.changed_setting(old, msgspec.structs.replace(old, **changes), now=now)


def test_latched_stays_until_an_end_is_given(example):
    """A downtime opened without an end stays with value N, ends at a given end, and is permanent again without."""
    opened = saving.new_setting(example.own(0, None), now=example.at(0))
    assert opened.latched
    saved = save(opened, example.at(1), value="N")
    assert in_effect(saved.setting, example.at(2))
    assert "slacktide downtime end 2" in saved.warnings[0]
    ending = save(saved.setting, example.at(2), end=example.at(5))
    assert ending.warnings == ()
    assert in_effect(ending.setting, example.at(4))
    assert not in_effect(ending.setting, example.at(5))
    again = save(ending.setting, example.at(3), end=None).setting
    assert in_effect(again, example.at(500))


def test_bounded_is_off_with_value_n(example):
    """A bounded downtime that was never latched is off at once with value N."""
    bounded = saving.new_setting(example.own(0, 8), now=example.at(0))
    assert not bounded.latched
    assert not in_effect(save(bounded, example.at(1), value="N").setting, example.at(1))


def test_never_y_is_never_a_downtime(example):
    """A setting that was never Y is no downtime, without an end neither."""
    setting = saving.new_setting(example.own(0, None, value="N"), now=example.at(0))
    assert not setting.latched
    assert not in_effect(setting, example.at(1))


def test_start_before_now_is_accepted(example):
    """A start before now is accepted and in effect at once."""
    assert in_effect(saving.new_setting(example.own(0, 8), now=example.at(3)), example.at(3))


@pytest.mark.parametrize(
    ("refusal", "now", "changes"),
    [
        (saving.AlreadyBegun, 3, {"start": 4}),
        (saving.AlreadyBegun, 3, {"start": 2.5}),
        (saving.EndPassed, 3, {"end": 2.5}),
        (saving.EndNotAfterStart, 3, {"end": 2}),
        (saving.EndNotAfterStart, 1, {"end": 1.5}),
        (saving.AlreadyOver, 9, {"end": 12}),
        (saving.AlreadyOver, 8, {"end": 12}),
    ],
)
def test_refused_change(example, refusal, now, changes):
    """What has begun keeps its start, what is over keeps everything, an end is after the start and not before now."""
    setting = saving.new_setting(example.own(2, 8), now=example.at(0))
    changes = {name: example.at(hours) for name, hours in changes.items()}
    with pytest.raises(refusal):
        save(setting, example.at(now), **changes)


def test_end_now_and_cancel(example):
    """An end of now ends at once; before the start only cancelling does, and a cancelled one is over."""
    setting = saving.new_setting(example.own(2, 8), now=example.at(0))
    assert not in_effect(saving.ended_setting(setting, now=example.at(3)), example.at(3))
    with pytest.raises(saving.NotBegun, match="slacktide downtime cancel 2"):
        saving.ended_setting(setting, now=example.at(1))
    with pytest.raises(saving.AlreadyBegun, match="slacktide downtime end 2"):
        saving.cancelled_setting(setting, now=example.at(2))
    cancelled = saving.cancelled_setting(setting, now=example.at(1))
    assert cancelled.period is None
    with pytest.raises(saving.AlreadyOver):
        saving.cancelled_setting(cancelled, now=example.at(1))


def test_deleting(example):
    """A latched setting, or one that has begun, cannot be deleted; another one can."""
    bounded = saving.new_setting(example.own(2, 8), now=example.at(0))
    saving.check_deletable(bounded, now=example.at(1))
    for setting, now in ((bounded, 2), (saving.new_setting(example.own(2, None), now=example.at(0)), 1)):
        with pytest.raises(saving.NotDeletable):
            saving.check_deletable(setting, now=example.at(now))


def test_overlap(example):
    """Overlapping settings are refused with both named, but for downtimes; touching ones are no overlap."""
    first = example.setting("disable_user_access", "N", 0, 4, id="7")
    saving.new_setting(example.setting("disable_user_access", "Y", 4, 8, id=""), now=example.at(0), others=[first])
    with pytest.raises(saving.Overlap, match=r"disable_user_access = 'Y' .* overlaps 7"):
        saving.new_setting(example.setting("disable_user_access", "Y", 3, 8, id=""), now=example.at(0), others=[first])
    saving.new_setting(example.own(1, 3), now=example.at(0), others=[example.own(0, 8)])


def test_level_and_name(example):
    """A level that the parameter does not allow is refused, and so is a parameter that is not there."""
    with pytest.raises(LevelNotAllowed, match="at the level organization: give it at the level site"):
        saving.new_setting(
            example.setting("hold_recheck_interval", "PT1M", 0, 1, organization="HOTEL"), now=example.at(0)
        )
    with pytest.raises(UnknownParameter):
        saving.new_setting(example.setting("no_such", "1", 0, 1), now=example.at(0))


@pytest.mark.parametrize("parameter", PARAMETERS.values(), ids=PARAMETERS)
def test_default(parameter):
    """Every default is a value of its parameter, and the site level is allowed or the organization's alone."""
    assert parameter.canonical(parameter.default) == parameter.default
    assert Level.SITE in parameter.levels or parameter.levels == (Level.ORGANIZATION,)


@pytest.mark.parametrize(
    ("parameter", "good", "bad"),
    [
        ("site_scheduled_downtime", ["Y", "N"], ["y", "", "yes"]),
        ("email_notification_security", ["low", "high"], ["none"]),
        ("email_link_downtime_scope", ["any", "own"], ["all"]),
        ("hold_recheck_interval", ["PT10S", "PT1H"], ["PT9S", "PT1H1S", "5 minutes", "-PT30S"]),
        ("hold_release_rate", ["1", "10000", "none"], ["0", "10001", "-1", "1.5"]),
        ("task_lease_limit", ["1", "100"], ["0", "101", "none"]),
        ("task_lease_idle_limit", ["PT1M", "P1D"], ["PT0S", "-PT5M", "1"]),
        ("downtime_notice_lead_times", ["PT5M", "P1D,PT1H"], ["soon", "PT0S"]),
    ],
)
def test_bounds(parameter, good, bad):
    """A value of the right type and within its bounds is accepted, any other refused with what is expected."""
    for value in good:
        assert PARAMETERS[parameter].canonical(value)
    for value in bad:
        with pytest.raises(BadValue, match="give "):
            PARAMETERS[parameter].canonical(value)
