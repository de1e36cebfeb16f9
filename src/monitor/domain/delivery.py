"""What stands in the way of a delivery. Pure."""

from __future__ import annotations

from enum import StrEnum


class Fault(StrEnum):
    """What a failed delivery is about. The values are stored, logged and labels of metrics.

    All but ``RECIPIENT`` concern every recipient of the channel: somebody has to mend something.
    """

    UNREACHABLE = "unreachable"
    """No connection, no encryption, or no answer in time."""
    LOGIN = "login"
    """The other side wants a login, or another one."""
    SENDER = "sender"
    """The other side does not take messages from this sender."""
    REFUSED = "refused"
    """The other side refuses us or the message, by a rule of its own."""
    LATER = "later"
    """The other side asks to try again later."""
    RECIPIENT = "recipient"
    """The other side does not take this for this recipient, now or ever."""

    @classmethod
    def _missing_(cls, value: object) -> Fault:  # noqa: ARG003 - the signature is enum's
        """What a newer version stored."""
        return cls.REFUSED


TAKEN_WITHIN_S = 3600
"""For how long a message that was taken shows that the other side takes our messages."""
