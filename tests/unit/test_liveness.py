"""Which workers have stalled."""

import math

import pytest

from monitor.queue.liveness import STALLED_AFTER_S, Liveness

_A, _B = b"worker-a", b"worker-b"
_READ_EVERY_S = 2
_TURNS = math.ceil(STALLED_AFTER_S / _READ_EVERY_S)


class Watch:
    """Somebody who reads the heartbeats every two seconds."""

    def __init__(self):
        self.steady_s = 100.0
        self._liveness = Liveness(lambda: self.steady_s)

    def read(self, **beats):
        """All heartbeats: worker_a=1.0, ..."""
        return set(
            self._liveness.stalled({n.replace("_", "-").encode(): b for n, b in beats.items()})
        )

    def wait(self):
        self.steady_s += _READ_EVERY_S


def test_a_worker_without_a_new_heartbeat_for_long_has_stalled():
    # given two workers, of which one says nothing more
    watch = Watch()
    for n in range(_TURNS):
        assert watch.read(worker_a=5.0, worker_b=float(n)) == set()
        watch.wait()
    # then
    assert watch.read(worker_a=5.0, worker_b=100.0) == {_A}
    # and not any more once it is heard
    watch.wait()
    assert watch.read(worker_a=6.0, worker_b=101.0) == set()


@pytest.mark.parametrize("step_s", [3600.0, -3600.0, 1e9])
def test_the_time_within_a_heartbeat_does_not_matter(step_s):
    # given
    watch = Watch()
    now_s = 1_800_000_000.0
    watch.read(worker_a=now_s, worker_b=now_s)
    # when the time is stepped, and one hears of it long before the other
    for n in range(30):
        watch.wait()
        now_s += _READ_EVERY_S
        beats = {"worker_a": now_s + step_s, "worker_b": now_s + (step_s if n > 20 else 0)}
        # then
        assert watch.read(**beats) == set()
    # and who dies then is missed as ever
    died_with_s = now_s + step_s
    for _ in range(_TURNS):
        watch.wait()
        now_s += _READ_EVERY_S
        found = watch.read(worker_a=died_with_s, worker_b=now_s)
    assert found == {_A}


def test_a_new_process_waits_before_it_takes_another_for_stalled():
    watch = Watch()
    assert watch.read(worker_a=1.0) == set()


def test_a_process_that_was_suspended_itself_begins_anew():
    # given somebody who has seen a worker be silent for a while
    watch = Watch()
    for _ in range(10):
        watch.read(worker_a=1.0)
        watch.wait()
    # when it reads nothing for long, as all others may have stood still
    watch.steady_s += STALLED_AFTER_S
    # then
    assert watch.read(worker_a=1.0) == set()
