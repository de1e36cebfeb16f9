"""The tick store is looked at once a minute, and soon again where something is wrong."""

import asyncio

import pytest
from structlog.testing import capture_logs

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.services.workers.tick_store import AFTER_PROBLEM_S, EVERY_S, TickStoreWatch

WRONG = Misconfigured("influxdb", "INFLUXDB_TOKEN is wrong: correct it")


class Store:
    """``checks``: what each look finds, the last one for ever; preparing drops the first."""

    def __init__(self, *checks):
        self.checks = list(checks)
        self.calls = []

    async def check(self):
        self.calls.append("check")
        result = self.checks[0]
        if isinstance(result, Exception):
            raise result
        return result

    async def prepare(self):
        self.calls.append("prepare")
        self.checks = self.checks[1:] or self.checks
        if isinstance(self.checks[0], Exception):
            raise self.checks[0]


class Clock:
    now_s = 100.0

    def __call__(self):
        return self.now_s


@pytest.mark.parametrize(
    ("result", "age_s"),
    [([], EVERY_S), (["a remark"], EVERY_S), (WRONG, AFTER_PROBLEM_S)],
)
async def test_what_was_found_is_believed_for_a_while(result, age_s):
    # given
    store, clock = Store(result), Clock()
    watch = TickStoreWatch(store, clock=clock)

    async def remarks():
        try:
            return await watch.remarks()
        except Misconfigured as error:
            return error

    # when
    for _ in range(3):
        assert await remarks() == result
    clock.now_s += age_s - 0.01
    assert await remarks() == result
    # then
    assert store.calls == ["check"]
    # when
    clock.now_s += 0.02
    await remarks()
    # then
    assert store.calls == ["check"] * 2


async def test_a_server_that_was_away_is_asked_again_at_once():
    # given
    store = Store(Unavailable("influxdb", "503"))
    watch = TickStoreWatch(store, clock=Clock())
    with pytest.raises(Unavailable):
        await watch.remarks()
    # when
    store.checks = [[]]
    # then
    assert await watch.remarks() == []


async def test_callers_share_one_look():
    # given
    store = Store([])
    watch = TickStoreWatch(store, clock=Clock())
    # when
    await asyncio.gather(*(watch.remarks() for _ in range(20)))
    # then
    assert store.calls == ["check"]


@pytest.mark.parametrize(
    ("checks", "calls"),
    [
        ([[]], ["check"]),
        ([["kept for ever"], []], ["check", "prepare", "check"]),
        ([WRONG, []], ["check", "prepare", "check"]),
    ],
)
async def test_central_workers_make_what_is_missing(checks, calls):
    # given
    store = Store(*checks)
    # when
    assert await TickStoreWatch(store, prepare=True, clock=Clock()).remarks() == []
    # then
    assert store.calls == calls


async def test_what_they_may_not_make_is_said():
    with pytest.raises(Misconfigured, match="INFLUXDB_TOKEN is wrong"):
        await TickStoreWatch(Store(WRONG), prepare=True, clock=Clock()).remarks()


async def test_the_log_says_once_what_is_wrong_and_when_it_is_over():
    # given
    store, clock = Store(WRONG), Clock()
    watch = TickStoreWatch(store, clock=clock)
    # when
    with capture_logs() as logs:
        for result in (WRONG, WRONG, ["kept for ever"], ["kept for ever"]):
            store.checks = [result]
            clock.now_s += EVERY_S + 1
            try:
                await watch.remarks()
            except Misconfigured:
                continue
    # then
    assert [log["event"] for log in logs] == [
        "tick_store.not_usable",
        "tick_store.usable_again",
        "tick_store.remark",
    ]


async def test_an_unforeseen_error_is_a_problem_like_any_other():
    watch = TickStoreWatch(Store(RuntimeError("x")), clock=Clock())
    with capture_logs(), pytest.raises(Unavailable, match="RuntimeError"):
        await watch.remarks()
