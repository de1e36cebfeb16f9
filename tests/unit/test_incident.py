"""A website is down while more than half of its fresh regions hold it down."""

import pytest

from monitor.domain.incident import DownVerdict, opening, quorum_down
from monitor.domain.outcome import Reason


def _down(region, at_s=100):
    return DownVerdict(region, at_s, Reason.HTTP_STATUS, 503)


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
    verdicts = [_down("a", 100), _down("b", 200), _down("c", 300)]
    # when
    made = opening({"a", "b", "c"}, verdicts)
    # then two of three were the quorum
    assert made.started_at_s == 200
    assert made.regions == ("a", "b", "c")
    assert made.cause.region == "a"


def test_a_single_region_starts_it_at_its_first_failure():
    assert opening({"a"}, [_down("a", 100)]).started_at_s == 100


def test_without_quorum_there_is_no_incident():
    assert opening({"a", "b"}, [_down("a")]) is None
    assert opening(set(), [_down("a")]) is None


def test_stale_regions_neither_count_nor_are_named():
    made = opening({"a"}, [_down("a", 100), _down("b", 50)])
    assert made.regions == ("a",)
    assert made.started_at_s == 100
