"""What is known of chains is what a simple model says, and takes the room that was promised."""

from __future__ import annotations

import gc
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.probes.net.known_chains import DAY_S, KnownChains, Proven

HOUR_S = 3600
NOW_S = 1_800_000_000.0
LEAST_S, MOST_S = DAY_S * 7 / 8, DAY_S * 9 / 8
KEYS, DIGESTS = range(-2, 3), [bytes([n]) * 16 for n in range(6)]

moments = st.sampled_from([0, 1, 60, HOUR_S, 8 * HOUR_S, 20 * HOUR_S, 25 * HOUR_S])
lasting = st.sampled_from([-1, 1, HOUR_S, 3 * DAY_S])
steps = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(KEYS), st.sampled_from(DIGESTS), lasting),
    st.tuples(st.just("see"), st.sampled_from(KEYS), st.sampled_from(DIGESTS)),
    st.tuples(st.just("knows"), st.sampled_from(KEYS)),
    st.tuples(st.just("forget"), st.sampled_from(KEYS)),
    st.tuples(st.just("wait"), moments),
    st.tuples(st.just("clock set back"), moments),
)


class Model:
    """All chains of each key: when they were verified, end, and were last seen."""

    def __init__(self):
        self.chains, self.now_s = {}, NOW_S

    def add(self, key, digest, end_s):
        if end_s > self.now_s:
            self.chains.setdefault(key, {})[digest] = [self.now_s, end_s, self.now_s]

    def must_be_good(self, key, digest):
        return self._good(key, digest, LEAST_S) and len(self.chains[key]) <= 4

    def may_be_good(self, key, digest):
        return self._good(key, digest, MOST_S)

    def _good(self, key, digest, anew_s):
        proven = self.chains.get(key, {}).get(digest)
        if proven is None:
            return False
        at_s, end_s, seen_s = proven
        return self.now_s < min(end_s, at_s + anew_s) and self.now_s - seen_s <= DAY_S


def add(known, key, digest, now_s, end_s=NOW_S + 9 * DAY_S, **rest):
    known.add(key, Proven(digest, now_s, end_s), known.generation, now_s, **rest)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=100)
@given(st.lists(steps, max_size=40))
def test_what_is_known_is_what_the_model_knows(walk):
    known, model = KnownChains(1000), Model()
    for what, *about in walk:
        if what == "wait":
            model.now_s += about[0]
        elif what == "clock set back":
            known.knows(0, model.now_s)  # or nobody has noticed how late it was
            model.now_s -= about[0]
            if about[0]:
                model.chains.clear()
                known.knows(0, model.now_s)
        elif what == "add":
            key, digest, lasts_s = about
            add(known, key, digest, model.now_s, model.now_s + lasts_s)
            model.add(key, digest, model.now_s + lasts_s)
        elif what == "forget":
            known.forget(about[0])
            model.chains.pop(about[0], None)
        elif what == "knows":
            good = known.knows(about[0], model.now_s)
            every = model.chains.get(about[0], {})
            assert good <= any(model.may_be_good(about[0], digest) for digest in every)
            assert good >= any(model.must_be_good(about[0], digest) for digest in every)
        else:
            key, digest = about
            good = known.recognises(key, digest, model.now_s)
            assert model.must_be_good(key, digest) <= good <= model.may_be_good(key, digest)
            if good:
                model.chains[key][digest][2] = model.now_s
            else:
                model.chains.get(key, {}).pop(digest, None)


def test_a_chain_is_known_until_the_second_at_which_openssl_lets_it_expire():
    # X509_cmp_time: a certificate has expired at its notAfter
    known = KnownChains(100)
    add(known, 1, DIGESTS[0], NOW_S, NOW_S + 60)
    assert known.recognises(1, DIGESTS[0], NOW_S + 59.99)
    assert known.knows(1, NOW_S + 59.99)
    assert not known.recognises(1, DIGESTS[0], NOW_S + 60)
    add(known, 1, DIGESTS[0], NOW_S + 60, NOW_S + 60)
    assert not known.knows(1, NOW_S + 60)


def test_websites_are_due_for_verification_at_various_times():
    known = KnownChains(1000)
    for key in range(200):
        add(known, key, DIGESTS[0], NOW_S)
    for hour in range(1, 21):
        assert all(known.recognises(key, DIGESTS[0], NOW_S + hour * HOUR_S) for key in range(200))
    left = [
        sum(known.recognises(key, DIGESTS[0], NOW_S + hour * HOUR_S) for key in range(200))
        for hour in (22, 24, 26, 27)
    ]
    assert 140 < left[0] < 200
    assert 50 < left[1] < 150
    assert 0 < left[2] < 60
    assert left[3] == 0


def test_what_a_clock_that_was_set_back_has_seen_is_forgotten():
    known = KnownChains(100)
    add(known, 1, DIGESTS[0], NOW_S)
    assert not known.recognises(1, DIGESTS[0], NOW_S - 1)
    assert not known.recognises(1, DIGESTS[0], NOW_S)


def test_what_was_verified_before_all_was_forgotten_is_not_added_after():
    known = KnownChains(100)
    proven, generation = Proven(DIGESTS[0], NOW_S, NOW_S + DAY_S), known.generation
    known.clear()
    known.add(1, proven, generation, NOW_S)
    assert (len(known), known.knows(1, NOW_S)) == (0, False)


def memory_of(thing):
    """Bytes of all the objects that it consists of."""
    parts, new = {}, [thing]
    while new:
        parts |= {id(part): part for part in new}
        within = gc.get_referents(*(p for p in new if not isinstance(p, type)))
        new = [part for part in within if id(part) not in parts and not isinstance(part, type)]
    return sum(map(sys.getsizeof, parts.values()))


@pytest.mark.parametrize("redirected", [False, True])
def test_made_up_names_take_no_more_than_the_room(redirected):
    room, names = 3000, 30_000
    own = room // 10 if redirected else room - room // 10
    known = KnownChains(room)
    for name in range(names):
        add(known, hash(("made up", name)), DIGESTS[0], NOW_S, redirected=redirected)

    assert own * 0.9 < len(known) <= own * 5 / 3
    assert memory_of(known) < own * 64 + 4096


def test_names_that_only_redirects_lead_to_evict_nobody():
    known = KnownChains(2000)
    own = [hash(("own", number)) for number in range(1800)]
    for key in own:
        add(known, key, DIGESTS[0], NOW_S)
    kept = {key for key in own if known.knows(key, NOW_S)}
    for number in range(10_000):
        add(known, hash(("made up", number)), DIGESTS[1], NOW_S, redirected=True)

    assert len(kept) > 1750
    assert {key for key in own if known.knows(key, NOW_S)} == kept


@pytest.mark.parametrize("room", [0, 1, 9, 10, 63])
def test_little_room_is_room_as_well(room):
    known = KnownChains(room)
    for key in range(1000):
        add(known, key, DIGESTS[0], NOW_S)
        add(known, key, DIGESTS[0], NOW_S, redirected=True)
        assert known.knows(key, NOW_S) == (room > 0)
    assert len(known) <= room * 5 / 3
