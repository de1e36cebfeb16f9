"""Which parts of a website's options are secret, and how they are masked. Pure.

The declaration of a field says whether it may hold a secret. Secret values are returned as a mask;
sending the mask back keeps the stored value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from monitor.domain.errors import InvalidInput

MASK = "********"

_HARMLESS_HEADERS = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-type",
        "host",
        "pragma",
    }
)

_headers = msgspec.json.Decoder(dict[str, str])


class Secret(Protocol):
    """How the values of a field are masked."""

    def hides(self, value: Any) -> bool:
        """Whether any part of the value is secret."""

    def masked(self, value: Any) -> Any:
        """The value with its secret parts masked; idempotent."""

    def has_mask(self, value: Any) -> bool:
        """Whether any part of the value is a mask."""

    def unmasked(self, name: str, sent: Any, before: Any) -> Any:
        """The sent value with masks replaced by the parts of ``before``, the stored value.

        Raises InvalidInput for the field ``name`` if nothing is stored for a mask.
        """

    def to_text(self, value: Any) -> str:
        """Serialise the value as text for encryption."""

    def from_text(self, text: str) -> Any:
        """The inverse of ``to_text``."""


class SecretText:
    """Text that is secret as a whole."""

    def hides(self, value: str) -> bool:
        return bool(value)

    def masked(self, value: str) -> str:
        return MASK if value else ""

    def has_mask(self, value: str) -> bool:
        return value == MASK

    def unmasked(self, name: str, sent: str, before: str) -> str:
        if sent == MASK and not before:
            raise InvalidInput.of(name, "is hidden, and none is stored: send the value itself")
        return before if sent == MASK else sent

    def to_text(self, value: str) -> str:
        return value

    def from_text(self, text: str) -> str:
        return text


class SecretHeaders:
    """Headers whose values are secret, except for some known to be harmless."""

    def hides(self, value: Mapping[str, str]) -> bool:
        return any(_hides_header(*header) for header in value.items())

    def masked(self, value: Mapping[str, str]) -> dict[str, str]:
        return {n: MASK if _hides_header(n, v) else v for n, v in value.items()}

    def has_mask(self, value: Mapping[str, str]) -> bool:
        return MASK in value.values()

    def unmasked(
        self, name: str, sent: Mapping[str, str], before: Mapping[str, str]
    ) -> dict[str, str]:
        stored = {header.lower(): value for header, value in before.items()}
        values = {n: stored.get(n.lower(), "") if v == MASK else v for n, v in sent.items()}
        for header, value in sent.items():
            if value == MASK and not values[header]:
                raise InvalidInput.of(
                    name,
                    f"hides the value of {header}, and none is stored: send the value itself",
                )
        return values

    def to_text(self, value: Mapping[str, str]) -> str:
        return msgspec.json.encode(value).decode()

    def from_text(self, text: str) -> dict[str, str]:
        return _headers.decode(text)


def _hides_header(name: str, value: str) -> bool:
    return bool(value) and name.lower() not in _HARMLESS_HEADERS


def refuse_moving(kept: list[str], old_url: str, new_url: str) -> None:
    """Refuse to send stored secrets to another server.

    ``kept``: the fields whose stored secrets would be kept. Raises InvalidInput if there are any
    and the new URL has another origin (RFC 6454, section 4). Otherwise anyone with write access
    could have a website's secrets sent to a server of their choice.
    """
    if kept and _origin(old_url) != _origin(new_url):
        raise InvalidInput.of(
            "url",
            f"leads to another server: send {' and '.join(kept)} again with it, because hidden "
            "values are only sent to the server they were meant for",
        )


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, (parts.hostname or "").removesuffix("."), parts.port or default
