"""A delivery holds its row for a minute: whatever a channel does, it is recorded by then."""

from monitor.services.notifications import deliver
from monitor.storage.postgres import pool


def test_sending_and_recording_take_less_than_the_lease():
    tries = len(deliver._RECORD_AGAIN_S) + 1
    recording_s = sum(deliver._RECORD_AGAIN_S) + tries * pool._WAIT_FOR_CONNECTION_S
    assert deliver.SEND_WITHIN_S + recording_s < deliver._LEASE.total_seconds()
