"""When a worker looks for what dead ones hold."""

import pytest

from monitor.dead_workers import HEARTBEAT_TIMEOUT_MS, LOOK_EVERY_S, LookForDead

_TIMEOUT_S = HEARTBEAT_TIMEOUT_MS / 1000


class Times:
    """A steady clock, and one that may be stepped; both in seconds."""

    def __init__(self):
        self.steady_s, self.ahead_s = 100.0, 1_700_000_000.0
        self._look = LookForDead(lambda: self.steady_s)

    def is_due(self, queue="checks.europe"):
        return self._look.is_due(queue, int((self.steady_s + self.ahead_s) * 1000))


def test_each_queue_is_looked_at_so_often_and_no_more():
    times = Times()
    assert times.is_due("checks.europe")
    assert times.is_due("checks.europe.DQ")
    times.steady_s += LOOK_EVERY_S / 2
    assert not times.is_due("checks.europe")
    times.steady_s += LOOK_EVERY_S / 2
    assert times.is_due("checks.europe")
    assert times.is_due("checks.europe.DQ")


@pytest.mark.parametrize("step_s", [3600, -3600, 6])
def test_after_a_step_all_have_time_to_be_heard(step_s):
    # given
    times = Times()
    times.is_due()
    # when
    times.steady_s += 10
    times.ahead_s += step_s
    # then
    for _ in range(int(_TIMEOUT_S)):
        assert not times.is_due()
        times.steady_s += 1
    assert times.is_due()
    assert times.is_due("incidents")


def test_a_clock_that_is_a_little_off_is_not_stepped():
    times = Times()
    for _ in range(100):  # as it is put right bit by bit
        times.steady_s += LOOK_EVERY_S
        times.ahead_s += 0.5
        assert times.is_due()
