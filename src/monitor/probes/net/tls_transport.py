"""TLS over a plain transport: the protocol of the connection below, the transport of that above.

The event loop's own TLS does the same for any protocol, at a third more of its cost: it makes
timers, decodes the peer's certificate and prepares for an orderly shutdown, none of which a check
has a use for. Here a handshake is judged before its last message leaves, and what a peer may send
that is no data is bounded.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

from monitor.probes.net import chains
from monitor.probes.net.handshake import Handshake, UnknownChain
from monitor.probes.net.phases import Phase, Progress

MAX_HANDSHAKE_BYTES = 192 * 1024
"""What a server may send in a handshake. OpenSSL takes 100 kB of certificates."""

MAX_IDLE_BYTES = 32 * 1024
"""What a server may send after it that is no data, such as session tickets: two records of the
longest kind (RFC 8446, section 5.2)."""

_RECORD_BYTES = 64
"""And with each record of data: what a record adds to its data in the most wasteful cipher."""

_RECORD_CHARGE = 256
"""What each record counts for beside its bytes: one that tells of new keys has 27, and is as dear
to take as one of thousands."""

_HEADER_BYTES = 5
"""Of a record; its last two are the size of the rest (RFC 8446, section 5.1)."""

_SLICE = 16 * 1024
"""How much OpenSSL is given at once: in one call it reads all messages that are no data."""

_LONGEST_RECORD = 16 * 1024

_AGAIN = (ssl.SSLWantReadError, ssl.SSLSyscallError)
"""More has to arrive. Over memory a failed system call means nothing else, either."""


class TlsTransport(asyncio.Transport, asyncio.Protocol):
    """Makes the handshake once it is connected, and connects ``protocol`` after it.

    ``established`` waits for that. Errors reach the protocol as those of a plain connection do.
    """

    __slots__ = (
        "_established",
        "_handshake",
        "_header",
        "_idle_bytes_left",
        "_incoming",
        "_outgoing",
        "_plain",
        "_progress",
        "_protocol",
        "_record_left",
        "_tls",
    )

    _tls: ssl.SSLObject

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        handshake: Handshake,
        protocol: asyncio.Protocol,
        progress: Progress,
    ) -> None:
        self._handshake: Handshake | None = handshake  # None: it is over
        self._protocol = protocol
        self._progress = progress
        self._plain: asyncio.Transport | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._idle_bytes_left = MAX_HANDSHAKE_BYTES
        self._record_left, self._header = 0, b""
        # Of errors, too: nobody has to retrieve one if the check is cancelled meanwhile.
        self._established: asyncio.Future[Exception | None] = loop.create_future()

    async def established(self) -> None:
        """Wait for the handshake. Raises what ended it: OSError, ``UnknownChain`` among them, or
        ValueError where the name is one that no server can be asked for."""
        try:
            error = await self._established
        except asyncio.CancelledError:
            self.abort()
            raise
        if error is not None:
            raise error

    # The protocol of the plain connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._plain = transport  # type: ignore[assignment] # asyncio promises no more
        self._progress.enter(Phase.TLS)
        handshake = self._handshake
        assert handshake is not None
        try:
            self._tls = handshake.context.wrap_bio(
                self._incoming, self._outgoing, server_hostname=handshake.name
            )
        except ValueError as error:
            self._conclude(error)
            return
        self._shake_hands(handshake)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or hand on what the peer sent."""
        if len(data) <= _SLICE:
            self._take(data)
            return
        for begin in range(0, len(data), _SLICE):
            if self._plain is not None:
                self._take(data[begin : begin + _SLICE])

    def connection_lost(self, exc: Exception | None) -> None:
        """The end of the connection below is that of the one above."""
        if self._plain is None:
            return
        self._plain = None
        if self._handshake is not None:
            self._conclude(exc or ConnectionResetError())
        else:
            self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Hand it on."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """Hand it on."""
        self._protocol.resume_writing()

    def _take(self, data: bytes) -> None:
        if self._plain is None:
            return
        self._incoming.write(data)
        self._idle_bytes_left -= len(data) + _RECORD_CHARGE * self._records_begun(data)
        if self._handshake is not None:
            self._shake_hands(self._handshake)
        if self._handshake is None:
            self._read()
        if self._idle_bytes_left < 0 and self._plain is not None:
            self._fail(_too_much())

    def _records_begun(self, data: bytes) -> int:
        """How many records begin in what came next."""
        if self._header:
            data = self._header + data
        at, count, end = self._record_left, 0, len(data)
        while at + _HEADER_BYTES <= end:
            at += _HEADER_BYTES + (data[at + 3] << 8 | data[at + 4])
            count += 1
        self._header = data[at:] if at < end else b""
        self._record_left = max(at - end, 0)
        return count

    def _shake_hands(self, handshake: Handshake) -> None:
        tls, progress = self._tls, self._progress
        error: Exception | None
        try:
            tls.do_handshake()
            progress.chain = chains.served(tls)
            error = None if handshake.accepts(tls, progress.chain) else UnknownChain()
        except _AGAIN:
            self._flush()
            return
        except Exception as failure:  # noqa: BLE001 # for whoever waits for the handshake
            progress.chain = chains.served(tls)
            error = failure
        self._conclude(error)

    def _conclude(self, error: Exception | None) -> None:
        """End the handshake. The last message of one that succeeded leaves with the request."""
        self._handshake = None
        if error is not None:
            self.abort()
        else:
            self._idle_bytes_left = MAX_IDLE_BYTES
            self._protocol.connection_made(self)
            self._flush()
        if not self._established.done():
            self._established.set_result(error)

    def _read(self) -> None:
        """Hand on what can be decrypted. A peer's close_notify is its end of the connection."""
        tls, incoming = self._tls, self._incoming
        try:
            while self._plain is not None and (incoming.pending or tls.pending()):
                data = tls.read(_LONGEST_RECORD)
                if not data:
                    self._fail(None)
                    return
                self._idle_bytes_left += len(data) + _RECORD_BYTES + _RECORD_CHARGE
                self._protocol.data_received(data)
        except _AGAIN:
            pass
        except ssl.SSLError as error:
            self._fail(error)
            return
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and self._plain is not None:
            self._plain.write(self._outgoing.read())

    def _fail(self, error: Exception | None) -> None:
        """End the connection, and say so above."""
        if self._handshake is not None:
            self._conclude(error or ConnectionResetError())
            return
        self.abort()
        self._protocol.connection_lost(error)

    # The transport of the protocol above

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt all of it and send it."""
        if self._plain is None:
            return
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except ssl.SSLError as error:
            self._fail(error)
        self._flush()

    def abort(self) -> None:
        """Close the connection at once. Nothing is called any more."""
        plain, self._plain = self._plain, None
        if plain is not None:
            plain.abort()

    def close(self) -> None:
        """See ``abort``: an orderly shutdown would wait for a peer that need not answer."""
        self.abort()

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._plain is None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """``ssl_object``, or what the plain transport knows."""
        if name == "ssl_object":
            return self._tls
        return default if self._plain is None else self._plain.get_extra_info(name, default)


def _too_much() -> ssl.SSLError:
    error = ssl.SSLError(ssl.SSLErrorNumber.SSL_ERROR_SSL, "too many messages without data")
    error.reason = "TOO_MANY_MESSAGES_WITHOUT_DATA"
    return error
