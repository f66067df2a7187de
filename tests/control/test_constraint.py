"""The rules that the control database holds by itself, whoever writes to it."""

from __future__ import annotations

import psycopg
import pytest

ADD = """
    insert into slacktide.setting (parameter, level, organization, value, starts_at, ends_at, created_by)
    values (%s, %s, %s, %s, clock_timestamp() + %s::interval, clock_timestamp() + %s::interval, 'sql') returning id
"""


def add(control, parameter, level, organization, value, start, end):
    return control.execute(ADD, [parameter, level, organization, value, start, end]).fetchone()[0]


def down(control, start="-1 hour", end="1 hour"):
    return add(control, "organization_scheduled_downtime", "organization", "HOTEL", "Y", start, end)


@pytest.mark.parametrize(
    "row",
    [
        ("hold_recheck_interval", "organization", "HOTEL", "PT1M", "0", "1 hour"),
        ("site_scheduled_downtime", "organization", "HOTEL", "Y", "0", "1 hour"),
        ("organization_scheduled_downtime", "site", None, "Y", "0", "1 hour"),
        ("organization_scheduled_downtime", "organization", None, "Y", "0", "1 hour"),
        ("organization_scheduled_downtime", "organization", "NOWHERE", "Y", "0", "1 hour"),
        ("organization_scheduled_downtime", "organization", "HOTEL", "y", "0", "1 hour"),
        ("organization_scheduled_downtime", "organization", "HOTEL", "Y", "2 hours", "1 hour"),
        ("organization_scheduled_downtime", "organization", "HOTEL", "Y", "-2 hours", "-1 hour"),
        ("no_such_parameter", "site", None, "Y", "0", "1 hour"),
    ],
)
def test_refused_row(control, row):
    """A level that is not allowed, an unknown organization, a bad value or a bad end is refused by the database."""
    with pytest.raises(psycopg.errors.IntegrityError):
        add(control, *row)


def test_overlap(control):
    """Settings of the same parameter, level and level value may overlap only for the downtime parameters."""
    facts = ("disable_user_access", "organization", "HOTEL", "N")
    add(control, *facts, "0", "2 hours")
    add(control, *facts, "2 hours 1 second", "3 hours")
    add(control, "disable_user_access", "organization", "OTHER", "N", "0", "2 hours")
    with pytest.raises(psycopg.errors.ExclusionViolation):
        add(control, *facts, "1 hour", None)
    assert down(control) != down(control)


@pytest.mark.parametrize(
    "change",
    [
        "starts_at = starts_at + interval '1 second'",
        "organization = 'OTHER'",
        "ends_at = clock_timestamp() - interval '1 minute'",
        "ends_at = starts_at",
        "created_by = 'somebody else'",
    ],
)
def test_begun_keeps_its_start(control, change):
    """What has begun keeps its start, level and origin, and its end cannot lie in the past."""
    key = down(control)
    with pytest.raises(psycopg.errors.IntegrityError):
        control.execute(f"update slacktide.setting set {change} where id = %s", [key])
    with pytest.raises(psycopg.errors.RestrictViolation):
        control.execute("delete from slacktide.setting where id = %s", [key])


def test_over_keeps_everything(control):
    """What is over, or was cancelled, cannot be changed in any way."""
    ended, cancelled = down(control), down(control, "1 hour", "2 hours")
    control.execute("update slacktide.setting set ends_at = clock_timestamp() where id = %s", [ended])
    control.execute("update slacktide.setting set ends_at = starts_at where id = %s", [cancelled])
    for key in (ended, cancelled):
        with pytest.raises(psycopg.errors.RestrictViolation):
            control.execute("update slacktide.setting set ends_at = null where id = %s", [key])


def test_latched_is_never_unset(control):
    """A downtime without an end is latched by the database, and nobody can unset that."""
    key = down(control, "1 hour", None)
    control.execute("update slacktide.setting set value = 'N' where id = %s", [key])
    assert control.execute("select latched from slacktide.setting where id = %s", [key]).fetchone() == (True,)
    with pytest.raises(psycopg.errors.RestrictViolation):
        control.execute("update slacktide.setting set latched = false where id = %s", [key])
    with pytest.raises(psycopg.errors.RestrictViolation):
        control.execute("delete from slacktide.setting where id = %s", [key])


def test_organization_with_settings_stays(control):
    """An organization that has settings cannot be deleted."""
    down(control)
    with pytest.raises(psycopg.errors.IntegrityError):
        control.execute("delete from slacktide.organization where code = 'HOTEL'")


@pytest.mark.parametrize(
    "statement",
    [
        "update slacktide.audit set who = 'nobody'",
        "delete from slacktide.audit",
        "truncate slacktide.audit",
        "truncate slacktide.setting cascade",
        "set session_replication_role = replica; delete from slacktide.audit",
    ],
)
def test_audit_only_grows(control, statement):
    """The audit trail is neither changed nor removed, by TRUNCATE and in the replica role neither."""
    count = control.execute("select count(*) from slacktide.audit").fetchone()
    with pytest.raises(psycopg.errors.RestrictViolation):
        control.execute(statement)
    assert control.execute("select count(*) from slacktide.audit").fetchone() == count > (0,)


SERIES = """
    insert into slacktide.setting (parameter, level, organization, value, starts_at, created_by, rrule, length)
    values ('organization_scheduled_downtime', 'organization', 'HOTEL', 'Y', clock_timestamp() - interval '1 hour',
        'sql', 'FREQ=DAILY', '1 hour') returning id
"""


def series(control):
    return control.execute(SERIES).fetchone()[0]


def test_a_series_is_not_latched(control):
    """A recurring downtime has no end and is not latched; it cannot be made so."""
    key = series(control)
    assert control.execute("select latched from slacktide.setting where id = %s", [key]).fetchone() == (False,)
    with pytest.raises(psycopg.errors.CheckViolation):
        control.execute("update slacktide.setting set latched = true where id = %s", [key])


@pytest.mark.parametrize(
    "change",
    [
        "rrule = 'FREQ=WEEKLY'",
        "length = interval '2 hours'",
        "rrule = null, length = null",
        "length = null",
        "zone = 'Europe/Berlin'",
        "starts_at = starts_at - interval '1 second'",
    ],
)
def test_a_series_that_began_keeps_its_rule(control, change):
    """Rule, length, start and zone of a recurring downtime that has begun cannot be changed."""
    key = series(control)
    with pytest.raises(psycopg.errors.IntegrityError):
        control.execute(f"update slacktide.setting set {change} where id = %s", [key])


def test_an_occurrence_that_is_over_stays(control):
    """What an occurrence that is over was cannot be rewritten; others can be added."""
    key = series(control)
    put = "update slacktide.setting set overrides = %s::jsonb where id = %s"
    over = '{"occurrence": "2020-01-01T00:00:00", "start": "2020-01-01T00:00:00Z", "end": "2020-01-01T01:00:00Z"}'
    control.execute(put, [f"[{over}]", key])
    control.execute(put, [f'[{over}, {{"occurrence": "2099-01-01T00:00:00"}}]', key])
    with pytest.raises(psycopg.errors.RestrictViolation):
        control.execute(put, ['[{"occurrence": "2099-01-01T00:00:00"}]', key])


@pytest.mark.parametrize(
    "change",
    ["delete from slacktide.setting", "update slacktide.setting set starts_at = starts_at + interval '1 second'"],
)
def test_a_moved_occurrence_begins_the_series(control, change):
    """A series of which an occurrence was moved to before its start has begun with that."""
    key = control.execute(SERIES.replace("- interval '1 hour'", "+ interval '1 day'")).fetchone()[0]
    began = '[{"occurrence": "2099-01-01T00:00:00", "start": "2020-01-01T00:00:00Z", "end": "2099-01-01T01:00:00Z"}]'
    control.execute("update slacktide.setting set overrides = %s::jsonb where id = %s", [began, key])
    with pytest.raises(psycopg.errors.RestrictViolation, match="has begun"):
        control.execute(f"{change} where id = %s", [key])


def test_other_parameters_do_not_recur(control):
    """Only a downtime recurs."""
    with pytest.raises(psycopg.errors.CheckViolation):
        control.execute(SERIES.replace("organization_scheduled_downtime", "disable_user_access"))
