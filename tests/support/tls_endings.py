"""Every way in which a server may stop, at every point of a connection."""

from __future__ import annotations

import itertools
import math
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from monitor.domain.outcome import Reason
from support.scripted_tls import (
    CLOSE_NOTIFY,
    CLOSED,
    INTERNAL_ERROR,
    OK,
    RESET,
    STALLED,
    Behaviour,
    Connection,
    Script,
    fine,
)

ENDINGS = {
    "closes": CLOSED,
    "resets": RESET,
    "stalls": STALLED,
    "fails": INTERNAL_ERROR,
    "says goodbye": CLOSE_NOTIFY,
    "raves": b"\xff" * 64,
    "says nothing": b"\x17\x03\x03\x00\x00",
}
"""What a server may do in place of its next record, in the clear."""

RECORDS = (0, 0.5, 1, 2, 3, 3.5, 4)
"""After how many records of its handshake it may; it has six or more."""


def _after(said: bytes, *, reads: bool = True, notify: bool = False) -> Behaviour:
    async def behave(connection: Connection) -> None:
        if reads:
            await connection.request()
        await connection.write(said)
        if notify:
            await connection.close_notify()

    return behave


_HEAD = b"HTTP/1.1 200 OK\r\n"
_ENDLESS = _HEAD + b"\r\nfine"
_LENGTHLESS = "within a body without a length"
_ANSWERED = "after a goodbye at the end of the answer"
_ENDED = "after a goodbye at the end of a body without a length"
AFTERWARDS = {
    "before the request": _after(b"", reads=False),
    "after the request": _after(b""),
    "within the head": _after(_HEAD),
    "within the body": _after(OK[:-1]),
    _LENGTHLESS: _after(_ENDLESS),
    "after the answer": _after(OK),
    "after a goodbye instead of an answer": _after(b"", notify=True),
    "after a goodbye within the head": _after(_HEAD, notify=True),
    "after a goodbye within the body": _after(OK[:-1], notify=True),
    _ENDED: _after(_ENDLESS, notify=True),
    _ANSWERED: _after(OK, notify=True),
}


_GOODBYE = "after a goodbye"
_CUT, _TLS = Reason.CONNECTION_RESET, Reason.TLS_ERROR
_LATE, _TLS_LATE = Reason.RESPONSE_TIMEOUT, Reason.TLS_TIMEOUT
_TRASH = frozenset({"fails", "says goodbye", "raves", "says nothing"})
"""What is no record of this connection's."""

_HANDSHAKE_CUT = _CUT, "connection closed by {peer} during the TLS handshake"
_HANDSHAKE_LATE = _TLS_LATE, "(TLS handshake with {peer})"
_REFUSED = _TLS, "TLS handshake with {peer} failed: "
_UNANSWERED = _CUT, "connection closed by {peer} without a complete answer"
_HALF = _CUT, "connection closed by {peer} before the end of the answer"
_UP = None, ""

Finding = tuple[Reason | None, str]


@dataclass(frozen=True)
class End:
    """Where and how a server ends a connection: within its handshake, after so many ``records``,
    or in its ``behaviour``."""

    version: str
    where: str
    how: str
    behaviour: Behaviour = fine
    records: float = float("inf")

    def __str__(self) -> str:
        return f"{self.version}, {self.where}: {self.how}"

    def script(self, context: ssl.SSLContext) -> Script:
        return Script(context, self.behaviour, self.records, ENDINGS[self.how])

    def finding(self) -> Finding:
        """The reason of a check, None where the website is up, and a part of its evidence."""
        if self.records < math.inf:
            return self._in_handshake()
        return self._of_answer() if self.how != "stalls" else self._of_silence()

    def _in_handshake(self) -> Finding:
        if self.how in {"closes", "resets"}:
            return _HANDSHAKE_CUT
        if self.how == "stalls" or self._swallowed():
            return _HANDSHAKE_LATE
        in_the_clear = self.version == "1.2" or not self.records
        return _HANDSHAKE_CUT if self.how == "says goodbye" and in_the_clear else _REFUSED

    def _swallowed(self) -> bool:
        """Whether what is said is taken for the rest of a record, which is not whole with it."""
        if not self.records % 1:
            return False
        return self.how != "raves" or self.records > 1

    def _of_answer(self) -> Finding:
        if self.where == "after the answer" or self.where in {_ANSWERED, _ENDED}:
            return _UP
        if self.where.startswith(_GOODBYE):
            return _HALF if "body" in self.where else _UNANSWERED
        if self.how in _TRASH:
            return _REFUSED
        if self.how == "resets":
            return _CUT, "connection reset by {peer}"
        if self.where == _LENGTHLESS:
            return _UP
        return _HALF if "body" in self.where else _UNANSWERED

    def _of_silence(self) -> Finding:
        if "goodbye" in self.where or self.where == "after the answer":
            return self._of_answer()
        began = "within" in self.where
        return _LATE, "(reading the response)" if began else "(waiting for the response)"


def ends() -> Iterator[End]:
    """All of them. Left out is what the loops differ in: how a reset goes with what came before
    it, and trash with an answer that was whole."""
    for version, how in itertools.product(("1.2", "1.3"), ENDINGS):
        for records in RECORDS:
            yield End(version, f"after {records} records", how, records=records)
        for where, behaviour in AFTERWARDS.items():
            overtaken = how == "resets" and "goodbye" in where
            if not overtaken and not (how in _TRASH and where == "after the answer"):
                yield End(version, where, how, behaviour)
