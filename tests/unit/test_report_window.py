"""Windows of reports: times and dates in every zone, and what is refused."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import BadQuery
from monitor.domain.windows import Window
from monitor.resources.report_window import WindowQuery, window

DAY = 86_400
NOW = int(dt.datetime(2028, 12, 1, 12, 30, 15, tzinfo=dt.UTC).timestamp())


def _window(since=None, until=None, tz=None, kept_days=1100, now_s=NOW):
    return window(WindowQuery(since, until, tz), now_s, kept_days)


def _refused(*query, **more):
    with pytest.raises(BadQuery) as refused:
        _window(*query, **more)
    return {p.field: p.message for p in refused.value.problems}


def _unix(text):
    return int(dt.datetime.fromisoformat(text).timestamp())


def test_by_default_it_is_the_last_thirty_days():
    assert _window() == Window(NOW - 30 * DAY, NOW)
    until = "2028-10-01T00:00:00Z"
    assert _window(until=until) == Window(_unix(until) - 30 * DAY, _unix(until))
    assert _window("2028-11-30T00:00:00Z") == Window(_unix("2028-11-30T00:00:00+00:00"), NOW)


def test_times_have_their_offset_and_lose_fractions():
    assert _window("2028-11-01T10:00:00.9+02:00", "2028-11-01T10:00:00.1Z", "Asia/Tokyo") == Window(
        _unix("2028-11-01T08:00:00+00:00"), _unix("2028-11-01T10:00:00+00:00")
    )


def test_it_ends_no_later_than_now():
    assert _window("2028-11-30", "2030-01-01").until_s == NOW
    assert _window(None, "2028-12-01T23:00:00Z") == Window(NOW - 30 * DAY, NOW)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2028-03-26", 23),
        ("Europe/Berlin", "2028-10-29", 25),
        ("America/New_York", "2028-03-12", 23),
        ("America/New_York", "2028-11-05", 25),
        ("Australia/Lord_Howe", "2028-10-01", 23.5),
        ("Australia/Lord_Howe", "2028-04-02", 24.5),
        # where clocks change at midnight
        ("America/Havana", "2028-11-05", 25),
        ("Asia/Beirut", "2028-03-26", 23),
        ("Europe/Berlin", "2028-02-29", 24),
        ("Asia/Kathmandu", "2028-02-29", 24),
        (None, "2028-02-29", 24),
    ],
)
def test_a_day_has_the_hours_of_its_zone(zone, day, hours):
    one = _window(day, day, zone)
    assert one.length_s == hours * 3600
    first = dt.datetime.fromtimestamp(one.since_s, ZoneInfo(zone or "UTC"))
    last = dt.datetime.fromtimestamp(one.until_s - 1, ZoneInfo(zone or "UTC"))
    assert first.date().isoformat() == last.date().isoformat() == day
    before = dt.datetime.fromtimestamp(one.since_s - 1, ZoneInfo(zone or "UTC"))
    assert before.date().isoformat() < day


zones = st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut"])


@given(st.dates(dt.date(2026, 1, 1), dt.date(2028, 11, 1)), st.integers(0, 27), zones)
def test_days_follow_each_other_without_a_second_between(first, days, zone):
    last = first + dt.timedelta(days=days)
    whole = _window(str(first), str(last), zone)
    each = [
        _window(str(first + dt.timedelta(days=n)), str(first + dt.timedelta(days=n)), zone)
        for n in range(days + 1)
    ]
    assert [w.since_s for w in each[1:]] == [w.until_s for w in each[:-1]]
    assert (each[0].since_s, each[-1].until_s) == (whole.since_s, whole.until_s)


FORM = "must be a time with its offset, like 2026-11-24T10:00:00Z, or a date, like 2026-11-24"
ZONE = "must be a time zone of the IANA database, like Europe/Berlin or UTC"


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "2028-11-31", "2027-02-29", "2028-11-01T10:00:00", "1790000000", "20281101",
        "2028-W44-1", "\uff12028-11-01", "0000-01-01", "9999-12-31", "2028-11-01T25:00:00Z",
        "2028-11-01T10:00:00+99:00", "2028-11-01\n", "9999-12-31T23:59:59-23:59",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused_by_its_name(text):
    assert _refused(text).get("from") in (FORM, "must be in the past")
    if not text.startswith("9999"):
        assert _refused(None, text) == {"to": FORM}


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "europe/berlin", "../../etc/passwd", "America", "/etc/localtime",
     "right/UTC", "Europe/Berlin\0", "+02:00"],
)  # fmt: skip
def test_a_zone_that_is_none_is_refused(zone):
    assert _refused(tz=zone) == {"tz": ZONE}


def test_all_that_is_wrong_is_named_at_once():
    assert _refused("x", "y", "z") == {"from": FORM, "to": FORM, "tz": ZONE}


def test_it_must_begin_before_it_ends_and_before_now():
    assert _refused("2028-11-02", "2028-11-01") == {"from": "must be before `to`"}
    at = "2028-11-02T00:00:00Z"
    assert _refused(at, at) == {"from": "must be before `to`"}
    assert _refused("2028-12-02") == {"from": "must be in the past"}


def test_it_must_be_kept():
    oldest = "2028-11-21T00:00:00Z"
    message = f"must be {oldest} or later: history is kept for 10 days"
    assert _window(oldest, kept_days=10).since_s == _unix(oldest)
    assert _refused("2028-11-20T23:59:59Z", kept_days=10) == {"from": message}
    assert _refused("0001-01-01", tz="Asia/Tokyo", kept_days=10)["from"] in (message, FORM)
    assert "to" in _refused(None, "2028-11-21", kept_days=10)
