"""Which request headers may be shown, and which may travel to another origin. Pure.

One list decides both: what may be shown may travel, and nothing else. ``Host`` is the exception:
it is shown, because it says where a request goes, and for the same reason it stays with its origin.
"""

from __future__ import annotations

from collections.abc import Mapping

_HARMLESS = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "content-type",
        "pragma",
        "user-agent",
    }
)
_HOST = "host"

SHOWN = _HARMLESS | {_HOST}
"""The names of the headers whose values are shown, in lower case."""


def may_be_shown(name: str) -> bool:
    """Whether the value of this header is no secret."""
    return name.lower() in SHOWN


def may_travel(name: str) -> bool:
    """Whether this header may follow a redirect to another origin.

    What describes a body goes only where the body goes, which is for the caller to see to.
    """
    return name.lower() in _HARMLESS


def host_of(headers: Mapping[str, str]) -> str | None:
    """The value of Host; None where it is left to the URL."""
    return next((value for name, value in headers.items() if name.lower() == _HOST), None)
