"""Many checks at once: none waits for another's sake, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from pathlib import Path

import pytest

from monitor.domain.outcome import Reason, Result
from monitor.probes.http.prober import HttpProber
from support import targets_tls
from support.factories import check_options
from support.targets import (
    TargetServer,
    answers,
    hangs_up,
    repeats,
    resets,
    sends,
    sends_and_stays,
    silent,
)
from support.targets_checks import check, prober
from support.targets_loops import on_both_loops


@on_both_loops
async def test_hanging_websites_cost_only_their_own_timeout():
    # given 500 websites of which every tenth never answers
    async with TargetServer() as good, TargetServer(silent) as hanging, prober() as made:
        checks = [
            check_options((good if n % 10 else hanging).url, request_timeout=4) for n in range(500)
        ]
        ended_s = {}

        async def timed(number):
            outcome = await made.check(checks[number])
            ended_s[number] = time.monotonic() - began_s
            return outcome

        # when
        began_s = time.monotonic()
        outcomes = await asyncio.gather(*map(timed, range(500)))
        await hanging.idle()

    # then
    assert {o.result for n, o in enumerate(outcomes) if n % 10} == {Result.UP}
    assert {o.reason for o in outcomes[::10]} == {Reason.RESPONSE_TIMEOUT}
    assert max(s for n, s in ended_s.items() if n % 10) < 4
    assert max(ended_s.values()) < 8


@on_both_loops
async def test_waiting_for_a_slot_counts_neither_in_deadline_nor_timings():
    # given room for one check at a time and an answer that takes most of its timeout
    async def slow(exchange):
        await exchange.request()
        gone = asyncio.create_task(exchange.gone())
        await asyncio.wait([gone], timeout=1.2)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await gone

    async with TargetServer(slow) as target, prober(concurrency=1) as made:
        options = check_options(target.url, request_timeout=2)
        outcomes = await asyncio.gather(made.check(options), made.check(options))

    assert [o.result for o in outcomes] == [Result.UP, Result.UP]
    assert all(1100 < o.timings.total_ms < 2000 for o in outcomes)


@on_both_loops
async def test_a_check_without_a_slot_in_time_is_not_made():
    async def slow(exchange):
        await exchange.request()
        gone = asyncio.create_task(exchange.gone())
        await asyncio.wait([gone], timeout=0.3)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await gone

    # given room for one check at a time, and one that must begin before that has ended
    async with TargetServer(slow) as target, prober(concurrency=1) as made:
        options = check_options(target.url)
        soon_s = asyncio.get_running_loop().time() + 0.1
        outcomes = await asyncio.gather(
            made.check(options), made.check(options, soon_s), made.check(options)
        )

    assert [(o.result, o.reason) for o in outcomes] == [
        (Result.UP, None), (Result.NOT_MEASURED, Reason.REGION_BUSY), (Result.UP, None),
    ]  # fmt: skip
    assert target.accepted == 2
    assert made.under_way == 0


@on_both_loops
async def test_the_phases_add_up_to_what_a_clock_outside_sees():
    async def slow(exchange):
        await exchange.request()
        gone = asyncio.create_task(exchange.gone())
        await asyncio.wait([gone], timeout=0.2)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1")
        await asyncio.wait([gone], timeout=0.1)
        await exchange.send(b"2")
        await gone

    context = targets_tls.certified("127.0.0.1")
    async with TargetServer(slow, context) as target, prober() as made:
        began_s = time.perf_counter()
        outcome = await made.check(check_options(target.url))
        took_ms = (time.perf_counter() - began_s) * 1000

    timings = outcome.timings
    assert outcome.result is Result.UP
    assert timings.dns_ms == 0
    assert timings.connect_ms > 0
    assert timings.tls_ms > 0
    assert 190 < timings.wait_ms < 600
    assert 90 < timings.transfer_ms < 500
    assert took_ms - 50 < timings.total_ms <= took_ms


def open_sockets():
    """Sockets alone: pycares ends the channels of other tests' resolvers, with their pipes, a
    second after they were closed."""
    count = 0
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of the directory being read
            count += str(file.readlink()).startswith("socket:")
    return count


@on_both_loops
async def test_no_failure_leaks_a_socket_or_a_task():
    behaviours = [
        answers(200, b"x" * 200_000),
        silent,
        resets,
        hangs_up,
        sends(b"nonsense\r\n\r\n"),
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
        sends_and_stays(b"HTTP/1.1 200 OK\r\n\r\n"),
        repeats(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000),
    ]
    context = targets_tls.certified("127.0.0.1")
    async with (
        TargetServer() as target,
        TargetServer(silent, context) as secure,
        prober() as made,
    ):
        options = [
            check_options(target.url, request_timeout=1),
            check_options(secure.url, request_timeout=1),
            check_options(target.url.replace("http", "https"), request_timeout=1),
            check_options(
                target.url, http_method="POST", request_body="x" * 900_000, request_timeout=1
            ),
        ]
        await made.check(options[0])
        await target.idle()
        sockets, tasks = open_sockets(), len(asyncio.all_tasks())

        # when every kind of failure meets every kind of check, some cancelled from outside
        for behaviour in behaviours:
            target.behaviour = secure.behaviour = behaviour
            checks = [asyncio.create_task(made.check(o)) for o in options * 3]
            await asyncio.wait(checks, timeout=0.1)
            for task in checks[:4]:
                task.cancel()
            await asyncio.wait(checks)
        await target.idle()
        await secure.idle()
        gc.collect()

        # then
        assert (open_sockets(), len(asyncio.all_tasks())) == (sockets, tasks)


@on_both_loops
async def test_cancelling_a_check_cancels_it():
    async with TargetServer(silent) as target, prober() as made:
        task = asyncio.create_task(made.check(check_options(target.url)))
        await asyncio.wait([task], timeout=0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await target.idle()


@on_both_loops
async def test_shutdown_reports_no_website_as_down():
    async with TargetServer(silent) as target:
        async with prober() as made:
            task = asyncio.create_task(made.check(check_options(target.url)))
            await asyncio.wait([task], timeout=0.1)
        outcome = await task
        await target.idle()

    assert (outcome.result, outcome.reason) == (Result.NOT_MEASURED, Reason.INTERNAL_ERROR)


@on_both_loops
async def test_an_internal_error_is_not_measured_and_logged_without_its_text(monkeypatch):
    lines = []

    async def broken(*_):
        raise ValueError("Authorization: hunter2")

    monkeypatch.setattr(HttpProber, "_send", broken)
    monkeypatch.setattr(
        "monitor.probes.http.prober._log.error", lambda event, **words: lines.append((event, words))
    )
    outcome = await check("http://127.0.0.1/")

    assert (outcome.result, outcome.reason) == (Result.NOT_MEASURED, Reason.INTERNAL_ERROR)
    ((event, words),) = lines
    assert (event, words["error"]) == ("probe.unforeseen", "ValueError")
    assert "hunter2" not in f"{words['error']}{outcome.evidence}"
    assert "in broken" in "".join(words["where"])
