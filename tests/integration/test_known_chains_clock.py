"""As time goes by, and as clocks are stepped, what is known of chains is never believed longer than
OpenSSL would believe the certificates."""

from __future__ import annotations

import pytest

from support.fake_clock import fake_clock
from support.tls_clock import WALKS, walked


@pytest.fixture(scope="module")
def walks():
    with fake_clock() as clock:
        yield walked(clock)


@pytest.mark.parametrize("walk", WALKS)
def test_what_is_found_is_what_a_verified_check_finds_at_that_time(walks, walk):
    for step, found in zip(WALKS[walk], walks[walk].steps, strict=True):
        assert found.reason == step.reason, (step, found)
        assert found.known == found.verified, step
        assert step.connections in {None, found.connections}, (step, found)


def test_a_chain_is_verified_anew_after_a_day(walks):
    handshakes = walks["all stays as it is"].handshakes

    assert (handshakes["verified"], handshakes["fast"], handshakes["discarded"]) == (2, 4, 0)
