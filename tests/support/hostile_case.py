"""One hostile website: how it behaves, and what a check of it has to find."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from monitor.domain.outcome import Reason
from support.targets import Behaviour, silent

_HANDSHAKES_S = 3
"""What handshakes with all of them at once may take."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A website on a port of its own, and its one right outcome; no reason means up.

    ``status`` is the outcome's status code, None where how the bytes fall into packets decides
    whether the head was seen; ``says`` is a part of its evidence. ``host`` stands in the URL in
    place of the address listened on. ``tls`` makes the server's context; with ``scheme`` "https"
    alone the behaviour speaks instead of a TLS server. ``port`` replaces the server: a port where
    nobody serves.
    """

    name: str
    reason: Reason | None = None
    status: int | None = 0
    says: str = ""
    behaviour: Behaviour = silent
    tls: Callable[[], ssl.SSLContext] | None = None
    scheme: str = ""
    listen: str = "127.0.0.1"
    host: str = ""
    path: str = "/"
    port: Callable[[], AbstractContextManager[int]] | None = None
    wait_s: int = 2
    patience_s: int = 20
    verify_ssl: bool = True

    @property
    def waits(self) -> bool:
        """Whether the check ends by its deadline."""
        return self.reason is not None and self.reason.endswith("_timeout")

    @property
    def timeout_s(self) -> int:
        """``wait_s`` where that is waited for, else ``patience_s``: enough for a busy machine.

        What comes after a handshake is waited for longer, so that the handshake is over by then.
        """
        if not self.waits:
            return self.patience_s
        return self.wait_s if self.tls is None else self.wait_s + _HANDSHAKES_S


def up(name: str, status: int | None = 200, **rest: object) -> Case:
    return Case(name=name, status=status, **rest)  # type: ignore[arg-type]


def down(name: str, reason: Reason, says: str = "", **rest: object) -> Case:
    return Case(name=name, reason=reason, says=says, **rest)  # type: ignore[arg-type]
