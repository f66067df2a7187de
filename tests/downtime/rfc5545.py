"""RFC 5545's own reading of a rule, day by day, slow and without any library: what the product is held against."""

from __future__ import annotations

import calendar
from datetime import date, datetime, time, timedelta

WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


def readings(parts, first, *, until):
    """Give the starts of a rule up to a reading; `parts` holds its parts as text."""
    found, count = [], int(parts.get("COUNT", 10**9))
    for days in _intervals(parts, first, until):
        times = [datetime.combine(day, at) for day in days if _names(parts, day, first) for at in _times(parts, first)]
        if "BYSETPOS" in parts:
            places = [int(item) for item in parts["BYSETPOS"].split(",")]
            chosen = {p - 1 if p > 0 else len(times) + p for p in places}
            times = [each for at, each in enumerate(times) if at in chosen]
        found += [each for each in times if first <= each <= until]
    return found[:count]


def _intervals(parts, first, until):
    """Give the days of each interval that the rule takes, from the one that holds the start."""
    step = int(parts.get("INTERVAL", 1))
    day = _begin(parts, first.date())
    number = 0
    while day <= until.date():
        following = _next(parts, day)
        if number % step == 0:
            yield [day + timedelta(n) for n in range((following - day).days)]
        day, number = following, number + 1


def _begin(parts, day):
    if parts["FREQ"] == "DAILY":
        return day
    if parts["FREQ"] == "WEEKLY":
        return day - timedelta((day.weekday() - WEEKDAYS.index(parts.get("WKST", "MO"))) % 7)
    return day.replace(day=1) if parts["FREQ"] == "MONTHLY" else day.replace(month=1, day=1)


def _next(parts, day):
    if parts["FREQ"] in ("DAILY", "WEEKLY"):
        return day + timedelta(1 if parts["FREQ"] == "DAILY" else 7)
    if parts["FREQ"] == "MONTHLY":
        return (day.replace(day=28) + timedelta(4)).replace(day=1)
    return day.replace(year=day.year + 1)


def _names(parts, day, first):
    """Tell whether the rule names a day; what it leaves open is the start's."""
    by = {name[2:]: value.split(",") for name, value in parts.items() if name.startswith("BY")}
    if not {"WEEKNO", "YEARDAY", "MONTHDAY", "DAY"} & by.keys():
        by |= _left_open(parts["FREQ"], by, first)
    days = 366 if calendar.isleap(day.year) else 365
    month_days = calendar.monthrange(day.year, day.month)[1]
    yearday = day.timetuple().tm_yday
    tests = {
        "MONTH": lambda n: day.month == n,
        "MONTHDAY": lambda n: day.day == (n if n > 0 else month_days + 1 + n),
        "YEARDAY": lambda n: yearday == (n if n > 0 else days + 1 + n),
        "WEEKNO": lambda n: day in _week(n, day.year, WEEKDAYS.index(parts.get("WKST", "MO"))),
    }
    if "WEEKNO" in by and "DAY" not in by:
        by["DAY"] = [WEEKDAYS[first.weekday()]]
    named = all(any(test(int(n)) for n in by[name]) for name, test in tests.items() if name in by)
    within = (day.day, month_days) if parts["FREQ"] == "MONTHLY" or "MONTH" in by else (yearday, days)
    return named and ("DAY" not in by or any(_weekday(item, day, *within) for item in by["DAY"]))


def _left_open(frequency, by, first):
    if frequency == "WEEKLY":
        return {"DAY": [WEEKDAYS[first.weekday()]]}
    if frequency == "MONTHLY":
        return {"MONTHDAY": [str(first.day)]}
    if frequency == "YEARLY":
        return {"MONTHDAY": [str(first.day)]} | ({} if "MONTH" in by else {"MONTH": [str(first.month)]})
    return {}


def _weekday(item, day, at, of):
    """Tell whether a day, the `at`-th `of` its month or year, is a weekday, or such a one of those."""
    if day.weekday() != WEEKDAYS.index(item[-2:]):
        return False
    ordinal = int(item[:-2] or 0)
    return ordinal in (0, (at - 1) // 7 + 1, -((of - at) // 7 + 1))


def _week(number, year, begins):
    """Give the days of a numbered week: the first one has at least four days in the year."""

    def first_of(year):
        fourth = date(year, 1, 4)
        return fourth - timedelta((fourth.weekday() - begins) % 7)

    weeks = (first_of(year + 1) - first_of(year)).days // 7
    start = first_of(year) + timedelta(7 * ((number if number > 0 else weeks + 1 + number) - 1))
    return [start + timedelta(n) for n in range(7)] if abs(number) <= weeks else []


def _times(parts, first):
    def part(name, default):
        return sorted(int(item) for item in parts[name].split(",")) if name in parts else [default]

    return [
        time(hour, minute, second)
        for hour in part("BYHOUR", first.hour)
        for minute in part("BYMINUTE", first.minute)
        for second in part("BYSECOND", first.second)
    ]
