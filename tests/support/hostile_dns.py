"""DNS answers that are wrong in one way each (RFC 1035, section 4): for ``DnsServer.table``."""

from __future__ import annotations

import struct
from collections.abc import Callable

from support.dns import NXDOMAIN, REFUSED, SERVFAIL, SILENT, Answer

A, CNAME = 1, 5
_ANSWER, _TRUNCATED = 0x8180, 0x0200
_QUESTION_NAME = b"\xc0\x0c"
"""A pointer to the name that was asked for."""

Make = Callable[[bytes], bytes]


def _question(query: bytes) -> bytes:
    return query[12 : query.index(b"\0", 12) + 5]


def _answer(query: bytes, *records: bytes, flags: int = _ANSWER, count: int | None = None) -> bytes:
    known = len(records) if count is None else count
    return (
        query[:2] + struct.pack("!5H", flags, 1, known, 0, 0) + _question(query) + b"".join(records)
    )


def _record(name: bytes, kind: int, data: bytes, size: int | None = None) -> bytes:
    length = len(data) if size is None else size
    return name + struct.pack("!HHIH", kind, 1, 60, length) + data


def _encoded(name: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def noise(query: bytes) -> bytes:
    """Not an answer to anything."""
    return b"\xff" * 60


def garbled(query: bytes) -> bytes:
    """The head of an answer, and noise."""
    return query[:2] + struct.pack("!5H", _ANSWER, 1, 3, 0, 0) + b"\xfe" * 60


def cut_short(query: bytes) -> bytes:
    """A record that claims more bytes than there are."""
    return _answer(query, _record(_QUESTION_NAME, A, b"\x7f\0\0\1", size=4000))


def short_address(query: bytes) -> bytes:
    """An IPv4 address of three bytes."""
    return _answer(query, _record(_QUESTION_NAME, A, b"\x7f\0\0"))


def pointer_loop(query: bytes) -> bytes:
    """A name that is a pointer to itself (RFC 1035, section 4.1.4)."""
    here = 12 + len(_question(query))
    return _answer(query, _record(struct.pack("!H", 0xC000 | here), A, b"\x7f\0\0\1"))


def more_counted(query: bytes) -> bytes:
    """One record, announced as 60,000."""
    return _answer(query, _record(_QUESTION_NAME, A, b"\x7f\0\0\1"), count=60_000)


def always_truncated(query: bytes) -> bytes:
    """Ask again over TCP, it says; there, too."""
    return _answer(query, flags=_ANSWER | _TRUNCATED)


def of_another(query: bytes) -> bytes:
    """An answer to a question that nobody asked."""
    other = _encoded("other.test") + _question(query)[-4:]
    record = _record(_QUESTION_NAME, A, b"\x7f\0\0\1")
    return query[:2] + struct.pack("!5H", _ANSWER, 1, 1, 0, 0) + other + record


def aliases(*names: str) -> Make:
    """Each name an alias of the next, and never an address."""

    def make(query: bytes) -> bytes:
        owners = [_QUESTION_NAME, *map(_encoded, names)]
        return _answer(
            query,
            *(_record(o, CNAME, _encoded(n)) for o, n in zip(owners, names, strict=False)),
        )

    return make


HOSTILE: dict[str, Answer] = {
    "silent.test": SILENT,
    "nowhere.test": NXDOMAIN,
    "empty.test": [],
    "failing.test": SERVFAIL,
    "refusing.test": REFUSED,
    "noise.test": noise,
    "garbled.test": garbled,
    "cut-short.test": cut_short,
    "short-address.test": short_address,
    "pointer-loop.test": pointer_loop,
    "more-counted.test": more_counted,
    "always-truncated.test": always_truncated,
    "of-another.test": of_another,
    "alias-of-itself.test": aliases("alias-of-itself.test"),
    "alias-ring.test": aliases("b.ring.test", "alias-ring.test"),
    "alias-chain.test": aliases(*(f"{n}.chain.test" for n in range(25))),
    "crowd.test": [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(500)],
    "inner.test": ["127.0.0.2"],
    "metadata.test": ["169.254.169.254", "fd00:ec2::254"],
    "six.test": ["::1"],
    "xn--bcher-kva.test": ["127.0.0.1"],
    "xn--n3h.test": ["127.0.0.1"],
    "good.test": ["127.0.0.1"],
}
"""Names with such answers, and the plain ones that targets in ``hostile_farm`` are reached by."""
