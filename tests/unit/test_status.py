"""One word for a website, and never a wrong one."""

from monitor.domain.status import Status, website_status
from monitor.domain.verdict import RegionState, Verdict

UP = RegionState(slot_s=1, verdict=Verdict.UP)
DOWN = RegionState(slot_s=1, verdict=Verdict.DOWN)
SUSPECT = RegionState(slot_s=1, verdict=Verdict.UNKNOWN, failures=1)


def _status(states=(), fresh=None, *, paused=False, incident_open=False):
    return website_status(
        paused=paused,
        incident_open=incident_open,
        states=states,
        fresh=states if fresh is None else fresh,
    )


def test_paused_is_paused_whatever_was_measured():
    assert _status([UP], paused=True) is Status.PAUSED


def test_before_any_verdict_it_is_pending():
    assert _status() is Status.PENDING
    assert _status([SUSPECT], []) is Status.PENDING


def test_not_measured_is_neither_up_nor_down():
    assert _status([UP], []) is Status.UNKNOWN
    assert _status([DOWN], [], incident_open=True) is Status.UNKNOWN


def test_an_open_incident_is_down():
    assert _status([UP], incident_open=True) is Status.DOWN


def test_a_quorum_that_is_not_recorded_yet_is_never_shown_as_up():
    assert _status([DOWN]) is Status.DOWN
    assert _status([DOWN, UP]) is Status.UP
