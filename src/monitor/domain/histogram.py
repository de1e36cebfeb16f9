"""Histograms of milliseconds that merge: a day's is the sum of its hours'. Pure.

Buckets grow by 2**(1/32): bucket i holds the values in (base**i, base**(i + 1)]. These are the
buckets of OpenTelemetry's exponential histograms of scale 5 ("Data Model: ExponentialHistogram")
and of Prometheus' native histograms of schema 5, but that theirs are numbered from another end.
A value is taken for a point between the edges of its bucket that is within 1.09 % of both.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, compress, repeat
from operator import mul, sub

from msgspec import Struct

BUCKETS_PER_DOUBLING = 32
BASE = math.exp2(1 / BUCKETS_PER_DOUBLING)

_LEAST = -320
"""The bucket of 0.001 ms, the least that stores tell from nothing."""
_UNDERFLOW = _LEAST - 1
"""Holds what is less, and 0."""
_MOST_BUCKETS = 2**16
"""More than finite numbers have."""
_SEVEN_BITS = bytes(range(128))
_EIGHT_BITS = bytes(range(128, 256))


class Histogram(Struct, frozen=True):
    """It stays encoded, and is read where its values are asked for: most are only stored or merged.

    ``encoded``: varints, for each bucket that is not empty, in ascending order, its distance from
    the one before and its count; the first distance is from the bucket of 0.
    """

    encoded: bytes = b""

    @classmethod
    def of(cls, values_ms: Iterable[float]) -> Histogram:
        """The histogram of these durations. Raises ValueError for one that is not finite."""
        return cls.of_counts(_buckets(list(values_ms)))

    @classmethod
    def of_counts(cls, counts: Mapping[int, int]) -> Histogram:
        """The histogram with so many values in each of these buckets, at least one in each."""
        buckets = sorted(counts)
        above = [bucket - _UNDERFLOW for bucket in buckets]
        return cls(_encoded(above, [counts[bucket] for bucket in buckets]))

    @classmethod
    def merged(cls, histograms: Iterable[Histogram]) -> Histogram:
        """All of these in one; the order makes no difference.

        Raises ValueError for a bucket that no duration falls in.
        """
        parts = [histogram for histogram in histograms if histogram.encoded]
        if len(parts) == 1:
            return parts[0]
        numbers = [decode_varints(part.encoded) for part in parts]
        size = max((sum(n[::2]) + 1 for n in numbers), default=0)
        if size > _MOST_BUCKETS:
            raise ValueError(f"no duration is in bucket {size}")
        sums = [0] * size
        for row in numbers:
            at = 0
            for distance, count in zip(row[::2], row[1::2], strict=True):
                at += distance
                sums[at] += count
        return cls(_encoded(list(compress(range(len(sums)), sums)), list(filter(None, sums))))

    def counts(self) -> Iterable[tuple[int, int]]:
        """(bucket, values in it) in ascending order, without empty buckets."""
        numbers = decode_varints(self.encoded)
        if numbers:
            numbers[0] += _UNDERFLOW
        return zip(accumulate(numbers[::2]), numbers[1::2], strict=True)

    @property
    def count(self) -> int:
        """How many values it holds."""
        return sum(decode_varints(self.encoded)[1::2])

    def quantile(self, q: float) -> float | None:
        """The value at rank q n of n, rounded half up and at least 1; None if there is none.

        That is the rank of every percentile here. Within 1.1 % of the value itself.
        """
        return self.quantiles([q])[0]

    def quantiles(self, qs: Sequence[float]) -> list[float | None]:
        """These quantiles, each as ``quantile``."""
        if not self.encoded:
            return [None] * len(qs)
        buckets, counts = zip(*self.counts(), strict=True)
        ranks = list(accumulate(counts))
        at = (bisect_left(ranks, quantile_rank(q, ranks[-1])) for q in qs)
        return [value_ms(buckets[i]) for i in at]

    @property
    def mean_ms(self) -> float | None:
        """An estimate, within 1.1 %; None without values."""
        rows = list(self.counts())
        count = sum(n for _, n in rows)
        return math.fsum(value_ms(bucket) * n for bucket, n in rows) / count if count else None

    def encode(self) -> bytes:
        """As it is stored."""
        return self.encoded

    @classmethod
    def decode(cls, encoded: bytes) -> Histogram:
        """The histogram from ``encode``. Raises ValueError for anything else."""
        ends = len(encoded.translate(None, _EIGHT_BITS))
        if encoded and encoded[-1] > 127:
            raise ValueError("a number is cut short")
        if ends % 2:
            raise ValueError("a histogram has a count for each bucket")
        return cls(encoded)


def quantile_rank(q: float, count: int) -> int:
    """The rank of this quantile among ``count`` sorted values; 1 is the lowest. 0 if there is none.

    q n, rounded half up, as InfluxDB's PERCENTILE does.
    """
    return min(max(math.floor(q * count + 0.5), 1), count)


def _encoded(buckets: Sequence[int], counts: Sequence[int]) -> bytes:
    """As ``Histogram.encoded``. ``buckets``: counted from that of 0, ascending."""
    numbers = [0] * (2 * len(buckets))
    numbers[::2] = map(sub, buckets, [0, *buckets])
    numbers[1::2] = counts
    if max(numbers[1:], default=128) < 128:  # as nearly always
        return _varint(numbers[0]) + bytes(numbers[1:])
    return encode_varints(numbers)


def _buckets(values_ms: Sequence[float]) -> Mapping[int, int]:
    """How many of these values are in each bucket."""
    if not values_ms:
        return {}
    if not math.isfinite(sum(values_ms)):
        raise ValueError("what is not finite is no duration")
    if min(values_ms) <= 0.0:
        return Counter(map(_bucket, values_ms))
    doublings = map(math.log2, values_ms)
    ends = Counter(map(math.ceil, map(mul, doublings, repeat(BUCKETS_PER_DOUBLING))))
    if min(ends) <= _LEAST:
        return Counter(map(_bucket, values_ms))
    return {end - 1: count for end, count in ends.items()}


def _bucket(value_ms: float) -> int:
    if value_ms <= 0.0:
        return _UNDERFLOW
    bucket = math.ceil(math.log2(value_ms) * BUCKETS_PER_DOUBLING) - 1
    return max(bucket, _UNDERFLOW)


def value_ms(bucket: int) -> float:
    """The harmonic mean of a bucket's edges: no value in it is further away than any other way."""
    if bucket == _UNDERFLOW:
        return 0.0
    return 2.0 * math.exp2((bucket + 1) / BUCKETS_PER_DOUBLING) / (1.0 + BASE)


def encode_varints(numbers: Iterable[int]) -> bytes:
    """Numbers from 0 on, seven bits a byte, the lowest first, the highest bit set in all but the
    last: base 128 varints, as of Protocol Buffers.
    """
    return b"".join([_ONE_BYTE[n] if n < 128 else _varint(n) for n in numbers])


_ONE_BYTE = [bytes([n]) for n in _SEVEN_BITS]


def _varint(number: int) -> bytes:
    encoded, rest = bytearray(), number
    while rest > 127:
        encoded.append(rest & 127 | 128)
        rest >>= 7
    encoded.append(rest)
    return bytes(encoded)


def decode_varints(encoded: bytes) -> list[int]:
    """The numbers from ``encode_varints``. Raises ValueError where the last one is cut short."""
    numbers: list[int] = []
    number = shift = 0
    last = len(encoded.rstrip(_SEVEN_BITS))
    head = last + 1 if last else 0  # from here on every number is one byte, as nearly all are
    for byte in encoded[:head]:
        number |= (byte & 127) << shift
        if byte > 127:
            shift += 7
        else:
            numbers.append(number)
            number = shift = 0
    if shift:
        raise ValueError("a number is cut short")
    numbers.extend(encoded[head:])
    return numbers
