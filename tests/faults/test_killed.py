"""Processes killed in the middle of their work, as by a power cut: SIGKILL to their groups."""

import json
import threading
import time

import httpx

from support.judge import Allowance
from support.system import eventually
from support.truth import scripted

_RETURN_S = 45
"""What a killed worker held goes to others when it was silent for 30 s, or some seconds later."""


def _in_the_middle_of_a_batch(system):
    """Until websites were just asked by somebody, and have yet to answer."""
    asked = len(system.sites.asked)
    eventually(lambda: len(system.sites.asked) > asked, within_s=60, every_s=0.02)


def test_both_hosts_of_a_region_die_in_the_middle_of_a_batch_and_come_back(faulty):
    with faulty(scripted(11, blind_s=_RETURN_S)) as system:
        system.sites.delay_s = 1.0
        system.at(12)
        _in_the_middle_of_a_batch(system)
        # when
        for name in ("europe-1", "europe-2"):
            system.processes.kill(name)
        system.at(17)
        for name in ("europe-1", "europe-2"):
            system.processes.start(name)
        # then what they held and what was due until they were missed is lost, for one interval
        found = system.compare(Allowance(late_s=_RETURN_S, lost_ticks=system.script.websites))
        assert found.lost_ticks > 0, "nobody was in the middle of anything"


def test_one_of_two_hosts_dies_for_good(faulty):
    with faulty(scripted(12, blind_s=_RETURN_S)) as system:
        system.sites.delay_s = 1.0
        system.at(12)
        _in_the_middle_of_a_batch(system)
        system.processes.kill("europe-1")
        # then its neighbour does all of the work
        system.compare(Allowance(late_s=_RETURN_S, lost_ticks=system.script.websites))


def test_both_central_workers_die_while_incidents_open(faulty):
    with faulty(scripted(13, blind_s=_RETURN_S)) as system:
        before = len(system.mailbox.mails)
        eventually(lambda: len(system.mailbox.mails) > before + 3, within_s=60, every_s=0.02)
        # when
        for name in ("central-1", "central-2"):
            system.processes.kill(name)
        time.sleep(3)
        for name in ("central-1", "central-2"):
            system.processes.start(name)
        # then the minute that they were about to give out may be late or, for an interval, lost;
        # and each may double the mails it was just sending, 16 at once
        allowed = Allowance(late_s=90, lost_ticks=2 * system.script.websites, doubled_mails=2 * 16)
        system.compare(allowed)


def test_schedulers_die(faulty):
    with faulty(scripted(14)) as system:
        # when both do, and come back
        system.at(8)
        for name in ("scheduler-1", "scheduler-2"):
            system.processes.kill(name)
        system.at(11)
        for name in ("scheduler-1", "scheduler-2"):
            system.processes.start(name)
        # and one of them for good
        system.at(40)
        system.processes.kill("scheduler-1")
        # then nothing is lost: what begins gives out the minute that it is
        system.compare(Allowance(late_s=15))


def test_the_api_dies_in_the_middle_of_requests(faulty):
    with faulty(scripted(15)) as system:
        system.at(5)
        lines = _Lines(3000, system.sites.url_of(3))
        with _in_background(lambda: system.api.post("/websites/bulk", **lines.request())) as bulk:
            assert lines.half_sent.wait(30)
            acknowledged = _add_until_the_api_dies(system)
            lines.go_on.set()
        assert isinstance(bulk["error"], httpx.TransportError)
        # when it is back
        system.processes.start("api")
        eventually(system.processes.is_ready, within_s=60)
        # then what it said it had added is there, and what it did not answer is there or is not
        for external_id in range(acknowledged + 1):
            again = system.api.post("/websites", json=_extra(system, external_id))
            assert again.status_code in ((409,) if external_id < acknowledged else (201, 409))
        # and the import goes on where it was
        done = system.api.post("/websites/bulk", **lines.request()).json()
        assert (done["state"], done["lines"], done["failed"]) == ("finished", 3000, 0)
        assert done["created"] == 3000
        total = system.postgres.rows("SELECT count(*) FROM websites")[0][0]
        assert total == system.script.websites + 3000 + acknowledged + 1
        # and nobody's checks felt it
        system.compare()


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
            answer = system.api.post("/websites", json=_extra(system, acknowledged))
            assert answer.status_code == 201, answer.text
            acknowledged += 1
            if acknowledged == after:
                killer.start()
    except httpx.TransportError:
        killer.join()
    return acknowledged
