"""People: when sessions end, what a try to sign in counts for, who the last admin is."""

import datetime as dt
from uuid import uuid4

import pytest

from monitor.domain.people import (
    LIMIT_OF_ACCOUNT,
    LIMIT_OF_ADDRESS,
    LIMIT_OF_BROWSER,
    SessionLifetime,
    TryLimit,
    is_last_admin,
    limits_of_try,
)

BEGAN = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(("used_after_days", "ends_after_days"), [(0, 14), (3, 17), (80, 90)])
def test_a_session_ends_unused_or_after_its_whole_time(used_after_days, ends_after_days):
    used = BEGAN + dt.timedelta(days=used_after_days)
    ends = SessionLifetime.of_days(14, 90).ends_at(BEGAN, used)
    assert ends == BEGAN + dt.timedelta(days=ends_after_days)


def test_a_strangers_try_counts_for_the_account_and_the_address():
    assert limits_of_try("ada@example.com", "192.0.2.1", None) == [
        ("address 192.0.2.1", LIMIT_OF_ADDRESS),
        ("account ada@example.com", LIMIT_OF_ACCOUNT),
    ]


def test_a_remembered_browser_counts_for_itself_alone():
    limits = limits_of_try("ada@example.com", "192.0.2.1", "b")
    assert limits == [("browser b", LIMIT_OF_BROWSER)]


def test_tries_come_back_evenly():
    assert TryLimit(10, dt.timedelta(minutes=15)).interval == dt.timedelta(seconds=90)


def test_only_the_only_active_admin_is_the_last_one():
    ada, ben = uuid4(), uuid4()
    assert is_last_admin(ada, frozenset({ada}))
    assert not is_last_admin(ada, frozenset({ada, ben}))
    assert not is_last_admin(ada, frozenset({ben}))
    assert not is_last_admin(ada, frozenset())
