"""As time goes by, and as clocks are stepped, what is known of chains is never believed longer than
OpenSSL would believe the certificates."""

from __future__ import annotations

from support.fake_clock import fake_clock
from support.tls_clock import WALKS, walked


def test_what_is_found_is_what_a_verified_check_finds_at_that_time():
    # given a process that checks while its clock is stepped
    with fake_clock() as clock:
        walks = walked(clock)

    for walk, steps in WALKS.items():
        for step, found in zip(steps, walks[walk].steps, strict=True):
            assert found.reason == step.reason, (step, found)
            assert found.known == found.verified, step
            assert step.connections in {None, found.connections}, (step, found)

    # then a chain was verified anew once, within a day and an eighth
    handshakes = walks["all stays as it is"].handshakes
    assert (handshakes["verified"], handshakes["fast"], handshakes["discarded"]) == (2, 4, 0)
