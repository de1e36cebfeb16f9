"""The names of the websites, where they have some, and the server that answers for them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.local import process

from . import dns_server

ZONE = "bench.test"


@dataclass(frozen=True)
class Names:
    """A DNS server of the bench's own. ``address``: as MONITOR_DNS_SERVERS wants it."""

    child: subprocess.Popen[bytes]
    address: str


def host(number: int, family: str) -> str:
    """The name of a website, its own alone."""
    return f"site-{number}.{parent(family)}"


def parent(family: str) -> str:
    """What the names of a family end in: its certificate has a wildcard for them."""
    return f"{family}.{ZONE}"


def start(
    directory: Path,
    addresses: Sequence[str],
    elsewhere: dict[str, str | None] | None = None,
) -> Names:
    """A server to which the n-th website has the n-th address, over and over.

    ``elsewhere``: families with an address of their own, or with none: their names do not exist.
    """
    table = directory / "names.json"
    zone = {"zone": ZONE, "addresses": list(addresses), "elsewhere": elsewhere or {}}
    table.write_text(json.dumps(zone), encoding="utf-8")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        # What is asked before the server runs waits in the socket.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
        listening.bind(("127.0.0.1", 0))
        number, port = listening.fileno(), listening.getsockname()[1]
        words: list[str | Path] = [sys.executable, dns_server.__file__, str(number), table]
        with (directory / "dns.log").open("ab") as log:
            child = process.start(words, log=log, keep_open=[number])
    return Names(child, f"127.0.0.1:{port}")
