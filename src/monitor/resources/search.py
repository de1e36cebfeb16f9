"""Search that ignores case in every script, whatever the database's locale. Pure."""

from __future__ import annotations

from unicodedata import normalize

_DOTTED_I = "i\N{COMBINING DOT ABOVE}"
"""What the capital of a Turkish i is folded to."""


def fold(text: str) -> str:
    """Text in the form that is searched: equal for texts that differ in case only, or in how their
    characters are composed (Unicode, section 3.13: compatibility caseless match)."""
    if text.isascii():
        return text.lower()
    folded = normalize("NFKC", normalize("NFKC", text).casefold())
    return folded.replace(_DOTTED_I, "i")


def search_text(url: str, name: str) -> str | None:
    """What a search looks through, its parts on a line each: nothing to search for has line breaks.

    None where Postgres can compute it: plain ASCII, which is most of all websites.
    """
    if url.isascii() and name.isascii():
        return None
    return f"{fold(url)}\n{fold(name)}"
