"""What the groups that a handshake offers cost its client: half a minute.

    python -m bench.groups

Handshakes of TLS 1.3 in memory, with a P-256 certificate that is not verified: with OpenSSL's own
groups against a server that has them, too, the same against one that has X25519 alone, and with
monitor's file. Each way runs in nine processes, in turn; CPU time of the client's calls alone,
microseconds a handshake.
"""

from __future__ import annotations

import os
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trustme

from monitor.probes.net.groups import CONFIGURATION

from . import program

_ROUNDS, _EACH = 9, 400

_NONE = "/nonexistent"
WAYS = {
    "OpenSSL's groups": (_NONE, "all"),
    "the same, a server with X25519 alone": (_NONE, "X25519"),
    "monitor's groups": (str(CONFIGURATION), "all"),
}
"""OPENSSL_CONF, and what the server has."""
if ssl.OPENSSL_VERSION_INFO < (3, 5):  # none is post-quantum
    del WAYS["the same, a server with X25519 alone"]


def client_us(context: ssl.SSLContext, server_context: ssl.SSLContext) -> float:
    """CPU time of one handshake's client."""
    forth, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    began_ns = time.thread_time_ns()
    client = context.wrap_bio(back, forth, server_hostname="bench.test")
    spent_ns = time.thread_time_ns() - began_ns
    server = server_context.wrap_bio(forth, back, server_side=True)
    client_done = server_done = False
    while not (client_done and server_done):
        began_ns = time.thread_time_ns()
        client_done = _done(client.do_handshake)
        spent_ns += time.thread_time_ns() - began_ns
        server_done = _done(server.do_handshake)
    return spent_ns / 1000


def _done(handshake: Callable[[], None]) -> bool:
    try:
        handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def one_process(pem: str, curve: str) -> None:
    """Print the median of many handshakes."""
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(pem)
    if curve != "all":
        server_context.set_ecdh_curve(curve)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    print(statistics.median(client_us(context, server_context) for _ in range(_EACH)))


def _in_turn(pem: Path) -> dict[str, list[float]]:
    spent: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(_ROUNDS):
        for name, (configuration, curve) in WAYS.items():
            done = subprocess.run(
                [sys.executable, "-m", "bench.groups", str(pem), curve],
                env=dict(os.environ) | {"OPENSSL_CONF": configuration},
                stdout=subprocess.PIPE, text=True, check=True,
            )  # fmt: skip
            spent[name].append(float(done.stdout))
    return spent


def measure() -> None:
    """Print a line each."""
    with tempfile.TemporaryDirectory() as directory:
        pem = Path(directory) / "server.pem"
        pem.write_bytes(
            trustme.CA().issue_cert("bench.test").private_key_and_cert_chain_pem.bytes()
        )
        spent = _in_turn(pem)
    print(ssl.OPENSSL_VERSION)
    for name, each in spent.items():
        print(f"{name:42} {statistics.median(each):5.0f} us ({min(each):.0f} to {max(each):.0f})")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        one_process(*sys.argv[1:])
    else:
        sys.exit(program.run(measure))
