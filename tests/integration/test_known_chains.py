"""A prober that knows chains finds what one finds that verifies each of them, in every situation.

Both check the same server, act after act; ``support/tls_situations.py`` has what it does and what
a check finds.
"""

from __future__ import annotations

import pytest

from monitor.domain.outcome import Result
from monitor.probes.net import handshake
from support.tls_known import LIVES, LateClock, compared, facts
from support.tls_situations import OLD, SITUATIONS

VERSIONS = ("1.2", "1.3")
CASES = [
    pytest.param(name, version, id=f"{name}-{version}")
    for name in SITUATIONS
    for version in (VERSIONS[:1] if name in OLD else VERSIONS)
]


pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")


def as_verified(check):
    """Nothing told the two probers apart, and both found what there was."""
    verified, known = check.outcomes
    expected = Result.UP if check.act.reason is None else Result.DOWN
    assert (verified.result, verified.reason) == (expected, check.act.reason), verified
    assert verified.status_code == (check.act.status or 200 * (expected is Result.UP))
    assert check.evidence in verified.evidence
    assert facts(known) == facts(verified)
    assert check.connections[0] == 1
    assert check.connections[1] in {1, 2}
    assert check.requests[0] == check.requests[1] <= 1
    assert set(check.asked[0]) == set(check.asked[1])


@pytest.fixture
def clock(monkeypatch):
    """That of what is known."""
    late = LateClock()
    monkeypatch.setattr(handshake, "time", late)
    return late


@pytest.mark.parametrize(("name", "version"), CASES)
@pytest.mark.asyncio(loop_factories=["uvloop"])
async def test_what_is_found_is_what_a_verified_check_finds(name, version, clock):
    for life in LIVES:
        for check in await compared(SITUATIONS[name](), version, life, clock):
            as_verified(check)
            assert life != "stale" or check.connections == [1, 1]


@pytest.mark.parametrize("name", SITUATIONS)
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_the_loop_makes_no_difference(name, clock):
    version = "1.2" if name in OLD else "1.3"
    for check in await compared(SITUATIONS[name](), version, "warm", clock):
        as_verified(check)
