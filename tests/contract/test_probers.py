"""Every check kind keeps the contract of a prober, opened through the registry."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from msgspec import Struct

from monitor.domain.outcome import Reason, Result
from monitor.probes.contract import ProbeSettings
from monitor.probes.registry import KINDS, Probers, kind_of
from support.factories import check_options
from support.knocking import KnockOptions, KnockProber
from support.targets import Behaviour, TargetServer, answers, sends, silent
from support.targets_checks import LOOPBACK_ONLY, NO_DNS

ALL_KINDS = {**KINDS, "knock": KnockProber}
CLUTTER = b"\x1b[2J\x00\x07" + b"x" * 1500


@dataclass
class Website:
    """``options``: how to check it; ``target``: the server that it is."""

    options: Struct
    target: TargetServer


def _probers(concurrency=100, kinds=ALL_KINDS):
    settings = ProbeSettings(LOOPBACK_ONLY, dns_servers=NO_DNS, concurrency=concurrency)
    return Probers(settings, kinds)


@asynccontextmanager
async def _opened(concurrency=100):
    probers = _probers(concurrency)
    try:
        yield probers
    finally:
        await probers.close()


@dataclass
class Kind:
    """``options_of``: for a target and a time-out. The rest: what websites of the kind do that
    are up, are down, or send clutter, and options that make no sense."""

    name: str
    options_of: Callable[[TargetServer, int], Struct]
    up: Behaviour
    down: Behaviour
    clutter: Behaviour
    malformed: tuple[Struct, ...]


def _says(data):
    async def behave(exchange):
        await exchange.send(data)

    return behave


HTTP = Kind(
    name="http",
    options_of=lambda target, s: check_options(target.url, request_timeout=s),
    up=answers(),
    down=answers(503),
    clutter=sends(b"HTTP/1.1 " + CLUTTER + b"\r\n\r\n"),
    malformed=(
        check_options("http://127.0.0.1:99999/"),
        check_options("http://[broken"),
        check_options("http://" + "x" * 5000),
        check_options("http://127.0.0.1:1/", http_method="\x00"),
    ),
)
KNOCK = Kind(
    name="knock",
    options_of=lambda target, s: KnockOptions(target.host, target.port, request_timeout=s),
    up=_says(b"welcome\n"),
    down=_says(b"go away\n"),
    clutter=_says(CLUTTER),
    malformed=(
        KnockOptions("127.0.0.1", 99_999),
        KnockOptions("127.0.0.1", "no port"),
        KnockOptions("x" * 5000, 1),
        KnockOptions("\x00", 1),
    ),
)


@pytest.fixture(params=[HTTP, KNOCK], ids=lambda kind: kind.name)
def kind(request):
    return request.param


@asynccontextmanager
async def _website(kind, behaviour, timeout_s=10):
    async with TargetServer(behaviour) as target:
        yield Website(kind.options_of(target, timeout_s), target)


async def _under_way(probers, count):
    """Until so many checks are being made."""
    async with asyncio.timeout(10):
        while probers.under_way != count:  # noqa: ASYNC110 - checks say nothing on their way
            await asyncio.sleep(0.01)


async def test_a_website_is_up_or_down(kind):
    async with _opened() as probers, _website(kind, kind.up) as good:
        outcome = await probers.check(good.options)
        assert (outcome.result, outcome.reason) == (Result.UP, None)
        assert outcome.response_ms is not None
        assert 0 <= outcome.response_ms < 10_000
        async with _website(kind, kind.down) as bad:
            outcome = await probers.check(bad.options)
        assert outcome.result is Result.DOWN
        assert outcome.reason is not None
        assert probers.under_way == 0


async def test_a_check_that_comes_too_late_is_not_made(kind):
    async with _opened() as probers, _website(kind, kind.up) as website:
        past_s = asyncio.get_running_loop().time() - 1
        # when
        outcome = await probers.check(website.options, past_s)
        # then
        assert (outcome.result, outcome.reason) == (Result.NOT_MEASURED, Reason.REGION_BUSY)
        assert website.target.accepted == 0
        assert (await probers.check(website.options, past_s + 60)).result is Result.UP


async def test_a_website_that_says_nothing_costs_its_own_timeout(kind):
    async with _opened() as probers, _website(kind, silent, timeout_s=1) as website:
        # when
        began_s = time.monotonic()
        outcome = await probers.check(website.options)
        took_s = time.monotonic() - began_s
        # then
        assert (outcome.result, outcome.reason) == (Result.DOWN, Reason.RESPONSE_TIMEOUT)
        assert 0.9 < took_s < 5


async def test_no_more_checks_are_under_way_than_there_are_places(kind):
    async with _opened(concurrency=2) as probers, _website(kind, silent) as website:
        # when
        checks = [asyncio.create_task(probers.check(website.options)) for _ in range(5)]
        await _under_way(probers, 2)
        await asyncio.wait(checks, timeout=0.1)
        # then
        assert probers.under_way == 2
        assert website.target.accepted <= 2
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
        assert probers.under_way == 0


async def test_a_check_that_is_cancelled_ends(kind):
    async with _opened() as probers, _website(kind, silent) as website:
        check = asyncio.create_task(probers.check(website.options))
        await _under_way(probers, 1)
        # when
        check.cancel()
        # then
        with pytest.raises(asyncio.CancelledError):
            await check
        assert probers.under_way == 0
        await website.target.idle()


async def test_closing_ends_what_is_under_way_as_not_measured(kind):
    async with _website(kind, silent) as website:
        async with _opened() as probers:
            checks = [asyncio.create_task(probers.check(website.options)) for _ in range(3)]
            await _under_way(probers, 3)
        # then
        async with asyncio.timeout(5):
            outcomes = await asyncio.gather(*checks)
        assert {o.result for o in outcomes} == {Result.NOT_MEASURED}
        # and so does whatever comes later
        later = await probers.check(website.options)
        assert later.result is Result.NOT_MEASURED


async def test_whatever_the_options_say_there_is_an_outcome(kind):
    async with _opened() as probers:
        outcomes = [await probers.check(options) for options in kind.malformed]
    # then
    assert {o.result for o in outcomes} <= {Result.DOWN, Result.NOT_MEASURED}
    for outcome in outcomes:
        assert outcome.evidence.isprintable()
        assert len(outcome.evidence) <= 200


async def test_evidence_is_printable_and_bounded_whatever_the_website_sends(kind):
    async with _opened() as probers, _website(kind, kind.clutter) as website:
        outcome = await probers.check(website.options)
    # then
    assert outcome.result is Result.DOWN
    assert outcome.evidence
    assert outcome.evidence.isprintable()
    assert len(outcome.evidence) <= 200


# The registry


async def test_each_kind_has_places_of_its_own_and_they_are_added_up():
    async with (
        _opened(concurrency=1) as probers,
        _website(HTTP, silent) as one,
        _website(KNOCK, silent) as other,
    ):
        assert probers.limit == 2
        checks = [asyncio.create_task(probers.check(w.options)) for w in (one, other)]
        # then neither waits for the other
        await _under_way(probers, 2)
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)


class FutureOptions(Struct, frozen=True, tag="x" * 500, tag_field="kind"):
    """Of a newer version."""


async def test_of_a_kind_that_is_not_known_nothing_is_measured():
    async with _opened() as probers:
        outcome = await probers.check(FutureOptions())
    # then
    assert (outcome.result, outcome.reason) == (Result.NOT_MEASURED, Reason.UNSUPPORTED_KIND)
    assert "kind xxx" in outcome.evidence
    assert len(outcome.evidence) <= 200
    assert outcome.evidence.isprintable()


async def test_all_probers_are_closed_even_where_one_fails_to():
    closed = []

    class Closing(KnockProber):
        async def close(self):
            closed.append(self)
            raise OSError("stuck")

    probers = _probers(kinds={"one": Closing, "two": Closing, "three": Closing})
    with contextlib.suppress(OSError):
        await probers.close()
    assert len(closed) == 3


def test_options_tell_their_kind():
    assert kind_of(check_options("http://example.com/")) == "http"
    assert kind_of(KnockOptions("127.0.0.1", 1)) == "knock"
    assert "http" in KINDS
