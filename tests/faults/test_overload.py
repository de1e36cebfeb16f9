"""A region that can do half of what it has to: slots are left out and counted, and nobody lies."""

import threading
import time

import httpx

from support.judge import Allowance
from support.metrics import read, value
from support.truth import INTERVAL_S, SPAN_S, Outage, Script

_WEBSITES = 300
_DEMAND_PER_S = _WEBSITES / INTERVAL_S
_SLOTS, _HOSTS = 5, 2
_DELAY_S = 2 * _SLOTS * _HOSTS / _DEMAND_PER_S
_BEGIN_S, _END_S = 5, 80
_GOES_DOWN_S = 60
_LEFT_OUT = (_END_S - _BEGIN_S - INTERVAL_S) * _DEMAND_PER_S / 2
"""Checks: what comes in the last interval can still be made when all is over; of what came before,
half is too much."""
_PATIENCE_S = 3.0
"""For the slowest answer of a hundred, on two cores that run five more systems: what it takes on a
machine that is not busy otherwise is in docs/operations.md."""


class Asking:
    """Asks the API what people ask it, again and again, and notes how long each answer took."""

    def __init__(self, system):
        self.took_s = []
        self._system = system
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join(30)

    def _ask(self):
        api = self._system.api
        with httpx.Client(base_url=api.base_url, headers=api.headers, timeout=10) as client:
            number = 0
            while not self._over.wait(0.05):
                website = self._system.ids[number % _WEBSITES]
                paths = f"/websites/{website}", f"/monitor/{website}", "/monitor?limit=50"
                began = time.perf_counter()
                assert client.get(paths[number % len(paths)]).status_code == 200
                self.took_s.append(time.perf_counter() - began)
                number += 1

    def slowest_of_a_hundred_s(self):
        return sorted(self.took_s)[int(len(self.took_s) * 0.99)]


def _asked(system, from_s, until_s):
    """The websites that were asked in so many seconds of the script, once for each time."""
    begin_s = system.sites.begin_s
    return [w for at_s, w in system.sites.asked if from_s <= at_s - begin_s < until_s]


def _left_out(system):
    """(batches dropped, checks not measured) so far, as the operator is told."""
    metrics = read(system.api.get("/metrics").text)
    dropped = value(metrics, "monitor_region_dropped_batches_total", region="europe")
    lost = {"region": "europe", "result": "not_measured"}
    return dropped, value(metrics, "monitor_region_checks_total", **lost)


def _missing(system):
    """How many checks that were due in that time, this minute's first ones too, left no tick."""
    begin_s, slots = system.sites.begin_s, system.truth().slots
    ticks = {(t.website, t.slot_s) for t in system.record().ticks}
    return sum(
        not any((website, int(due_s) - early_s) in ticks for early_s in range(SPAN_S + 1))
        for website in range(_WEBSITES)
        for due_s in slots(website)
        if begin_s + _BEGIN_S <= due_s < begin_s + _END_S
    )


def test_overloaded_region_counts_missed_slots_and_reports_the_rest_correctly(faulty):
    script = Script(_WEBSITES, (Outage(1, float(_GOES_DOWN_S), None),))
    # given a minute that begins with it: each of its slots is checked by a batch
    settings = {"MONITOR_CONCURRENCY": str(_SLOTS)}
    with faulty(script, settings=settings, with_a_minute=True) as system:
        # when websites answer so slowly that the region's slots suffice for every second one
        system.at(_BEGIN_S)
        before = _left_out(system)
        system.sites.delay_s = _DELAY_S
        with Asking(system) as asking:
            system.at(_END_S)
        system.sites.delay_s = 0.0
        # then the API answered as ever, and no website went down for it
        slowest_s = asking.slowest_of_a_hundred_s()
        print(f"of {len(asking.took_s)} answers one in a hundred took {slowest_s * 1000:.0f} ms")  # noqa: T201 - for pytest -rP
        assert len(asking.took_s) > 100
        assert slowest_s < _PATIENCE_S
        # and a region that can again makes up for nothing: one interval's worth, and what is due
        system.at(_END_S + 10)
        burst = _asked(system, _END_S, _END_S + 10)
        print(f"{len(burst)} checks in the ten seconds after it")  # noqa: T201
        assert len(burst) <= _WEBSITES + 1.5 * 10 * _DEMAND_PER_S
        assert max(map(burst.count, range(_WEBSITES))) <= 3
        due = (_END_S - _BEGIN_S) * _DEMAND_PER_S
        # and what was left out is missing, and nothing else is: an outage that began in between is
        # found as soon as it can be. Its first failure is seen late, so that its next slot comes
        # before the re-check, is too soon to confirm it, and has a re-check of its own
        allow = Allowance(late_s=INTERVAL_S, lost_ticks=int(0.75 * due), extra_ticks=1)
        found = system.compare(allow)
        # and it was counted, every slot of it
        batches, checks = (now - was for now, was in zip(_left_out(system), before, strict=True))
        missing = _missing(system)
        print(f"{missing} missing, {checks:.0f} counted, {batches:.0f} whole batches")  # noqa: T201
        assert checks >= max(missing, found.lost_ticks)
        assert missing > _LEFT_OUT / 4
        # and who looks at a website sees how much of the time is known
        series = [system.api.get(f"/monitor/{i}").json()["series"] for i in system.ids]
        ratios = [each["uptime"]["measured_ratio"] for (each,) in series]
        print(f"measured of the time: {min(ratios)} to {max(ratios)}")  # noqa: T201
        assert min(ratios) < 0.95  # one slot of less than twenty
