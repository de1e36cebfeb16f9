"""The groups that a TLS handshake offers for its key exchange (RFC 8446, section 4.2.7).

Python up to 3.14 cannot set them. OpenSSL reads them from the file that OPENSSL_CONF names when the
process starts; ours is ``CONFIGURATION``. What came of it is seen in a ClientHello.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

CONFIGURATION: Final = Path(__file__).with_name("openssl.cnf")
"""Our file for OPENSSL_CONF, in a checkout and in an installed package."""

X25519, P256, P384 = 29, 23, 24
X25519MLKEM768 = 4588
"""Numbers of IANA's registry "TLS Supported Groups"."""

OFFERED: Final = (X25519, P256, P384)
"""What ``CONFIGURATION`` sets, best first: all that browsers offer, but for the post-quantum one.
Its key share costs more than the rest of a handshake's key exchange. X25519 alone would not do: in
TLS 1.2 the curve of an ECDSA certificate must be among them (RFC 8422, section 5.1)."""

_SUPPORTED_GROUPS = 10
_RECORD_AND_MESSAGE_HEAD, _VERSION_AND_RANDOM = 5 + 4, 2 + 32


def offered() -> tuple[int, ...]:
    """The groups that clients of this process offer, best first."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return in_client_hello(outgoing.read())


def in_client_hello(record: bytes) -> tuple[int, ...]:
    """The groups in a ClientHello that fills one TLS record (RFC 8446, section 4.1.2).

    Raises struct.error or IndexError for what is no ClientHello.
    """
    for kind, body in _extensions(record):
        if kind == _SUPPORTED_GROUPS:
            (length,) = struct.unpack_from("!H", body)
            return struct.unpack_from(f"!{length // 2}H", body, 2)
    return ()


def _extensions(record: bytes) -> Iterator[tuple[int, bytes]]:
    at = _RECORD_AND_MESSAGE_HEAD + _VERSION_AND_RANDOM
    at += 1 + record[at]  # the session's id
    at += 2 + struct.unpack_from("!H", record, at)[0]  # ciphers
    at += 1 + record[at]  # compression
    (length,) = struct.unpack_from("!H", record, at)
    at, end = at + 2, at + 2 + length
    while at < end:
        kind, size = struct.unpack_from("!HH", record, at)
        yield kind, record[at + 4 : at + 4 + size]
        at += 4 + size
