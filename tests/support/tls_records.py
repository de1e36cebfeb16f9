"""Records that no TLS library would write, sealed with the keys of a server's own connection.

OpenSSL tells the secrets of its handshakes (SSLKEYLOGFILE, RFC 9850); from there on a server may
say anything that its client can decrypt: floods of tickets, requests for new keys, empty records.
"""

from __future__ import annotations

import hmac
import os
import ssl
import struct
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from support.scripted_tls import Connection

ALERT, HANDSHAKE, DATA = 21, 22, 23
CIPHER_1_2 = "ECDHE-ECDSA-AES128-GCM-SHA256"

HELLO_REQUEST = b"\0\0\0\0"  # RFC 5246, section 7.4.1.1
KEY_UPDATE, KEY_UPDATE_REQUESTED = b"\x18\0\0\1\0", b"\x18\0\0\1\1"  # RFC 8446, section 4.6.3
CERTIFICATE_REQUEST = b"\x0d\0\0\x0b\0\0\x08\0\x0d\0\x04\0\x02\x04\x03"  # section 4.3.2


def ticket(size: int = 200) -> bytes:
    """A NewSessionTicket of TLS 1.3 (RFC 8446, section 4.6.1)."""
    body = struct.pack(">IIBBH", 7200, 0, 1, 0, size) + bytes(size) + b"\0\0"
    return b"\x04" + len(body).to_bytes(3) + body


class Sealer:
    """Seals what a server says after its handshake, which it may not have said anything since.

    Its context must be ``telling``.
    """

    def __init__(self, connection: Connection) -> None:
        cipher, version, _ = connection.tls.cipher()
        secrets = _secrets(connection)
        if version == "TLSv1.3":
            self._number = 0
            self._secret = secrets["SERVER_TRAFFIC_SECRET_0"]
            self._hash = hashes.SHA384() if cipher.endswith("SHA384") else hashes.SHA256()
            self._key_bytes = 32 if "AES_256" in cipher else 16
            self._turn()
            self.seal: Callable[..., bytes] = self._seal_1_3
        else:
            assert cipher == CIPHER_1_2
            self._number = 1  # after Finished
            self._key, self._nonce = _keys_1_2(secrets["CLIENT_RANDOM"], connection)
            self.seal = self._seal_1_2

    def update_key(self) -> None:
        """After a KeyUpdate was sealed (RFC 8446, section 7.2)."""
        self._secret = self._expand("traffic upd", self._hash.digest_size)
        self._number = 0
        self._turn()

    def _turn(self) -> None:
        self._key = AESGCM(self._expand("key", self._key_bytes))
        self._nonce = self._expand("iv", 12)

    def _expand(self, label: str, size: int) -> bytes:
        """HKDF-Expand-Label (RFC 8446, section 7.1), without a context."""
        name = b"tls13 " + label.encode()
        info = struct.pack(">HB", size, len(name)) + name + b"\0"
        return HKDFExpand(self._hash, size, info).derive(self._secret)

    def _seal_1_3(self, kind: int, content: bytes, padding: int = 0) -> bytes:
        """RFC 8446, section 5.2."""
        inner = content + bytes([kind]) + bytes(padding)
        header = struct.pack(">BHH", DATA, 0x0303, len(inner) + 16)
        nonce = int.from_bytes(self._nonce) ^ self._number
        self._number += 1
        return header + self._key.encrypt(nonce.to_bytes(12), inner, header)

    def _seal_1_2(self, kind: int, content: bytes) -> bytes:
        """RFC 5288, section 3."""
        number = self._number.to_bytes(8)
        self._number += 1
        about = number + struct.pack(">BHH", kind, 0x0303, len(content))
        sealed = self._key.encrypt(self._nonce + number, content, about)
        return struct.pack(">BHH", kind, 0x0303, 8 + len(sealed)) + number + sealed


def telling(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, which tells its secrets to this process, and sends no ticket by itself."""
    context.keylog_filename = f"/proc/self/fd/{os.memfd_create('secrets')}"
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    if context.maximum_version == ssl.TLSVersion.TLSv1_2:
        context.set_ciphers(CIPHER_1_2)
    return context


def _secrets(connection: Connection) -> dict[str, bytes]:
    """Those of this connection, by their label."""
    random = connection.hello[11:43].hex()
    lines = Path(connection.tls.context.keylog_filename).read_text().splitlines()
    own = [line.split(" ") for line in lines if not line.startswith("#") and random in line]
    return {label: bytes.fromhex(secret) for label, _, secret in own}


def _keys_1_2(master: bytes, connection: Connection) -> tuple[AESGCM, bytes]:
    """The server's key and the constant part of its nonces (RFC 5246, section 6.3)."""
    client, server = connection.hello[11:43], connection.sent[11:43]
    seed, block = b"key expansion" + server + client, b""
    part = seed
    while len(block) < 40:
        part = hmac.digest(master, part, "sha256")
        block += hmac.digest(master, part + seed, "sha256")
    return AESGCM(block[16:32]), block[36:40]
