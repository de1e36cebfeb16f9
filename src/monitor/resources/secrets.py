"""Which parts of a website's options are secret, and how they are masked. Pure.

The declaration of a field says whether it may hold a secret. Secret values are returned as a mask;
sending the mask back keeps the stored value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from monitor.domain.errors import InvalidInput
from monitor.resources.request_headers import host_of, may_be_shown

MASK = "********"

_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^\[\]:@/?#]*)(?::([0-9]{0,5}))?")  # RFC 3986, section 3.2
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

    def resends(self, sent: Any) -> bool:
        """Whether any secret part was sent as itself, not as a mask."""

    def outdated(self, shown: Any) -> bool:
        """Whether a part is masked that may be shown by now."""

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

    def resends(self, sent: str) -> bool:
        return sent not in ("", MASK)

    def outdated(self, shown: str) -> bool:  # noqa: ARG002
        return False

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

    def resends(self, sent: Mapping[str, str]) -> bool:
        return any(_hides_header(n, v) and v != MASK for n, v in sent.items())

    def outdated(self, shown: Mapping[str, str]) -> bool:
        return any(v == MASK and may_be_shown(n) for n, v in shown.items())

    def to_text(self, value: Mapping[str, str]) -> str:
        return msgspec.json.encode(value).decode()

    def from_text(self, text: str) -> dict[str, str]:
        return _headers.decode(text)


def _hides_header(name: str, value: str) -> bool:
    return bool(value) and not may_be_shown(name)


class Recipient(Struct, frozen=True):
    """Who gets what a check sends: the server of ``url``, and of its sites the one that ``headers``
    name with Host."""

    url: str
    headers: Mapping[str, str]

    def origin(self) -> tuple[str, str, int]:
        """RFC 6454, section 4."""
        parts = urlsplit(self.url)
        return parts.scheme, (parts.hostname or "").removesuffix("."), parts.port or self._port()

    def host(self) -> tuple[str, int]:
        """The host and port by which a server tells its sites apart (RFC 9110, section 7.2)."""
        sent = host_of(self.headers)
        authority = urlsplit(self.url).netloc if sent is None else sent
        match = _AUTHORITY.fullmatch(authority.lower())
        if match is None:  # whatever a server makes of it
            return authority, 0
        return match[1].removesuffix("."), int(match[2] or self._port())

    def _port(self) -> int:
        return 443 if urlsplit(self.url).scheme == "https" else 80


def refuse_moving(kept: list[str], old: Recipient, new: Recipient) -> None:
    """Refuse to send stored secrets to another recipient.

    ``kept``: the fields whose stored secrets would be kept. Raises InvalidInput if there are any
    and the URL has another origin, or the requests another Host: behind a shared front end that is
    another party. Otherwise anyone with write access could have a website's secrets sent to a
    server of their choice.
    """
    if not kept:
        return
    again = (
        f"send {' and '.join(kept)} again with it, because hidden values are only sent to the "
        "server they were meant for"
    )
    if old.origin() != new.origin():
        raise InvalidInput.of("url", f"leads to another server: {again}")
    if old.host() != new.host():
        raise InvalidInput.of("request_headers", f"leads to another server by its Host: {again}")
