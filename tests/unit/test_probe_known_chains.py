"""What is known of chains: for whom, for how long, and in how much memory."""

from __future__ import annotations

import sys

import pytest

from monitor.probes.net.known_chains import DAY_S, MAX_CHAINS, KnownChains, Proven, digest_of

NOW_S = 1_790_000_000.0
YEARS_S = NOW_S + 1000 * DAY_S


def _digest(number=0):
    return digest_of("shop.example", 443, (b"leaf %d" % number, b"intermediate"))


def _add(known, key, number=0, *, now_s=NOW_S, end_s=YEARS_S, redirected=False):
    proven = Proven(_digest(number), now_s, end_s)
    known.add(key, proven, known.generation, now_s, redirected=redirected)


def test_a_digest_is_of_one_name_one_port_and_one_chain():
    chain = (b"leaf", b"intermediate")
    digests = {
        digest_of("shop.example", 443, chain),
        digest_of("blog.example", 443, chain),
        digest_of("shop.example", 8443, chain),
        digest_of("shop.example", 443, chain[::-1]),
        digest_of("shop.example", 443, chain[:1]),
        digest_of("shop.example", 443, (*chain, b"extra")),
    }
    assert len(digests) == 6
    assert {len(digest) for digest in digests} == {16}


def test_a_chain_is_known_for_its_own_key_until_it_is_forgotten():
    known = KnownChains(1000)
    _add(known, 7)
    assert known.knows(7, NOW_S)
    assert known.recognises(7, _digest(), NOW_S)
    assert not known.recognises(7, _digest(1), NOW_S)
    assert not known.recognises(8, _digest(), NOW_S)
    assert not known.knows(8, NOW_S)

    known.forget(7)

    assert not known.knows(7, NOW_S)
    assert len(known) == 0


def test_a_chain_holds_a_day_give_or_take_an_eighth():
    known, at_s = KnownChains(10_000), NOW_S
    for key in range(1000):
        _add(known, key)
    held = []
    while len(known):
        at_s += DAY_S / 16
        for key in range(1000):
            known.recognises(key, _digest(), at_s)
        held.append((at_s - NOW_S) / DAY_S)
        left = len(known)
        assert left in (0, 1000) or 7 / 8 <= held[-1] <= 9 / 8 + 1 / 16
    assert 1 < held[-1] <= 9 / 8 + 1 / 16


def test_a_chain_that_was_not_seen_for_a_day_is_dropped_for_good():
    known = KnownChains(1000)
    for key in range(100):
        _add(known, key)
    late_s = NOW_S + DAY_S + 1
    assert not any(known.recognises(key, _digest(), late_s) for key in range(100))
    assert not any(known.recognises(key, _digest(), late_s) for key in range(100))


def test_no_chain_is_known_past_its_end():
    known = KnownChains(1000)
    _add(known, 7, end_s=NOW_S + 60)
    assert known.recognises(7, _digest(), NOW_S + 59.9)
    assert not known.recognises(7, _digest(), NOW_S + 60)


def test_four_chains_of_a_name_are_known_and_the_one_not_seen_for_longest_makes_way():
    known = KnownChains(1000)
    for number in range(MAX_CHAINS):
        _add(known, 7, number, now_s=NOW_S + number)
    known.recognises(7, _digest(0), NOW_S + 10)
    _add(known, 7, 9, now_s=NOW_S + 20)
    numbers = [n for n in range(10) if known.recognises(7, _digest(n), NOW_S + 30)]
    assert numbers == [0, 2, 3, 9]


def test_a_clock_that_goes_back_empties_it():
    known = KnownChains(1000)
    _add(known, 7)
    generation = known.generation
    assert not known.knows(7, NOW_S - 0.5)
    assert len(known) == 0
    # and what was verified before is not added after
    known.add(7, Proven(_digest(), NOW_S, YEARS_S), generation, NOW_S)
    assert len(known) == 0


def _bytes(known):
    tables = (known._own, known._of_redirects)
    segments = [segment for table in tables for segment in table._segments]
    lists = sum(sys.getsizeof(table._segments) for table in tables)
    return lists + sum(map(sys.getsizeof, segments))


@pytest.mark.parametrize("websites", [300, 5000, 20_000])
def test_a_website_takes_64_bytes_at_most(websites):
    known = KnownChains(20_000)
    for key in range(websites):
        _add(known, hash(("website", key)))
    assert _bytes(known) <= 64 * websites
    kept = sum(known.knows(hash(("website", key)), NOW_S) for key in range(websites))
    assert kept >= min(websites, 18_000) * 0.99


def test_names_of_redirects_are_bounded_and_evict_no_website():
    known = KnownChains(2000)
    for key in range(1000):
        _add(known, hash(("website", key)))
    for key in range(50_000):
        _add(known, hash(("made up", key)), now_s=NOW_S + 1, redirected=True)

    assert all(known.knows(hash(("website", key)), NOW_S + 2) for key in range(1000))
    assert _bytes(known) <= 64 * 2000


@pytest.mark.parametrize("room", [0, 1, 9])
def test_without_room_nothing_is_kept_beyond_it(room):
    known = KnownChains(room)
    for key in range(100):
        _add(known, key)
    assert len(known) <= 2 * room
