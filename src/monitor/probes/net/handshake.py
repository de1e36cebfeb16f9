"""How the server of one connection is to prove who it is, and what is remembered of that.

A handshake is *verified*, by OpenSSL against the trust store, or *fast*: the server shows a chain
that was verified for the same website lately, and proves that it holds the key. The proof is part
of every handshake (RFC 8446, section 4.4.3; RFC 5246, sections 7.4.3 and 7.4.7.1), so that nobody
else gets by with a chain that everybody can read.
"""

from __future__ import annotations

import math
import ssl
import time
from typing import NamedTuple

from monitor.metrics.worker_stats import HandshakeCounts
from monitor.probes.net import chains, tls
from monitor.probes.net.chains import Chain
from monitor.probes.net.known_chains import KnownChains, Proven, digest_of

_WAS_UP = bytes(16)
"""In place of a digest, for a website that was up with all its redirects."""

KNOWN_CHAINS = 1_000_000
"""For how many websites a process keeps chains, unless it is told otherwise."""

_NO_ANSWER = (ssl.SSLEOFError, ssl.SSLZeroReturnError)
"""The server left: no more of an answer than a connection that was closed."""


class UnknownChain(ssl.SSLError):
    """A fast handshake ended with a chain that is not a known one."""


class _Entry(NamedTuple):
    """Where the chains of one name are kept. ``key``: of that name for one website; ``website``:
    of that website, which is kept beside the servers that it redirects to while it is up."""

    key: int
    port: int
    website: int
    redirected: bool


class Handshake:
    """One handshake to come. ``context`` is what it accepts, ``name`` whom the server must be."""

    __slots__ = ("_counts", "_kind", "context", "name")

    def __init__(
        self, context: ssl.SSLContext, name: str, kind: str, counts: HandshakeCounts
    ) -> None:
        self.context = context
        self.name = name
        self._kind, self._counts = kind, counts

    def accepts(self, _tls: ssl.SSLObject, _chain: Chain) -> bool:
        """Whether to go on with this server, after a handshake that succeeded with this chain."""
        self._counts.by_kind[self._kind] += 1
        return True

    def instead(self, _error: Exception) -> Handshake | None:
        """What to make instead of this handshake, which ended so; None: the error counts."""
        self._counts.by_kind[self._kind] += 1
        return None

    def settle(self, *, up: bool) -> None:
        """Take note of how the check ended that this handshake was part of."""


class _Verified(Handshake):
    """A verified handshake whose chain is remembered."""

    __slots__ = ("_entry", "_generation", "_known", "_proven")

    def __init__(self, by: Handshakes, name: str, entry: _Entry) -> None:
        super().__init__(by.contexts.get(host=name), name, "verified", by.counts)
        self._known = by.known
        self._generation = by.known.generation
        self._entry = entry
        self._proven: Proven | None = None

    def accepts(self, tls: ssl.SSLObject, chain: Chain) -> bool:
        end_s = chains.earliest_end_s(chains.verified(tls))
        if chain and end_s is not None:
            digest = digest_of(self.name, self._entry.port, chain)
            self._proven = Proven(digest, time.time(), end_s)
        return super().accepts(tls, chain)

    def settle(self, *, up: bool) -> None:
        known, entry, proven = self._known, self._entry, self._proven
        if not up:
            known.forget(entry.key, redirected=entry.redirected)
        elif proven is not None:
            now_s = time.time()
            known.add(entry.key, proven, self._generation, now_s, redirected=entry.redirected)
            if entry.redirected:
                was_up = Proven(_WAS_UP, now_s, math.inf)
                known.add(entry.website, was_up, self._generation, now_s, redirected=True)
        self._counts.known_chains = len(known)


class _Fast(Handshake):
    """A handshake that is good with a chain that was verified before."""

    __slots__ = ("_by", "_entry")

    def __init__(self, by: Handshakes, name: str, entry: _Entry) -> None:
        super().__init__(by.fast, name, "fast", by.counts)
        self._by = by
        self._entry = entry

    def accepts(self, tls: ssl.SSLObject, chain: Chain) -> bool:
        entry = self._entry
        digest = digest_of(self.name, entry.port, chain)
        return self._by.known.recognises(
            entry.key, digest, time.time(), redirected=entry.redirected
        ) and super().accepts(tls, chain)

    def instead(self, error: Exception) -> Handshake | None:
        """A verified one where the chain or TLS is the matter. A server that left, or that could
        not be reached, gets no second chance."""
        if not isinstance(error, ssl.SSLError) or isinstance(error, _NO_ANSWER):
            return super().instead(error)
        self._counts.by_kind["discarded"] += 1
        return _Verified(self._by, self.name, self._entry)

    def settle(self, *, up: bool) -> None:
        if not up:
            self._by.known.forget(self._entry.key, redirected=self._entry.redirected)
            self._counts.known_chains = len(self._by.known)


class Handshakes:
    """Chooses the handshakes of one prober, and keeps which chains were verified.

    ``authorities``: whom to trust instead of the system's, in PEM. ``known_chains``: for how many
    websites chains are kept; 0: every handshake is verified.
    """

    def __init__(self, authorities: str | None, known_chains: int, counts: HandshakeCounts) -> None:
        self.contexts = tls.Contexts(authorities)
        self.fast = tls.fast()
        self.known = KnownChains(known_chains)
        self.counts = counts

    def usual(
        self, website: str, name: str, port: int, *, redirected: bool, in_doubt: bool
    ) -> Handshake:
        """Of a website that is verified as most are: a fast one, where its chain is known.

        ``website``: its URL, since what is known is known of one website. ``redirected``: the
        server is another than that of the URL. ``in_doubt``: nothing that was known counts.
        """
        entry = _Entry(hash((website, name, port)), port, hash(website), redirected)
        fast = not in_doubt and self._is_known(entry, time.time())
        return (_Fast if fast else _Verified)(self, name, entry)

    def _is_known(self, entry: _Entry, now_s: float) -> bool:
        known, redirected = self.known, entry.redirected
        if redirected and not known.recognises(entry.website, _WAS_UP, now_s, redirected=True):
            return False
        return known.knows(entry.key, now_s, redirected=redirected)

    def unusual(self, name: str, *, verify: bool, min_version: str | None) -> Handshake:
        """Of a website with options of its own: it neither asks nor tells what is known."""
        context = self.contexts.get(verify=verify, min_version=min_version, host=name)
        return Handshake(context, name, "verified" if verify else "unverified", self.counts)

    def distrust(self, website: str) -> None:
        """Verify all servers that this website redirects to, until it was up again. That of its
        URL is for ``Handshake.settle`` to forget."""
        self.known.forget(hash(website), redirected=True)

    def trust_anew(self, contexts: tls.Contexts) -> None:
        """Verify with these from now on, and forget what was verified before."""
        self.contexts = contexts
        self.known.clear()
        self.counts.known_chains = 0
