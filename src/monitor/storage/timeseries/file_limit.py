"""InfluxDB 3 Core answers from at most 432 files: longer spans are asked in pieces. Pure.

It keeps the points of each ten minutes (``--gen1-duration``) in a file of their own, and refuses a
question that would read more than ``--query-file-limit`` of them. Nothing merges them later: that
is what 3 Enterprise is sold for.
"""

from __future__ import annotations

BLOCK_S = 600
BLOCKS_AT_ONCE = 216
"""Half of what it answers from. Points that were written late, or over a while as an hour's
roll-ups are, lie in a second file of their block."""

Span = tuple[int, int]
"""[since_s, until_s), Unix seconds."""


def pieces(span: Span, spacing_s: int, align_s: int = 1) -> list[Span]:
    """Spans that together are this one, in its order; each touches ``BLOCKS_AT_ONCE`` blocks.

    ``spacing_s``: how far apart the blocks begin that hold points. They are cut at multiples of
    ``align_s``, which is the width of the groups that each is asked for.
    """
    length_s = max(BLOCKS_AT_ONCE * max(spacing_s, BLOCK_S) // align_s, 1) * align_s
    since_s, until_s = span
    edges = range(since_s - since_s % length_s + length_s, until_s, length_s)
    return list(zip([since_s, *edges], [*edges, until_s], strict=True))


def halves(span: Span, align_s: int = 1) -> tuple[Span, Span] | None:
    """The two halves of a span, cut at a multiple of ``align_s``; None where none is inside."""
    since_s, until_s = span
    middle_s = (since_s + until_s) // 2
    cut_s = middle_s - middle_s % align_s
    if cut_s <= since_s:
        cut_s += align_s
    return ((since_s, cut_s), (cut_s, until_s)) if since_s < cut_s < until_s else None
