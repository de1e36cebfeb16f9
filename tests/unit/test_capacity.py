"""How busy a worker is, and what a region's workers could do."""

import pytest

from monitor.domain.capacity import ENOUGH_CHECKS, Load, Work, WorkerLimits, add_up, load_between

LIMITS = WorkerLimits(threads=4, concurrency=2000)
BEGIN = Work(at_s=100.0, checks=50, cpu_s=1.0, message_s=2.0, check_s=3.0)


def after(seconds, **more):
    done = {"checks": 0, "cpu_s": 0.0, "message_s": 0.0, "check_s": 0.0} | more
    return Work(seconds + 100, *(getattr(BEGIN, name) + value for name, value in done.items()))


@pytest.mark.parametrize(
    ("more", "busy"),
    [
        ({"cpu_s": 30.0, "message_s": 10.0}, 0.5),  # the core
        ({"cpu_s": 6.0, "message_s": 180.0}, 0.75),  # 180 of 240 thread seconds
        ({"cpu_s": 6.0, "check_s": 30_000.0}, 0.25),  # 30,000 of 120,000 slot seconds
    ],
)
def test_the_scarcest_resource_is_the_utilisation(more, busy):
    load = load_between(BEGIN, after(60.0, checks=6000, **more), LIMITS)
    assert load.checks_per_s == 100.0
    assert load.utilisation == pytest.approx(busy)
    assert load.capacity_per_s == pytest.approx(100.0 / busy)


def test_too_few_checks_leave_the_capacity_unknown():
    few = load_between(BEGIN, after(60.0, checks=ENOUGH_CHECKS - 1, cpu_s=0.1), LIMITS)
    assert few.capacity_per_s is None
    enough = load_between(BEGIN, after(60.0, checks=ENOUGH_CHECKS, cpu_s=0.1), LIMITS)
    assert enough.capacity_per_s == pytest.approx(1000.0)


def test_no_time_is_no_load():
    assert load_between(BEGIN, BEGIN, LIMITS) == Load(0.0, 0.0, None)


def test_a_region_without_workers_has_no_load_and_an_unknown_capacity():
    region = add_up([])
    assert (region.processes, region.utilisation, region.capacity_per_s) == (0, 0.0, None)
