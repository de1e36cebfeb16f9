"""A mail as every part of the product knows it."""

from __future__ import annotations

from email.utils import parseaddr

from msgspec import Struct


class Mail(Struct, frozen=True, kw_only=True):
    """One mail to one recipient, as plain text and as HTML.

    ``message_id`` and ``in_reply_to`` are message identifiers with their angle brackets
    (RFC 5322, section 3.6.4).
    """

    recipient: str
    subject: str
    text: str
    html: str
    message_id: str
    in_reply_to: str | None = None


def domain_of(address: str) -> str:
    """The domain of ``user@domain`` or ``Name <user@domain>``, else ``localhost``."""
    _, at, domain = parseaddr(address)[1].rpartition("@")
    return domain if at else "localhost"
