"""E-mail."""

from __future__ import annotations

from collections.abc import Iterable

from monitor.domain.incident import Recipient

KIND = "email"


def recipients(addresses: Iterable[str]) -> tuple[Recipient, ...]:
    """Recipients of e-mail at these addresses."""
    return tuple(Recipient(KIND, address) for address in addresses)
