"""A website is down while more than half of its fresh regions hold it down."""

import pytest

from monitor.domain.incident import opening, quorum_down
from support.factories import down_verdict


@pytest.mark.parametrize(
    ("fresh", "down", "expected"),
    [
        ("", "", None),
        ("", "a", None),  # down long ago, and not measured since
        ("a", "a", True),
        ("a", "", False),
        ("ab", "a", False),  # half is not more than half
        ("ab", "ab", True),
        ("abc", "ab", True),
        ("abc", "a", False),
        ("bc", "a", False),  # a stale region has no vote
        ("ab", "acd", False),
    ],
)
def test_quorum(fresh, down, expected):
    assert quorum_down(set(fresh), set(down)) is expected


def test_an_incident_starts_when_its_quorum_is_complete():
    # given three regions that failed one after the other
    verdicts = [down_verdict("a", 100), down_verdict("b", 200), down_verdict("c", 300)]
    # when
    made = opening({"a", "b", "c"}, verdicts)
    # then two of three were the quorum
    assert made.started_at_s == 200
    assert made.regions == ("a", "b", "c")
    assert made.cause.region == "a"


def test_a_single_region_starts_it_at_its_first_failure():
    assert opening({"a"}, [down_verdict("a", 100)]).started_at_s == 100


def test_without_quorum_there_is_no_incident():
    assert opening({"a", "b"}, [down_verdict("a")]) is None
    assert opening(set(), [down_verdict("a")]) is None


def test_stale_regions_neither_count_nor_are_named():
    made = opening({"a"}, [down_verdict("a", 100), down_verdict("b", 50)])
    assert made.regions == ("a",)
    assert made.started_at_s == 100
