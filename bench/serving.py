"""Websites under way: until they are up, with new certificates, and to their end."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import time

from monitor.local import process

from .certificates import LEAVES
from .stack import Failed, wait_for
from .targets import ADDRESSES, Targets

_WITHIN_S = 60.0
_ASK_AGAIN_S = 0.02


def wait_until_up(served: Targets) -> None:
    """Until the last address answers. Raises Failed."""
    log = served.directory.parent / "target.log"
    wait_for(served.child, log, lambda: _listens(served), _WITHIN_S)


def _listens(served: Targets) -> bool:
    try:
        socket.create_connection((ADDRESSES[-1], served.port), timeout=5).close()
    except OSError:
        return False
    return True


def renew_certificates(served: Targets) -> None:
    """A new certificate for each website, and return once every connection gets it.

    nginx reads them while the old worker process serves on; that one takes no connection more once
    there is the new one.
    """
    assert served.certificates is not None
    for leaf in range(LEAVES):
        served.certificates.renew(leaf)
    new = ssl.PEM_cert_to_DER_cert(_certificate(served.certificates.leaf(0).read_text("ascii")))
    process.send_signal(served.child, signal.SIGHUP)
    deadline_s = time.monotonic() + _WITHIN_S
    while not all(_shown(served) == new for _ in range(5)):
        if time.monotonic() > deadline_s:
            raise Failed("nginx did not take the new certificates.")
        time.sleep(_ASK_AGAIN_S)


def _shown(served: Targets) -> bytes:
    address = (ADDRESSES[0], served.port)
    return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address, timeout=5))


def _certificate(pem: str) -> str:
    """The first one of a file that begins with a key."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    return pem[pem.index(begin) : pem.index(end) + len(end)] + "\n"


def stop(server: subprocess.Popen[bytes]) -> None:
    """End it, and wait until it has."""
    process.stop(server, within_s=5)
