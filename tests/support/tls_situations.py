"""What a server may do with its certificate, and what a check has to find each time.

A situation is what one server serves, check after check: its ``acts``. ``good`` is what it served
before, where a prober already knows it. The outcomes are those of a prober that verifies each
chain in full; nothing else may ever be found.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from monitor.domain.outcome import Reason
from support import hostile_tls, targets_tls
from support.scripted_tls import CLOSED, INTERNAL_ERROR, RESET, Behaviour, Script, fine, says
from support.tls_chains import (
    CLIENT,
    UNKNOWN_CRITICAL,
    Link,
    another_signature,
    authority,
    ec_key,
    issued,
    limited_to,
    limited_to_network,
    rsa_key,
    serving,
)

HOST, UNDERSCORED = "shop.test", "my_shop.sub.test"
Chain = Sequence[Link]
Make = Callable[[], Chain | ssl.SSLContext]

_EXPIRED, _NAME, _UNTRUSTED = Reason.TLS_EXPIRED, Reason.TLS_HOSTNAME, Reason.TLS_UNTRUSTED
_TLS = Reason.TLS_ERROR
_NO_ISSUER = "unable to get local issuer certificate"
_FORGED = "certificate signature failure"


@cache
def root() -> Link:
    """The only authority that is trusted."""
    return authority("the root", key=rsa_key(use="root"))


@cache
def intermediate() -> Link:
    return authority("the intermediate", by=root(), path_length=0)


def trust() -> str:
    return root().pem + hostile_tls.authority_pem() + targets_tls.trust()


def leaf(*names: str, by: Link | None = None, **rest: Any) -> Link:
    return issued("a leaf", *(names or (HOST,)), by=by or intermediate(), **rest)


def whole(*names: str, **rest: Any) -> list[Link]:
    """A new leaf for these names with its intermediate."""
    return [leaf(*names, **rest), intermediate()]


@dataclass(frozen=True, kw_only=True)
class Act:
    """What a server serves during one check, and what that check finds.

    ``evidence``: a part of it, with "{host}" and "{peer}". ``key``: another than the leaf's.
    ``versions``: of TLS, the oldest and the newest, where they are not those of the test.
    ``script``: more of the server's script.
    """

    chain: Make
    reason: Reason | None = None
    evidence: str = ""
    status: int = 0
    key: Any = None
    behaviour: Behaviour = fine
    configure: Callable[[ssl.SSLContext], object] = lambda _context: None
    versions: tuple[str, str] | None = None
    script: Mapping[str, Any] = field(default_factory=dict)
    _made: dict[str, Script] = field(default_factory=dict)

    def served(self, version: str) -> Script:
        """The script of a server of this version of TLS; the same each time."""
        return self._made.get(version) or self._made.setdefault(version, self._new(version))

    def _new(self, version: str) -> Script:
        chain = self.chain()
        context = chain if isinstance(chain, ssl.SSLContext) else serving(*chain, key=self.key)
        oldest, newest = self.versions or (version, version)
        context.minimum_version = _VERSIONS[oldest]
        context.maximum_version = _VERSIONS[newest]
        self.configure(context)
        return Script(context, **{"behaviour": self.behaviour, **self.script})


_VERSIONS = {
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


@dataclass(frozen=True, kw_only=True)
class Situation:
    """``host`` stands in the URL; ``options`` are the website's."""

    acts: Sequence[Act]
    host: str = HOST
    options: Mapping[str, Any] = field(default_factory=dict)
    good: Make | None = None

    def known(self) -> Act:
        names = (self.host,)
        return Act(chain=once(self.good or (lambda: whole(*names))))


def once(make: Make) -> Make:
    """The same certificates each time."""
    return cache(make)


def up(make: Make, **rest: Any) -> Situation:
    """A server that is up with this chain."""
    return _one(Act(chain=once(make), **_of_act(rest)), rest)


def down(make: Make, reason: Reason, evidence: str, **rest: Any) -> Situation:
    """A server that is down with this chain."""
    return _one(Act(chain=once(make), reason=reason, evidence=evidence, **_of_act(rest)), rest)


def _of_act(rest: dict[str, Any]) -> dict[str, Any]:
    fields = ("key", "behaviour", "configure", "script", "status")
    return {name: rest.pop(name) for name in fields if name in rest} | (
        {"versions": rest.pop("speaks")} if "speaks" in rest else {}
    )


def _one(act: Act, rest: dict[str, Any]) -> Situation:
    return Situation(acts=[act], **rest)


def _untrusted(why: str) -> tuple[Reason, str]:
    return _UNTRUSTED, f"certificate of {{host}} is not trusted: {why}"


def _misnamed() -> tuple[Reason, str]:
    return _NAME, "certificate is not valid for {host}"


@cache
def _twin() -> Link:
    """An authority that nobody trusts, of the same name as the one that is."""
    return authority("the root", key=rsa_key(use="twin"))


def _of_twin() -> list[Link]:
    between = authority("the intermediate", by=_twin(), path_length=0)
    return [leaf(by=between), between]


def _same_leaf(**between: Any) -> Callable[[Link], list[Link]]:
    """The leaf that is given, with another certificate for its intermediate's key."""

    def chain(end: Link) -> list[Link]:
        return [end, authority("the intermediate", **{"by": root(), "path_length": 0} | between)]

    return chain


def _changed(alter: Callable[[Link], Chain]) -> dict[str, Any]:
    """A good chain, and what is made of its leaf."""
    good = once(whole)
    return {"good": good, "make": lambda: alter(good()[0])}  # type: ignore[index]


def _inter_key() -> Any:
    return intermediate().key


def _below(*extensions: Any, name: str = HOST, **rest: Any) -> list[Link]:
    """A chain by an intermediate of its own, made like this."""
    between = authority("another intermediate", by=root(), extensions=extensions, **rest)
    return [leaf(name, by=between), between]


def _deep(links: int, *, order: int = 1) -> list[Link]:
    """A chain of so many intermediates; ``order`` -1: the leaf, and they the wrong way round."""
    by, between = root(), []
    for number in range(links):
        by = authority(f"intermediate {number}", by=by)
        between.append(by)
    return [leaf(by=by), *between[::-order]]


def _too_long() -> list[Link]:
    lower = authority("too deep", by=intermediate())
    return [leaf(by=lower), lower, intermediate()]


def _by_a_leaf() -> list[Link]:
    other = issued("another leaf", "other.test", by=intermediate())
    return [leaf(by=other), other, intermediate()]


def _self_signed() -> list[Link]:
    return [issued("itself", HOST)]


def _asks_for_a_certificate(mode: ssl.VerifyMode) -> Callable[[ssl.SSLContext], None]:
    def configure(context: ssl.SSLContext) -> None:
        context.load_verify_locations(cadata=root().pem)
        context.verify_mode = mode

    return configure


def _ciphers(names: str) -> Callable[[ssl.SSLContext], None]:
    return lambda context: context.set_ciphers(f"{names}:@SECLEVEL=0")


def _sessions(context: ssl.SSLContext) -> None:
    context.num_tickets = 4


def _another_group(context: ssl.SSLContext) -> None:
    """One that the client has sent no key for: in TLS 1.3 it has to begin again."""
    context.set_ecdh_curve("secp521r1")


_CUT = Reason.CONNECTION_RESET, "connection closed by {peer} during the TLS handshake"


def _swapped(first: Act, *others: Act) -> Situation:
    return Situation(acts=[first, *others], good=first.chain)


def _renewed() -> Act:
    return Act(chain=once(whole))


def _unknown() -> Act:
    reason, evidence = _untrusted(_FORGED)
    return Act(chain=once(_of_twin), reason=reason, evidence=evidence)


def _expired() -> Act:
    return Act(
        chain=once(lambda: whole(days=(-20, -1))),
        reason=_EXPIRED,
        evidence="certificate has expired ({host})",
    )


def _of_another() -> Act:
    reason, evidence = _misnamed()
    return Act(chain=once(lambda: whole("other.test")), reason=reason, evidence=evidence)


def _steps() -> Situation:
    """Twelve, as they may befall one website."""
    first, renewed = Act(chain=once(whole)), _renewed()
    end = first.chain()[0]  # type: ignore[index]
    reason, evidence = _untrusted(_NO_ISSUER)
    alone = Act(chain=lambda: [end], reason=reason, evidence=evidence)
    unknown, of_another, expired = _unknown(), _of_another(), _expired()
    acts = [first, renewed, unknown, renewed, of_another, renewed, expired, expired, first]
    return _swapped(*acts, alone, alone, first)


def _changed_up(alter: Callable[[Link], Chain], **rest: Any) -> Situation:
    return up(**_changed(alter), **rest)


def _changed_down(
    alter: Callable[[Link], Chain], reason: Reason, evidence: str, **rest: Any
) -> Situation:
    return down(reason=reason, evidence=evidence, **_changed(alter), **rest)


def _address() -> Situation:
    return up(lambda: whole("127.0.0.1"), host="127.0.0.1")


_BY_ADDRESS = {"request_headers": {"Host": HOST}}

SITUATIONS: dict[str, Callable[[], Situation]] = {
    "nothing new": lambda: _swapped(_renewed()),
    "twelve steps": _steps,
    "renewed": lambda: up(whole),
    "renewed with the same key": lambda: _changed_up(
        lambda end: [leaf(key=end.key), intermediate()]
    ),
    "renewed with RSA": lambda: up(lambda: whole(key=rsa_key(use="leaf"))),
    "renewed by another intermediate": lambda: up(_below),
    "expired": lambda: down(
        lambda: whole(days=(-20, -1)), _EXPIRED, "certificate has expired ({host})"
    ),
    "expired within the minute": lambda: down(
        lambda: whole(days=(-20, -30 / 86400)), _EXPIRED, "certificate has expired ({host})"
    ),
    "not yet valid": lambda: down(
        lambda: whole(days=(1, 20)), _EXPIRED, "certificate is not valid yet ({host})"
    ),
    "valid in a minute": lambda: down(
        lambda: whole(days=(60 / 86400, 20)), _EXPIRED, "certificate is not valid yet ({host})"
    ),
    "another name": lambda: down(lambda: whole("other.test"), *_misnamed()),
    "a name above": lambda: down(lambda: whole("test"), *_misnamed()),
    "many names": lambda: up(lambda: whole("a.test", HOST, "b.test")),
    "a wildcard": lambda: up(
        lambda: whole("*.shop.test"), host="www.shop.test", good=lambda: whole("*.shop.test")
    ),
    "a wildcard of another depth": lambda: down(
        lambda: whole("*.shop.test"), *_misnamed(), host="a.b.shop.test"
    ),
    "a wildcard for its own domain": lambda: down(lambda: whole("*.shop.test"), *_misnamed()),
    "an underscore": lambda: up(lambda: whole(UNDERSCORED), host=UNDERSCORED),
    "an underscore below a wildcard": lambda: up(lambda: whole("*.sub.test"), host=UNDERSCORED),
    "an underscore and another name": lambda: down(
        lambda: whole("other.sub.test"), *_misnamed(), host=UNDERSCORED
    ),
    "a final dot": lambda: up(whole, host="shop.test.", good=whole),
    "an address": _address,
    "another address": lambda: down(lambda: whole("127.0.0.2"), *_misnamed(), host="127.0.0.1"),
    "an address as a name": lambda: down(lambda: whole(HOST), *_misnamed(), host="127.0.0.1"),
    "a Host header of another name": lambda: up(
        whole, host="127.0.0.1", options=_BY_ADDRESS, good=whole
    ),
    "a Host header, and the address alone": lambda: down(
        lambda: whole("127.0.0.1"),
        _NAME,
        "certificate is not valid for shop.test",
        host="127.0.0.1",
        options=_BY_ADDRESS,
        good=whole,
    ),
    "a Host header beside a name": lambda: up(
        whole, options={"request_headers": {"Host": "other.test"}}
    ),
    "a common name alone": lambda: down(
        lambda: targets_tls.named_by_hand(common_name=HOST),
        _NAME,
        "certificate is not valid for {host}: it names no host (it has no subjectAltName)",
    ),
    "a name that cannot be read": lambda: down(targets_tls.named_unreadably, *_misnamed()),
    "signed by itself": lambda: down(_self_signed, *_untrusted("self")),
    "an unknown authority": lambda: down(
        lambda: [leaf(by=authority("nobody's", key=ec_key("nobody")))], *_untrusted(_NO_ISSUER)
    ),
    "an unknown authority of the same name": lambda: down(_of_twin, *_untrusted(_FORGED)),
    "an unknown authority that is sent along": lambda: down(
        lambda: [*_of_twin(), _twin()], *_untrusted(_FORGED)
    ),
    "without its intermediate": lambda: _changed_down(lambda end: [end], *_untrusted(_NO_ISSUER)),
    "in the wrong order": lambda: up(lambda: _deep(3, order=-1), good=lambda: _deep(3)),
    "an intermediate twice": lambda: _changed_up(lambda end: [end, intermediate(), intermediate()]),
    "with its root": lambda: _changed_up(lambda end: [end, intermediate(), root()]),
    "with a foreign certificate": lambda: _changed_up(
        lambda end: [end, intermediate(), leaf("foreign.test")]
    ),
    "a foreign certificate first": lambda: _changed_down(
        lambda end: [leaf("foreign.test"), end, intermediate()], *_misnamed()
    ),
    "a chain of ten": lambda: up(lambda: _deep(10)),
    "another certificate of the intermediate": lambda: _changed_up(_same_leaf(key=_inter_key())),
    "an expired certificate of the intermediate": lambda: _changed_down(
        _same_leaf(key=_inter_key(), days=(-20, -1)),
        _EXPIRED,
        "certificate has expired ({host})",
    ),
    "an intermediate by an unknown authority": lambda: _changed_down(
        _same_leaf(key=_inter_key(), by=_twin()), *_untrusted(_FORGED)
    ),
    "an intermediate with another signature": lambda: _changed_down(
        lambda end: [end, another_signature(intermediate())], *_untrusted(_FORGED)
    ),
    "a leaf with another signature": lambda: _changed_down(
        lambda end: [another_signature(end), intermediate()], *_untrusted(_FORGED)
    ),
    "an authority too many": lambda: down(
        _too_long, *_untrusted("path length constraint exceeded")
    ),
    "signed with a leaf": lambda: down(_by_a_leaf, *_untrusted("invalid CA certificate")),
    "within the constraints of names": lambda: up(lambda: _below(limited_to("test"))),
    "outside the constraints of names": lambda: down(
        lambda: _below(limited_to("elsewhere.test")), *_untrusted("permitted subtree violation")
    ),
    "excluded by the constraints of names": lambda: down(
        lambda: _below(limited_to(excluded=["shop.test"])),
        *_untrusted("excluded subtree violation"),
    ),
    "outside the constraints of addresses": lambda: down(
        lambda: _below(limited_to_network("192.0.2.0/24"), name="127.0.0.1"),
        *_untrusted("permitted subtree violation"),
        host="127.0.0.1",
    ),
    "for clients alone": lambda: down(
        lambda: whole(usage=CLIENT), *_untrusted("unsuitable certificate purpose")
    ),
    "an intermediate for clients alone": lambda: down(
        lambda: _below(usage=CLIENT), *_untrusted("unsuitable certificate purpose")
    ),
    "an unknown critical extension": lambda: down(
        lambda: whole(extensions=[UNKNOWN_CRITICAL]), *_untrusted("unhandled critical extension")
    ),
    "a weak key": lambda: down(
        lambda: whole(key=rsa_key(1024)), *_untrusted("EE certificate key too weak")
    ),
    "a weak key of the intermediate": lambda: down(
        lambda: _below(key=rsa_key(1024, "between")), *_untrusted("CA certificate key too weak")
    ),
    "SHA-1": lambda: down(
        hostile_tls.sha1_signature,
        *_untrusted("CA signature digest algorithm too weak"),
        host="127.0.0.1",
    ),
    "the other of TLS 1.2 and 1.3": lambda: Situation(
        acts=[Act(chain=c, versions=(v, v)) for c in [once(whole)] for v in ("1.3", "1.2", "1.3")]
    ),
    "TLS 1.1 at most": lambda: down(
        lambda: targets_tls.certified(HOST), _TLS, "", speaks=("1.1", "1.1")
    ),
    "no cipher in common": lambda: down(
        whole, _TLS, "alert handshake failure", configure=_ciphers("AES128-CCM")
    ),
    "no certificate at all": lambda: down(
        whole,
        _TLS,
        "alert handshake failure",
        configure=_ciphers("AECDH:ADH"),
    ),
    "tickets and sessions": lambda: up(whole, configure=_sessions),
    "a client certificate wanted": lambda: down(
        whole, _TLS, "alert", configure=_asks_for_a_certificate(ssl.CERT_REQUIRED)
    ),
    "a client certificate welcome": lambda: up(
        whole, configure=_asks_for_a_certificate(ssl.CERT_OPTIONAL)
    ),
    "an error of its own": lambda: down(
        whole, _TLS, "alert internal error", script={"records": 0, "ending": INTERNAL_ERROR}
    ),
    "plain HTTP": lambda: down(
        whole,
        _TLS,
        "wrong version number",
        script={"records": 0, "ending": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
    ),
    "leaves after the hello": lambda: down(whole, *_CUT, script={"records": 0, "ending": CLOSED}),
    "resets after the hello": lambda: down(whole, *_CUT, script={"records": 0, "ending": RESET}),
    "503": lambda: down(
        whole,
        Reason.HTTP_STATUS,
        "HTTP 503 Service Unavailable",
        status=503,
        behaviour=says(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"),
    ),
    "another group": lambda: up(whole, configure=_another_group),
    "an authority of another kind": lambda: up(lambda: targets_tls.certified(HOST)),
}
"""Each by its name; made anew by each call."""

OLD = frozenset(
    {
        "no certificate at all",
        "no cipher in common",
        "the other of TLS 1.2 and 1.3",
        "TLS 1.1 at most",
    }
)
"""Those that do not depend on the version, or that only TLS 1.2 has."""
