"""What checks of one slot share of the DNS, and for how long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.probes.net import shared_answers
from monitor.probes.net.shared_answers import MAX_AGE_S, SharedAnswers

SLOT, OTHER_SLOT = 1_000, 1_030


@pytest.mark.parametrize(
    ("ttl_s", "lasts_s"), [(3600, MAX_AGE_S), (10, 10), (3, 3), (0.5, 0.5), (0, 0)]
)
def test_an_answer_is_shared_for_ten_seconds_or_its_ttl(ttl_s, lasts_s):
    answers = SharedAnswers()
    answers.put(SLOT, "shop.test", "192.0.2.7", ttl_s, 100.0)

    if lasts_s:
        assert answers.get(SLOT, "shop.test", 100.0 + lasts_s - 0.01) == "192.0.2.7"
    assert answers.get(SLOT, "shop.test", 100.0 + lasts_s) is None


def test_another_slot_and_another_host_get_none():
    answers = SharedAnswers()
    answers.put(SLOT, "shop.test", "192.0.2.7", 60, 100.0)

    assert answers.get(OTHER_SLOT, "shop.test", 100.0) is None
    assert answers.get(SLOT, "www.shop.test", 100.0) is None


def test_a_later_answer_replaces_the_first():
    answers = SharedAnswers()
    answers.put(SLOT, "shop.test", "192.0.2.7", 60, 100.0)
    answers.put(SLOT, "shop.test", "192.0.2.8", 60, 109.0)

    assert answers.get(SLOT, "shop.test", 115.0) == "192.0.2.8"
    # and outlives what came before it
    answers.put(SLOT, "other.test", "192.0.2.9", 60, 112.0)
    assert answers.get(SLOT, "shop.test", 115.0) == "192.0.2.8"


def test_room_is_bounded_and_the_oldest_goes_first(monkeypatch):
    monkeypatch.setattr(shared_answers, "MAX_ANSWERS", 100)
    answers = SharedAnswers()
    for number in range(150):
        answers.put(SLOT, f"n{number}.test", "192.0.2.7", 60, 100.0)

    assert len(answers) == 100
    assert answers.get(SLOT, "n49.test", 100.0) is None
    assert answers.get(SLOT, "n50.test", 100.0) == "192.0.2.7"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.floats(0, 5)), max_size=60))
def test_nothing_older_than_ten_seconds_is_kept(puts):
    answers, now_s = SharedAnswers(), 0.0
    fresh = {}
    for slot, host, pause_s in puts:
        now_s += pause_s
        answers.put(slot, f"{host}.test", "192.0.2.7", 60, now_s)
        fresh[slot, host] = now_s

    assert len(answers) == sum(now_s - at_s < MAX_AGE_S for at_s in fresh.values())
