"""The response times of a sliding window, as a row of counts: hours come and go. Pure.

The buckets are those of ``domain.histogram``. A row of counts is larger than what that stores, and
costs a tenth to read, change and write: every website's is changed every hour.
"""

from __future__ import annotations

import sys
from array import array
from struct import Struct as Layout

from monitor.domain.histogram import Histogram, quantile_rank, value_ms

_HEAD = Layout("<hc")
"""The bucket of the first count, and the type of all of them: as small as the largest allows."""

_TYPES = {"B": 2**8, "H": 2**16, "I": 2**32}


class Latencies:
    """Counts of values, from ``first``, the bucket of the first count, on."""

    def __init__(self, first: int = 0, counts: array[int] | None = None) -> None:
        self._first = first
        self._counts = counts or array("B")

    @classmethod
    def of(cls, histogram: Histogram) -> Latencies:
        """Those of a histogram."""
        latencies = cls()
        latencies.add(histogram)
        return latencies

    def add(self, histogram: Histogram) -> None:
        """Add the values of a histogram."""
        rows = list(histogram.counts())
        if not rows:
            return
        self._reach(rows[0][0], rows[-1][0])
        first = self._first
        for bucket, count in rows:
            at = bucket - first
            try:
                self._counts[at] += count
            except OverflowError:
                self._counts = array(_type_for(self._counts[at] + count), self._counts)
                self._counts[at] += count

    def _reach(self, lowest: int, highest: int) -> None:
        """Make room for these buckets and those between."""
        if not self._counts:
            self._first = lowest
        if lowest < self._first:
            self._counts = self._zeros(self._first - lowest) + self._counts
            self._first = lowest
        missing = highest - self._first + 1 - len(self._counts)
        if missing > 0:
            self._counts += self._zeros(missing)

    def _zeros(self, number: int) -> array[int]:
        return array(self._counts.typecode, bytes(number * self._counts.itemsize))

    def remove(self, histogram: Histogram) -> None:
        """Take away the values of a histogram.

        Raises ValueError where they are not in it; what is left is then of no use.
        """
        first, counts = self._first, self._counts
        for bucket, count in histogram.counts():
            at = bucket - first
            if not 0 <= at < len(counts) or counts[at] < count:
                raise ValueError(f"bucket {bucket} has not so many values")
            counts[at] -= count
        self._trim()

    def _trim(self) -> None:
        """Drop empty buckets at both ends."""
        counts = self._counts
        while counts and not counts[-1]:
            counts.pop()
        empty = next((i for i, count in enumerate(counts) if count), len(counts))
        if empty:
            del counts[:empty]
            self._first += empty

    def quantile(self, q: float) -> float | None:
        """As ``Histogram.quantile``."""
        total = sum(self._counts)
        above = total - quantile_rank(q, total)
        for at in range(len(self._counts) - 1, -1, -1):
            above -= self._counts[at]
            if above < 0:
                return value_ms(self._first + at)
        return None

    def encode(self) -> bytes:
        """A bucket, a type, and counts of that type; b"" without values."""
        if not self._counts:
            return b""
        counts = self._counts
        if counts.typecode != "B":
            counts = array(_type_for(max(counts)), counts)
        return _HEAD.pack(self._first, counts.typecode.encode()) + _little(counts).tobytes()

    @classmethod
    def decode(cls, encoded: bytes) -> Latencies:
        """Those from ``encode``. Raises ValueError for anything else."""
        if not encoded:
            return cls()
        if len(encoded) < _HEAD.size:
            raise ValueError("too short")
        first, kind = _HEAD.unpack_from(encoded)
        if kind.decode("latin-1") not in _TYPES:
            raise ValueError(f"{kind!r} is no type of counts")
        counts = array(kind.decode())
        counts.frombytes(encoded[_HEAD.size :])
        return cls(first, _little(counts))


def _type_for(largest: int) -> str:
    """The smallest type that holds this count."""
    return next(name for name, end in _TYPES.items() if largest < end)


def _little(counts: array[int]) -> array[int]:
    """From or to little-endian; not in place where it changes."""
    if sys.byteorder == "big":
        counts = counts[:]
        counts.byteswap()
    return counts
