"""Which chains of certificates were verified lately, for which website. Pure, flat and bounded.

32 bytes a chain, so that a million websites fit into a process. What is kept of a chain is a
digest over the name it was verified for, the port, and the chain as it was served.
"""

from __future__ import annotations

import random
import struct
from hashlib import sha256
from typing import NamedTuple

from monitor.probes.net.chains import Chain

DAY_S = 86_400
"""A chain is verified anew after a day, and forgotten where it was not seen for one."""

_SPREAD = 1 / 8
"""By how much of a day that varies, so that what was verified in one hour is not due in one."""

MAX_CHAINS = 4
"""Of one name of one website: servers that take turns may have a certificate each."""

_RECORD = struct.Struct("<q16sII")
"""The key of a website's name, a digest, the second at which it ends, and when it was seen."""
_KEY, _TIMES, _SEEN = struct.Struct("<q"), struct.Struct("<II"), struct.Struct("<I")
_SIZE, _TIMES_AT, _SEEN_AT = _RECORD.size, 24, 28

_LEAST_MEAN = 32
"""Websites of a segment on average, when a table is full: as many, or up to twice as many."""

_CHAINS_A_WEBSITE = 5 / 3
"""Chains that a full segment holds for each of its websites. With the room that Python keeps for
a bytearray to grow, that is at most 64 bytes a website."""


class Proven(NamedTuple):
    """A chain that was verified: its digest, when that was, and the earliest notAfter of what
    proved it. Both in Unix seconds."""

    digest: bytes
    at_s: float
    end_s: float


def digest_of(name: str, port: int, chain: Chain) -> bytes:
    """128 bits of SHA-256; DER says where it ends, so nothing else need part the certificates."""
    return sha256(b"".join((f"{name}:{port}\n".encode(), *chain))).digest()[:16]


class KnownChains:
    """The chains of so many websites, for one process. Times are Unix seconds of this host.

    ``room``: websites, a tenth of them for names that only redirects lead to. Keys are 64 bits
    that nobody outside can guess; two alike cost a second connection and never a verdict, since
    digests have names in them.
    """

    def __init__(self, room: int) -> None:
        self._own = _Table(room - room // 10)
        self._of_redirects = _Table(room // 10)
        self._latest_s = 0.0
        self.generation = 0
        """Grows when all is forgotten: what was begun before must not be added after."""

    def __len__(self) -> int:
        """How many chains are kept."""
        return self._own.records + self._of_redirects.records

    def knows(self, key: int, now_s: float, *, redirected: bool = False) -> bool:
        """Whether a chain of this key is good now. Forgets those that are not."""
        self._turn_to(now_s)
        return self._table(redirected).knows(key, now_s)

    def recognises(
        self, key: int, digest: bytes, now_s: float, *, redirected: bool = False
    ) -> bool:
        """Whether this is a chain of this key, and good now: it was seen."""
        self._turn_to(now_s)
        return self._table(redirected).see(key, digest, now_s)

    def add(
        self, key: int, proven: Proven, generation: int, now_s: float, *, redirected: bool = False
    ) -> None:
        """Remember a chain that was verified while this was the generation."""
        self._turn_to(now_s)
        spread = _SPREAD * (2 * random.random() - 1)  # noqa: S311 # no secret
        end_s = min(proven.end_s, proven.at_s + DAY_S * (1 + spread))
        if generation == self.generation and now_s < end_s:
            self._table(redirected).add(key, proven.digest, int(end_s), int(now_s))

    def forget(self, key: int, *, redirected: bool = False) -> None:
        """Forget all chains of this key."""
        self._table(redirected).forget(key)

    def clear(self) -> None:
        """Forget everything."""
        self._own.clear()
        self._of_redirects.clear()
        self.generation += 1

    def _table(self, redirected: bool) -> _Table:
        return self._of_redirects if redirected else self._own

    def _turn_to(self, now_s: float) -> None:
        """A clock that was set back may be back where a certificate is not valid yet."""
        if now_s < self._latest_s:
            self.clear()
        self._latest_s = now_s


class _Table:
    """Records in segments that split one at a time as they fill: linear hashing (Litwin, 1980).

    Once there are as many segments as the room allows, the record that was not seen for longest
    makes way within its segment.
    """

    def __init__(self, room: int) -> None:
        self._most_segments = 1 << max(0, (room // _LEAST_MEAN).bit_length() - 1)
        self._mean = room / self._most_segments
        self._most_bytes = int(self._mean * _CHAINS_A_WEBSITE) * _SIZE
        self.clear()

    def clear(self) -> None:
        self.records = 0
        self._segments = [bytearray()]
        self._level = 1  # how many segments there were when the last doubling began

    def _segment(self, key: int) -> bytearray:
        number = key % (2 * self._level)
        return self._segments[number if number < len(self._segments) else key % self._level]

    def knows(self, key: int, now_s: float) -> bool:
        segment, sought = self._segment(key), _KEY.pack(key)
        at = _find(segment, sought)
        while at >= 0:
            if _good(segment, at, now_s):
                return True
            self._remove(segment, at)
            at = _find(segment, sought, at)
        return False

    def see(self, key: int, digest: bytes, now_s: float) -> bool:
        segment = self._segment(key)
        at = _find(segment, _KEY.pack(key) + digest)
        if at < 0:
            return False
        if not _good(segment, at, now_s):
            self._remove(segment, at)
            return False
        _SEEN.pack_into(segment, at + _SEEN_AT, int(now_s))
        return True

    def add(self, key: int, digest: bytes, end_s: int, seen_s: int) -> None:
        if self._most_bytes == 0:
            return
        segment, sought = self._segment(key), _KEY.pack(key)
        own = _find_all(segment, sought)
        same = next((at for at in own if segment.startswith(digest, at + _KEY.size)), None)
        if same is not None:
            self._remove(segment, same)
        elif len(own) >= MAX_CHAINS:
            self._remove(segment, min(own, key=lambda at: _seen_s(segment, at)))
        elif len(segment) >= self._most_bytes and len(self._segments) == self._most_segments:
            every = range(0, len(segment), _SIZE)
            self._remove(segment, min(every, key=lambda at: _seen_s(segment, at)))
        segment += _RECORD.pack(key, digest, end_s, seen_s)
        self.records += 1
        count = len(self._segments)
        if self.records > self._mean * count and count < self._most_segments:
            self._split()

    def forget(self, key: int) -> None:
        segment, sought = self._segment(key), _KEY.pack(key)
        at = _find(segment, sought)
        while at >= 0:
            self._remove(segment, at)
            at = _find(segment, sought, at)

    def _remove(self, segment: bytearray, at: int) -> None:
        """The last record takes the place of this one."""
        segment[at : at + _SIZE] = segment[-_SIZE:]
        del segment[-_SIZE:]
        self.records -= 1

    def _split(self) -> None:
        number = len(self._segments) - self._level
        old = bytes(self._segments[number])
        self._segments[number] = bytearray()
        self._segments.append(bytearray())
        for at in range(0, len(old), _SIZE):
            self._segment(_KEY.unpack_from(old, at)[0]).extend(old[at : at + _SIZE])
        if len(self._segments) == 2 * self._level:
            self._level *= 2


def _find(segment: bytearray, sought: bytes, begin: int = 0) -> int:
    """Where a record begins so, from ``begin`` on, which is where one begins; -1: none does."""
    at = segment.find(sought, begin)
    while at % _SIZE and at >= 0:
        at = segment.find(sought, at + 1)
    return at


def _find_all(segment: bytearray, sought: bytes) -> list[int]:
    places = list[int]()
    at = _find(segment, sought)
    while at >= 0:
        places.append(at)
        at = _find(segment, sought, at + _SIZE)
    return places


def _good(segment: bytearray, at: int, now_s: float) -> bool:
    end_s, seen_s = _TIMES.unpack_from(segment, at + _TIMES_AT)
    return bool(now_s < end_s and now_s - seen_s <= DAY_S)


def _seen_s(segment: bytearray, at: int) -> int:
    return int(_SEEN.unpack_from(segment, at + _SEEN_AT)[0])
