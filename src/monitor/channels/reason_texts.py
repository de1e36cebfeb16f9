"""Every reason in words: a few for a subject, a sentence for the person who has to act."""

from __future__ import annotations

from msgspec import Struct

from monitor.domain.outcome import Reason


class Words(Struct, frozen=True):
    """``brief`` fits "... from europe"; ``meaning`` is a sentence that says where to look."""

    brief: str
    meaning: str


_WORDS: dict[Reason, Words] = {
    Reason.DNS_ERROR: Words(
        "DNS lookup failed",
        "The name of the website could not be turned into an address.",
    ),
    Reason.DNS_TIMEOUT: Words(
        "DNS lookup timed out",
        "The name servers of the website did not answer in time.",
    ),
    Reason.BLOCKED_TARGET: Words(
        "address not allowed",
        "The website's name leads to an address that checks may not visit, such as a private one.",
    ),
    Reason.CONNECTION_REFUSED: Words(
        "connection refused",
        "The server is there, but nothing accepts connections on this port.",
    ),
    Reason.CONNECT_TIMEOUT: Words(
        "connection timed out",
        "The server did not accept a connection in time: it, or the way to it, is down.",
    ),
    Reason.CONNECTION_RESET: Words(
        "connection reset",
        "The server, or something on the way, cut the connection before the answer was whole.",
    ),
    Reason.UNREACHABLE: Words(
        "network unreachable",
        "There is no way through the network to the address of the server.",
    ),
    Reason.TLS_EXPIRED: Words(
        "certificate expired",
        "The certificate of the website is past its last day, or not valid yet.",
    ),
    Reason.TLS_HOSTNAME: Words(
        "certificate for another name",
        "The certificate that the server shows was issued for another name.",
    ),
    Reason.TLS_UNTRUSTED: Words(
        "certificate not trusted",
        "The certificate does not lead to an authority that browsers trust.",
    ),
    Reason.TLS_TIMEOUT: Words(
        "TLS handshake timed out",
        "The server accepted a connection and then did not finish setting up encryption.",
    ),
    Reason.TLS_ERROR: Words(
        "TLS handshake failed",
        "The server and the check could not agree on an encrypted connection.",
    ),
    Reason.HTTP_STATUS: Words(
        "unexpected HTTP status",
        "The server answered with a status that is not among the expected ones.",
    ),
    Reason.RESPONSE_TIMEOUT: Words(
        "no answer in time",
        "The server took the request, but its answer did not come in time.",
    ),
    Reason.TOO_MANY_REDIRECTS: Words(
        "too many redirects",
        "The website sends its visitors on and on without arriving anywhere.",
    ),
    Reason.INVALID_REDIRECT: Words(
        "invalid redirect",
        "The website sends its visitors to an address that cannot be followed.",
    ),
    Reason.INVALID_RESPONSE: Words(
        "invalid response",
        "What the server answered is not HTTP.",
    ),
    Reason.INTERNAL_ERROR: Words(
        "check failed",
        "The check itself went wrong, which says little about the website.",
    ),
    Reason.REGION_OFFLINE: Words(
        "region offline",
        "The region had lost its own network, which says nothing about the website.",
    ),
    Reason.SECRETS_UNREADABLE: Words(
        "secrets not readable",
        "The region lacks the key to the request's headers, which says nothing about the website.",
    ),
    Reason.REGION_BUSY: Words(
        "region overloaded",
        "The region was too busy to check, which says nothing about the website.",
    ),
    Reason.UNSUPPORTED_KIND: Words(
        "check kind not supported",
        "A worker of the region is too old for this kind of check; nothing was measured.",
    ),
}


def words_of(reason: Reason, status_code: int) -> Words:
    """The words for a reason; an unexpected status is named by its number."""
    words = _WORDS[reason]
    if reason is Reason.HTTP_STATUS and status_code:
        return Words(f"HTTP {status_code}", words.meaning)
    return words
