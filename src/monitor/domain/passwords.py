"""Which passwords are accepted: long ones that are not common. Pure.

Length and a list of common passwords, no rules of composition and no expiry: NIST SP 800-63B,
section 3.1.1.2. The list is not of whole passwords but of what they are put together from, because
hardly any common password has twelve characters until somebody adds to it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache
from itertools import pairwise

from monitor.domain.common_passwords import WORDS

MIN_LENGTH, MAX_LENGTH = 12, 256
MIN_UNITS = 5
"""A password that is put together from fewer units is common. A unit is a common word, a walk over
the keyboard, a sequence, a year, or any other character but a separator."""

_EXAMINED = 64
"""So many characters are examined: what begins with enough units is not common."""
_LEAST_WORD, _LEAST_WALK, _LEAST_RUN = 3, 4, 3
_LONGEST_UNIT = 24
_SEPARATORS = frozenset(" -_.,")
_LEET = str.maketrans("@4031!|$57", "aaoeiiisst")
_KEYBOARD = ("1234567890-=", "qwertyuiop[]", "asdfghjkl;'", "zxcvbnm,./")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


def normalised(password: str) -> str:
    """The form that is hashed: the same whichever keyboard typed it (Unicode NFKC)."""
    return unicodedata.normalize("NFKC", password)


def problem_of(password: str, own: Collection[str] = ()) -> str | None:
    """What is wrong with a new password, as the rest of a sentence; None: nothing.

    ``own``: what others know of whoever chooses it, like their address.
    """
    text = normalised(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        return f"must have {MIN_LENGTH} to {MAX_LENGTH} characters"
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in text):
        return "must not contain control characters"
    if text.isdigit():
        return "must not be digits alone"
    if _units(text, _words_of(own)) < MIN_UNITS:
        return "is one that others would guess: it is made of common words, rows of keys or digits"
    return None


def _words_of(own: Collection[str]) -> frozenset[str]:
    words = (word for text in own for word in re.split(r"[^a-z0-9]+", text.lower()))
    return frozenset(word for word in words if len(word) >= _LEAST_WORD)


def _units(text: str, own: frozenset[str]) -> int:
    """The least number of units that make this text, or the part of it that repeats itself, or the
    two texts that take turns in it, as in a1s2d3f4g5h6."""
    lower, words = text.lower(), WORDS | own
    block = _repeated_block(lower)
    if block != lower:
        return _least_units(block[:_EXAMINED], words) + 1
    lower = lower[:_EXAMINED]
    turns = _least_units(lower[::2], words) + _least_units(lower[1::2], words)
    return min(_least_units(lower, words), turns)


def _least_units(lower: str, words: frozenset[str]) -> int:
    plain = lower.translate(_LEET)
    least = [0] * (len(lower) + 1)
    for end in range(1, len(lower) + 1):
        if lower[end - 1] in _SEPARATORS:
            least[end] = least[end - 1]
            continue
        first = max(end - _LONGEST_UNIT, 0)
        begins = (b for b in range(first, end) if _is_unit(lower, plain, b, end, words))
        least[end] = 1 + min(least[begin] for begin in begins)
    return least[-1]


def _repeated_block(text: str) -> str:
    """The shortest text that this one repeats; the last time it may be cut off."""
    return next(text[:n] for n in range(1, len(text) + 1) if text.startswith(text[n:]))


def _is_unit(lower: str, plain: str, begin: int, end: int, words: frozenset[str]) -> bool:
    piece = lower[begin:end]
    return (
        len(piece) == 1
        or piece in words
        or plain[begin:end] in words
        or _is_run(piece)
        or _is_walk(piece)
        or _YEAR.fullmatch(piece) is not None
    )


def _is_run(piece: str) -> bool:
    """Whether each character is as far from the one before: 1234, fedc, aaa, 2468."""
    steps = {ord(b) - ord(a) for a, b in pairwise(piece)}
    return len(piece) >= _LEAST_RUN and len(steps) == 1 and abs(next(iter(steps))) <= 2


def _is_walk(piece: str) -> bool:
    """Whether each key lies beside the one before."""
    neighbours = _neighbours()
    return len(piece) >= _LEAST_WALK and all(b in neighbours.get(a, "") for a, b in pairwise(piece))


@cache
def _neighbours() -> dict[str, frozenset[str]]:
    """The keys beside each key, and itself, on a US keyboard whose rows are a grid."""
    places = {key: (x, y) for y, row in enumerate(_KEYBOARD) for x, key in enumerate(row)}
    return {key: frozenset(_beside(place, places)) for key, place in places.items()}


def _beside(place: tuple[int, int], places: dict[str, tuple[int, int]]) -> Iterator[str]:
    for key, (x, y) in places.items():
        if abs(x - place[0]) <= 1 and abs(y - place[1]) <= 1:
            yield key
