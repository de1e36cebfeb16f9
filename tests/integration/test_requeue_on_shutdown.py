"""A message that is requeued at shutdown has not failed."""

import threading
from contextlib import closing

import dramatiq
import pytest

from monitor.queue.broker import Broker
from monitor.queue.retries import FailureRetries, Requeue
from support.products import until

QUEUE = "checks.europe"
MAX_RETRIES = 3


@pytest.fixture
def played(redis_url, client):
    """Runs a message whose first tries end with these; says whether it was done in the end."""

    def play(*errors):
        left, done = list(errors), threading.Event()
        broker = Broker(redis_url, [FailureRetries()])

        @dramatiq.actor(
            broker=broker, queue_name=QUEUE, max_retries=MAX_RETRIES, min_backoff=1, max_backoff=1
        )
        def act():
            if left:
                raise left.pop(0)
            done.set()

        worker = dramatiq.Worker(broker, worker_timeout=100, worker_threads=1)
        with closing(broker.client):
            act.send()
            worker.start()
            until(lambda: done.is_set() or client.zcard(f"dramatiq:{QUEUE}.XQ"))
            worker.stop()
        return done.is_set()

    return play


def test_requeued_messages_are_processed_however_often_they_were(played):
    assert played(*[Requeue("", delay=1)] * (3 * MAX_RETRIES))


def test_failures_between_are_still_counted(played):
    back, failed = Requeue("", delay=1), RuntimeError("no")
    assert played(failed, back, failed, back, failed)
    assert not played(failed, back, failed, back, failed, back, failed)
