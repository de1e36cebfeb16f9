"""What a mail server's reply means for a delivery, by what it says and not by its stage. Pure.

A server may put off until RCPT what it holds against our name, our address, our login or our sender
(Postfix does, by default). What an operator can mend must not lose an alarm: a reply is permanent
only where it is about this recipient, by its enhanced code (RFC 3463; RFC 5248 has the registry).
"""

from __future__ import annotations

import re
from enum import Enum, auto

from msgspec import Struct

from monitor.domain.delivery import Fault
from monitor.domain.outcome import printable


class Stage(Enum):
    """What a server replied to."""

    CONNECTION = auto()
    """Its greeting, EHLO and STARTTLS."""
    LOGIN = auto()
    SENDER = auto()
    RECIPIENT = auto()
    CONTENT = auto()


class Reply(Struct, frozen=True):
    """A reply: its code (RFC 5321, section 4.2), and its lines without codes."""

    code: int
    text: str

    @property
    def enhanced(self) -> str:
        """Its enhanced code, like "5.1.1"; empty where it has none (RFC 2034, section 4)."""
        match = _ENHANCED.match(self.text)
        return match[1] if match else ""

    def __str__(self) -> str:
        return printable(f"{self.code} {self.text}")


class Judgement(Struct, frozen=True):
    """What a refusal is about. ``permanent``: a retry cannot help.

    ``doubtful``: it may be about this recipient or about us; permanent if the server takes mail for
    others.
    """

    fault: Fault
    permanent: bool = False
    doubtful: bool = False


_ENHANCED = re.compile(r"\s*#?([245]\.[0-9]{1,3}\.[0-9]{1,3})(?![0-9.])")

_NO_SUCH_RECIPIENT = frozenset({"1.1", "1.2", "1.3", "1.4", "1.6", "1.10", "2.1"})
"""No such mailbox, no such host, bad syntax, ambiguous, moved, host takes no mail, disabled."""
_OF_SENDER = frozenset({"1.7", "1.8", "7.27"})
"""The sender: bad syntax, no such host, host takes no mail."""
_OF_LOGIN = frozenset({"7.8", "7.9", "7.11"})
_LOGIN_CODES = frozenset({530, 534, 535, 538})
"""Authentication required, too weak, failed, encryption required (RFC 4954, section 6)."""
_UNAVAILABLE = 550
"""Mailbox unavailable, or rejected for a reason of policy (RFC 5321, section 4.2.2)."""


def judge(stage: Stage, reply: Reply) -> Judgement:
    """What a reply that is not a success means."""
    kind, _, detail = reply.enhanced.partition(".")
    about_recipient = stage in (Stage.RECIPIENT, Stage.CONTENT)
    if stage is Stage.LOGIN or reply.code in _LOGIN_CODES or detail in _OF_LOGIN:
        return Judgement(Fault.LOGIN)
    if detail in _OF_SENDER or (stage is Stage.SENDER and reply.code >= 500):
        return Judgement(Fault.SENDER)
    if about_recipient and (detail in _NO_SUCH_RECIPIENT or detail.startswith("2.")):
        final = reply.code >= 500 and kind == "5" and detail in _NO_SUCH_RECIPIENT
        return Judgement(Fault.RECIPIENT, permanent=final)
    if reply.code < 400:
        return Judgement(Fault.UNREACHABLE)
    if reply.code < 500:
        return Judgement(Fault.LATER)
    bare = stage is Stage.RECIPIENT and reply.code == _UNAVAILABLE and not reply.enhanced
    return Judgement(Fault.REFUSED, doubtful=bare)


_WORDS = {
    Fault.UNREACHABLE: "does not answer as a mail server does",
    Fault.LOGIN: "refused the login of SMTP_USER, or wants one",
    Fault.SENDER: "refused the sender, SMTP_FROM",
    Fault.REFUSED: "refused us or the mail, not its recipient",
    Fault.LATER: "asks to try again later",
    Fault.RECIPIENT: "refused the recipient",
}


def words(judgement: Judgement, reply: Reply) -> str:
    """What the server did, for the operator; goes on after its name."""
    done = "refused the recipient or us" if judgement.doubtful else _WORDS[judgement.fault]
    return f"{done}: {reply}"
