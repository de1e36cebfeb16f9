"""Histograms of milliseconds that merge: a day's is the sum of its hours'. Pure.

Buckets grow by 2**(1/32): bucket i holds the values in (base**i, base**(i + 1)]. These are the
buckets of OpenTelemetry's exponential histograms of scale 5 ("Data Model: ExponentialHistogram")
and of Prometheus' native histograms of schema 5, but that theirs are numbered from another end.
A value is taken for a point between the edges of its bucket that is within 1.09 % of both.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import accumulate, islice

from msgspec import Struct

BUCKETS_PER_DOUBLING = 32
BASE = math.exp2(1 / BUCKETS_PER_DOUBLING)

_LEAST = -320
"""The bucket of 0.001 ms, the least that stores tell from nothing."""
_UNDERFLOW = _LEAST - 1
"""Holds what is less, and 0."""


class Histogram(Struct, frozen=True):
    """``counts``: (bucket, values in it) in ascending order, without empty buckets."""

    counts: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, values_ms: Iterable[float]) -> Histogram:
        """The histogram of these durations. Raises ValueError for one that is not finite."""
        return cls(tuple(sorted(Counter(map(_bucket, values_ms)).items())))

    @classmethod
    def merged(cls, histograms: Iterable[Histogram]) -> Histogram:
        """All of these in one; the order makes no difference."""
        sums: dict[int, int] = {}
        for histogram in histograms:
            for bucket, count in histogram.counts:
                sums[bucket] = sums.get(bucket, 0) + count
        return cls(tuple(sorted(sums.items())))

    def minus(self, other: Histogram) -> Histogram:
        """What remains without the values of ``other``.

        Raises ValueError where it holds more than this one.
        """
        rest = dict(self.counts)
        for bucket, count in other.counts:
            rest[bucket] = rest.get(bucket, 0) - count
            if rest[bucket] < 0:
                raise ValueError(f"bucket {bucket} has {-rest[bucket]} values too few")
        return Histogram(tuple((bucket, count) for bucket, count in sorted(rest.items()) if count))

    @property
    def count(self) -> int:
        """How many values it holds."""
        return sum(count for _, count in self.counts)

    def quantile(self, q: float) -> float | None:
        """The value at rank q n of n, rounded half up and at least 1; None if there is none.

        That is the rank of every percentile here. Within 1.1 % of the value itself.
        """
        rank = quantile_rank(q, self.count)
        for bucket, count in self.counts:
            rank -= count
            if rank <= 0:
                return _value_ms(bucket)
        return None

    @property
    def mean_ms(self) -> float | None:
        """An estimate, within 1.1 %; None without values."""
        count = self.count
        if not count:
            return None
        return math.fsum(_value_ms(bucket) * n for bucket, n in self.counts) / count

    def encode(self) -> bytes:
        """Varints: for each bucket its distance from the one before, then its count."""
        return encode_varints(_distances(self.counts))

    @classmethod
    def decode(cls, encoded: bytes) -> Histogram:
        """The histogram from ``encode``. Raises ValueError for anything else."""
        numbers = decode_varints(encoded)
        if len(numbers) % 2:
            raise ValueError("a histogram has a count for each bucket")
        buckets = islice(accumulate(numbers[::2], initial=_UNDERFLOW), 1, None)
        return cls(tuple(zip(buckets, numbers[1::2], strict=True)))


def quantile_rank(q: float, count: int) -> int:
    """The rank of this quantile among ``count`` sorted values; 1 is the lowest. 0 if there is none.

    q n, rounded half up, as InfluxDB's PERCENTILE does.
    """
    return min(max(math.floor(q * count + 0.5), 1), count)


def _bucket(value_ms: float) -> int:
    if not math.isfinite(value_ms):
        raise ValueError(f"{value_ms} ms is no duration")
    if value_ms <= 0.0:
        return _UNDERFLOW
    bucket = math.ceil(math.log2(value_ms) * BUCKETS_PER_DOUBLING) - 1
    return max(bucket, _UNDERFLOW)


def _value_ms(bucket: int) -> float:
    """The harmonic mean of a bucket's edges: no value in it is further away than any other way."""
    if bucket == _UNDERFLOW:
        return 0.0
    return 2.0 * math.exp2((bucket + 1) / BUCKETS_PER_DOUBLING) / (1.0 + BASE)


def _distances(counts: Iterable[tuple[int, int]]) -> Iterator[int]:
    before = _UNDERFLOW
    for bucket, count in counts:
        yield bucket - before
        yield count
        before = bucket


def encode_varints(numbers: Iterable[int]) -> bytes:
    """Numbers from 0 on, seven bits a byte, the lowest first, the highest bit set in all but the
    last: base 128 varints, as of Protocol Buffers.
    """
    encoded = bytearray()
    for number in numbers:
        rest = number
        while rest > 127:
            encoded.append(rest & 127 | 128)
            rest >>= 7
        encoded.append(rest)
    return bytes(encoded)


def decode_varints(encoded: bytes) -> list[int]:
    """The numbers from ``encode_varints``. Raises ValueError where the last one is cut short."""
    numbers: list[int] = []
    number = shift = 0
    for at, byte in enumerate(encoded):
        if not shift and byte < 128 and encoded[at:].isascii():
            return numbers + list(encoded[at:])  # of one byte each, as nearly all are
        number |= (byte & 127) << shift
        if byte > 127:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    if shift:
        raise ValueError("a number is cut short")
    return numbers
