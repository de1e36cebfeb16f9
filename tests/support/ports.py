"""Consecutive free ports that no other test is given by the system meanwhile."""

import contextlib
import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 10_000
_LINUX_EPHEMERAL_FROM = 32_768


def free_port():
    """One such port: see ``free_ports``."""
    return free_ports(1)


def free_ports(count):
    """The first of ``count`` consecutive ports that nobody has.

    They lie below the ports that the system gives to clients and to whoever asks for any port:
    between this look and their use no connection and no server of another test takes one.
    """
    below = int(_RANGE.read_text().split()[0]) if _RANGE.exists() else _LINUX_EPHEMERAL_FROM
    while True:
        first = random.randrange(_LOWEST, below - count)
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first
