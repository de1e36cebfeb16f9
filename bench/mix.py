"""What real websites are like: mostly HTTPS by name, some HTTP, and a few that fail. Pure."""

from __future__ import annotations

from typing import Literal, get_args

Failure = Literal["refused", "silent", "nxdomain", "expired", "wrong-name", "unavailable"]
Kind = Literal["https", "http", "redirect"] | Failure

FAILURES: tuple[Failure, ...] = get_args(Failure)
_HTTPS, _HTTP, _REDIRECT = 85, 10, 3
"""Of a hundred; the rest fail."""


def kind_of(number: int) -> Kind:
    """Of the website with this number. Every hundred of them is the same mix; failures differ
    from one hundred to the next, so that each is a sixth of them."""
    hundreds, of_hundred = divmod(number, 100)
    if of_hundred < _HTTPS:
        return "https"
    if of_hundred < _HTTPS + _HTTP:
        return "http"
    if of_hundred < _HTTPS + _HTTP + _REDIRECT:
        return "redirect"
    failing = 100 - _HTTPS - _HTTP - _REDIRECT
    return FAILURES[(hundreds * failing + of_hundred - 100 + failing) % len(FAILURES)]


def failing(sites: int) -> int:
    """How many of the first so many fail."""
    return sum(kind_of(number) in FAILURES for number in range(sites))
