"""The names of the websites, where they have some: answered by dnsmasq on a loopback port."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.local import process
from monitor.local.redis import free_port

ZONE = "bench.test"
_CONFIG = """
port={port}
listen-address=127.0.0.1
bind-interfaces
no-resolv
no-hosts
cache-size=0
user={user}
pid-file=
local=/{zone}/
{addresses}
"""


@dataclass(frozen=True)
class Names:
    """A DNS server that knows every name below ``a0.bench.test``, ``a1.bench.test`` and so on.

    ``address``: where it answers, as MONITOR_DNS_SERVERS wants it.
    """

    child: subprocess.Popen[bytes]
    address: str


def host(number: int, addresses: int) -> str:
    """The name of a website, its own alone; below ``a{n}`` all have the n-th address."""
    return f"site-{number}.{parent(number % addresses)}"


def parent(index: int) -> str:
    return f"a{index}.{ZONE}"


def config(addresses: Sequence[str], port: int, user: str) -> str:
    """dnsmasq's configuration: a wildcard for each address, and nobody else is asked."""
    lines = (f"address=/{parent(n)}/{address}" for n, address in enumerate(addresses))
    return _CONFIG.format(port=port, user=user, zone=ZONE, addresses="\n".join(lines))


def start(directory: Path, addresses: Sequence[str]) -> Names:
    """Start the server. Raises FileNotFoundError without dnsmasq."""
    program = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        raise FileNotFoundError("DNS=1 needs dnsmasq: install Debian's dnsmasq-base.")
    port, path = free_port(), directory / "dnsmasq.conf"
    user = Path(directory).owner()  # by default it would turn into a user of its own
    path.write_text(config(addresses, port, user), encoding="utf-8")
    with (directory / "dns.log").open("ab") as log:
        words: list[str | Path] = [program, "--keep-in-foreground", f"--conf-file={path}"]
        return Names(process.start([*words, "--log-facility=-"], log=log), f"127.0.0.1:{port}")
