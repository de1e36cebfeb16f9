"""What of a website's options is never shown again, and what stands in its place. Pure.

A field that may hold a secret says so in its declaration. Its hidden values read back as a mask;
whoever sends the mask means: leave it as it is.
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
    """How the values of a field are hidden."""

    def hides(self, value: Any) -> bool:
        """Whether something in the value is not shown."""

    def masked(self, value: Any) -> Any:
        """The value as it is shown; masking twice is masking once."""

    def has_mask(self, value: Any) -> bool:
        """Whether something in the value is a mask."""

    def unmasked(self, name: str, sent: Any, before: Any) -> Any:
        """The value that is meant, ``before`` being the stored one.

        Raises InvalidInput for the field ``name`` where a mask stands for nothing.
        """

    def to_text(self, value: Any) -> str:
        """The value as text to be encrypted."""

    def from_text(self, text: str) -> Any:
        """The reverse of ``to_text``."""


class SecretText:
    """Text of which nothing is shown."""

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
    """Header values, of which only those known to be harmless are shown."""

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
        meant = {n: stored.get(n.lower(), "") if v == MASK else v for n, v in sent.items()}
        for header, value in sent.items():
            if value == MASK and not meant[header]:
                raise InvalidInput.of(
                    name,
                    f"hides the value of {header}, and none is stored: send the value itself",
                )
        return meant

    def to_text(self, value: Mapping[str, str]) -> str:
        return msgspec.json.encode(value).decode()

    def from_text(self, text: str) -> dict[str, str]:
        return _headers.decode(text)


def _hides_header(name: str, value: str) -> bool:
    return bool(value) and name.lower() not in _HARMLESS_HEADERS


def refuse_moving(kept: list[str], old_url: str, new_url: str) -> None:
    """Keep secrets with the server they were meant for.

    ``kept``: the fields with hidden values that the caller did not send anew. Raises InvalidInput
    where the URL leads to another origin (RFC 6454, section 4): whoever may change a website could
    otherwise have its secrets sent to a server of their own.
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
