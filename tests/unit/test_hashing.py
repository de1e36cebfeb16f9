"""Hashes of passwords: two at once, beside the event loop, as much work for nobody as for one."""

import asyncio
import threading

import pytest

from monitor.domain.errors import Busy
from monitor.services.people.hashing import Argon2, Hasher

AT_ONCE = 2
CHEAP = Argon2(passes=1, memory_kib=8, lanes=1)


@pytest.fixture
def hasher():
    made = Hasher(CHEAP, max_waiting=1)
    yield made
    made.close()


class Gate:
    """Stands in for the work of a hash: counts who is inside, and lets them out when opened."""

    def __init__(self):
        self.inside = self.most = 0
        self.threads = set()
        self.full, self._open, self._lock = threading.Event(), threading.Event(), threading.Lock()

    def __call__(self, *_):
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.threads.add(threading.get_ident())
            if self.inside == AT_ONCE:
                self.full.set()
        self._open.wait(30)
        with self._lock:
            self.inside -= 1
        return True

    def open(self):
        self._open.set()


async def test_a_password_is_verified_in_either_form_of_its_letters(hasher):
    stored = await hasher.hash("Mu\u0308ller und Sohn")
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await hasher.verify(stored, "M\u00fcller und Sohn")
    assert not await hasher.verify(stored, "Miller und Sohn")
    assert not await hasher.verify("not a hash", "Miller und Sohn")
    assert not await hasher.verify(stored, "M\u00fcller und Sohn" + "x" * 300)


async def test_two_hashes_are_made_at_once_off_the_loop_and_a_crowd_is_refused(hasher, monkeypatch):
    # given
    gate = Gate()
    monkeypatch.setattr(hasher, "_verify", gate)
    # when three come, for two threads and one place to wait
    waiting = [asyncio.create_task(hasher.verify("stored", "p")) for _ in range(3)]
    assert await asyncio.to_thread(gate.full.wait, 30)
    # then a fourth is refused while the loop goes on
    with pytest.raises(Busy):
        await hasher.verify("stored", "p")
    assert gate.most == AT_ONCE
    # when
    gate.open()
    assert await asyncio.gather(*waiting) == [True] * 3
    # then
    assert gate.most == AT_ONCE
    assert threading.get_ident() not in gate.threads
    assert await hasher.verify("stored", "p")


async def test_who_gave_up_waiting_frees_the_place_only_when_the_work_ends(hasher, monkeypatch):
    # given
    gate = Gate()
    monkeypatch.setattr(hasher, "_verify", gate)
    running = [asyncio.create_task(hasher.verify("stored", "p")) for _ in range(AT_ONCE)]
    assert await asyncio.to_thread(gate.full.wait, 30)
    # when all give up, and as many come again
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    again = asyncio.create_task(hasher.verify("stored", "p"))
    await asyncio.sleep(0)
    # then
    with pytest.raises(Busy):
        await hasher.verify("stored", "p")
    assert gate.most == AT_ONCE
    gate.open()
    assert await again


async def test_an_account_without_a_password_costs_one_verification_too(hasher, monkeypatch):
    # given
    verified = []
    verify = hasher._argon2.verify
    fake = type("Counting", (), {
        "hash": hasher._argon2.hash,
        "verify": lambda _, stored, password: verified.append(stored) or verify(stored, password),
    })()  # fmt: skip
    stored = await hasher.hash("a password of somebody")
    monkeypatch.setattr(hasher, "_argon2", fake)
    # when
    for hashed in (stored, None, None):
        assert not await hasher.verify(hashed, "guessed")
    # then each is one verification of the same cost
    assert len(verified) == 3
    assert {hashed.rsplit("$", 2)[0] for hashed in verified} == {"$argon2id$v=19$m=8,t=1,p=1"}


async def test_a_hash_of_another_cost_is_outdated(hasher):
    stored = await hasher.hash("a password of somebody")
    assert not hasher.is_outdated(stored)
    dearer = Hasher(Argon2(passes=2, memory_kib=8, lanes=1))
    assert dearer.is_outdated(stored)
    dearer.close()
