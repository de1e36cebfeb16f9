"""What of a website's request is never shown again, and what stands in its place. Pure.

Only headers that are known to be harmless are shown; every other value, and the body, reads back
as a mask. Whoever sends the mask means: as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from msgspec.structs import replace

from monitor.domain.errors import InvalidInput
from monitor.domain.website import CheckOptions

MASK = "********"

_SHOWN = frozenset(
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


def hidden(name: str, value: str) -> bool:
    """Whether the value of this header is not shown."""
    return bool(value) and name.lower() not in _SHOWN


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers as they are shown."""
    return {name: MASK if hidden(name, value) else value for name, value in headers.items()}


def masked_body(body: str) -> str:
    """The body as it is shown."""
    return MASK if body else ""


def masked(check: CheckOptions) -> CheckOptions:
    """The options as they are shown; masking twice is masking once."""
    if not check.request_headers and not check.request_body:
        return check
    return replace(
        check,
        request_headers=masked_headers(check.request_headers),
        request_body=masked_body(check.request_body),
    )


def has_mask(headers: Mapping[str, str]) -> bool:
    """Whether some value is a mask."""
    return any(value == MASK for value in headers.values())


def unmasked_headers(sent: Mapping[str, str], before: Mapping[str, str]) -> dict[str, str]:
    """The headers that are meant: where a mask was sent, the value that there was.

    Raises InvalidInput where there was none.
    """
    known = {name.lower(): value for name, value in before.items()}
    found = {n: known.get(n.lower(), "") if v == MASK else v for n, v in sent.items()}
    for name, value in sent.items():
        if value == MASK and not found[name]:
            raise InvalidInput.of(
                "request_headers",
                f"hides the value of {name}, and none is stored: send the value itself",
            )
    return found


def unmasked_body(sent: str, before: str) -> str:
    """The body that is meant. Raises InvalidInput where the mask stands for none."""
    if sent != MASK:
        return sent
    if not before:
        raise InvalidInput.of("request_body", "is hidden, and none is stored: send the body itself")
    return before


def refuse_moving(kept: bool, old_url: str, new_url: str) -> None:
    """Keep secrets with the server that they were given for.

    ``kept``: hidden values that the caller did not send anew are to stay. Raises InvalidInput
    where the URL leads to another origin (RFC 6454, section 4) then: whoever may change a website
    could else have its secrets sent to a server of their own.
    """
    if kept and _origin(old_url) != _origin(new_url):
        raise InvalidInput.of(
            "url",
            "leads to another server: send request_headers and request_body anew with it, as "
            "hidden values are not sent to a server that they were not given for",
        )


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    default = 443 if parts.scheme == "https" else 80
    return parts.scheme, (parts.hostname or "").removesuffix("."), parts.port or default
