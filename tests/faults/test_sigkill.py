"""Processes killed in the middle of their work, as by a power cut: SIGKILL to their groups."""

import json
import threading
import time

import httpx

from monitor.services.notifications.outbox import MAX_CONCURRENT_DELIVERIES
from support.judge import Allowance
from support.system import PATIENCE_S, eventually
from support.truth import scripted

_RETURN_S = 45
"""What a killed worker held goes to others once it was silent for 25 s, or some seconds later."""


def _in_the_middle_of_a_batch(system):
    """Until websites were just asked by somebody, and have yet to answer."""
    asked = len(system.sites.asked)
    eventually(lambda: len(system.sites.asked) > asked, within_s=60, every_s=0.02)


def test_hosts_of_a_region_die_in_the_middle_of_a_batch_and_one_comes_back(faulty):
    with faulty(scripted(11, blind_s=_RETURN_S), with_a_minute=True) as system:
        system.sites.delay_s = 1.0
        system.at(12)
        _in_the_middle_of_a_batch(system)
        # when
        for name in ("europe-1", "europe-2"):
            system.processes.kill(name)
        system.at(17)
        system.processes.start("europe-1")
        # then it does all of the work; what they held, and what was due until that came back or
        # they were missed, is lost for one interval at most; and what failed late, a third of the
        # websites at most, may be looked at once more: a quarter of a minute after that
        websites = system.script.websites
        found = system.compare(
            Allowance(late_s=_RETURN_S, lost_ticks=websites, extra_ticks=websites // 3)
        )
        print(found.numbers)  # noqa: T201 - what the fault did cost
        assert found.lost_ticks + found.extra_ticks > 0, "nobody was in the middle of anything"


def test_both_central_workers_die_at_the_same_moment_while_incidents_open(faulty):
    with faulty(scripted(15, blind_s=_RETURN_S), with_a_minute=True) as system:
        before = len(system.mailbox.mails)
        eventually(lambda: len(system.mailbox.mails) > before + 3, within_s=60, every_s=0.02)
        # when
        for name in ("central-1", "central-2"):
            system.processes.kill(name)
        system.at(time.time() + 5 - system.sites.begin_s)
        for name in ("central-1", "central-2"):
            system.processes.start(name)
        # then checks went on, what the two held is told late, and only mails that were just being
        # sent may come twice
        allowed = Allowance(late_s=_RETURN_S, doubled_mails=2 * MAX_CONCURRENT_DELIVERIES)
        print(system.compare(allowed).numbers)  # noqa: T201 - what the fault did cost


def test_the_schedulers_die_over_the_turn_of_a_minute_and_the_api_in_the_middle_of_requests(faulty):
    with faulty(scripted(14)) as system:
        # when nobody is there to give a minute out as it begins
        minute_s = (time.time() + 5) // 60 * 60 + 60
        system.at(minute_s - 3 - system.sites.begin_s)
        for name in ("scheduler-1", "scheduler-2"):
            system.processes.kill(name)
        system.at(minute_s + 1 - system.sites.begin_s)
        system.processes.start("scheduler-2")
        # and the API dies under an import and under single requests
        lines = _Lines(3000, system.sites.url_of(3))
        with _in_background(lambda: system.api.post("/websites/bulk", **lines.request())) as bulk:
            assert lines.half_sent.wait(30)
            acknowledged = _add_until_the_api_dies(system)
            lines.go_on.set()
        assert isinstance(bulk["error"], httpx.TransportError)
        system.processes.start("api")
        eventually(system.processes.is_ready, within_s=60)
        # then what it said it had added is there, and what it did not answer is there or is not
        for number in range(acknowledged + 1):
            body = _extra(system, number)
            again = system.api.post("/websites", json=body, timeout=PATIENCE_S)
            assert again.status_code in ((409,) if number < acknowledged else (201, 409))
        # and the import goes on where it was
        done = system.api.post("/websites/bulk", **lines.request()).json()
        assert (done["state"], done["lines"], done["failed"]) == ("finished", 3000, 0)
        assert done["created"] == 3000
        total = system.postgres.rows("SELECT count(*) FROM websites")[0][0]
        assert total == system.script.websites + 3000 + acknowledged + 1
        # and no check or mail is lost: a scheduler that begins gives out the minute that it is
        system.compare(Allowance(late_s=15))


class _Lines:
    """An import that waits in its middle, the first time, until it is told to go on."""

    def __init__(self, count, url):
        self._count, self._url = count, url
        self.half_sent, self.go_on = threading.Event(), threading.Event()

    def request(self):
        return {
            "content": self._chunks(),
            "headers": {"Idempotency-Key": "walk", "Content-Type": "application/x-ndjson"},
            "timeout": 60,
        }

    def _chunks(self):
        for number in range(self._count):
            line = {"url": self._url, "external_id": f"bulk-{number}", "check_frequency": 86_400}
            yield json.dumps(line).encode() + b"\n"
            if number == self._count // 2:
                self.half_sent.set()
                self.go_on.wait(30)


class _in_background:  # noqa: N801 - used like a function
    """Runs a function beside a block; what it raised is found under ``error`` afterwards."""

    def __init__(self, work):
        self._found = {"error": None}
        self._thread = threading.Thread(target=self._run, args=(work,))

    def _run(self, work):
        try:
            work()
        except httpx.TransportError as error:
            self._found["error"] = error

    def __enter__(self):
        self._thread.start()
        return self._found

    def __exit__(self, *_):
        self._thread.join(60)


def _extra(system, number):
    return {
        "url": system.sites.url_of(3),
        "external_id": f"single-{number}",
        "check_frequency": 86_400,
    }


def _add_until_the_api_dies(system, after=20):
    """Add one website after the other, and kill the API under way; how many were acknowledged."""
    killer = threading.Timer(0.0, system.processes.kill, ["api"])
    acknowledged = 0
    try:
        while True:
            body = _extra(system, acknowledged)
            answer = system.api.post("/websites", json=body, timeout=PATIENCE_S)
            assert answer.status_code == 201, answer.text
            acknowledged += 1
            if acknowledged == after:
                killer.start()
    except httpx.TransportError:
        killer.join()
    return acknowledged
