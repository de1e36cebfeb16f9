"""Draw a terminal's text as an SVG: how docs/assets/terminal.svg was made.

    script -qfc "make up DEMO=1" session.txt
    python docs/hooks/terminal_svg.py session.txt "make up DEMO=1" > docs/assets/terminal.svg

Lines are drawn as they were printed; one that is wider than the picture ends with an ellipsis.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

COLUMNS, CELL, LINE, MARGIN, BAR = 104, 7.8, 19, 18, 34
PAPER, INK, FAINT = "#14191f", "#d7dde4", "#7f8b97"
BAD, GOOD, PROMPT = "#ff8f85", "#8bd88b", "#6fb7ff"
COLOURS = (
    (re.compile(r"Down:|incident\.opened|fails now"), BAD),
    (re.compile(r"Up again:|incident\.resolved|works again"), GOOD),
)


def lines(text: str) -> list[str]:
    """What was printed, without what `script` says of itself and without control characters."""
    printed = (re.sub(r"\x1b\[[0-9;]*[A-Za-z]|\r", "", line) for line in text.splitlines())
    kept = [line for line in printed if not line.startswith("Script ")]
    return [line if len(line) <= COLUMNS else line[: COLUMNS - 1] + "…" for line in kept]


def _row(text: str, y: float, colour: str) -> str:
    """One line of text, as wide as its characters in every font."""
    bare = text.lstrip()
    x = MARGIN + (len(text) - len(bare)) * CELL
    return (
        f'<text x="{x:.1f}" y="{y:.0f}" fill="{colour}" textLength="{len(bare) * CELL:.1f}"'
        f' xml:space="preserve">{escape(bare)}</text>'
    )


def _colour(line: str) -> str:
    return next((colour for pattern, colour in COLOURS if pattern.search(line)), INK)


def _rows(command: str, shown: list[str]) -> Iterator[str]:
    y = BAR + MARGIN + 4
    yield _row(f"$ {command}", y, PROMPT)
    for line in shown:
        y += LINE
        if line.strip():
            yield _row(line, y, _colour(line))


def svg(command: str, shown: list[str]) -> str:
    width = COLUMNS * CELL + 2 * MARGIN
    height = BAR + 2 * MARGIN + (len(shown) + 1) * LINE
    dots = "".join(
        f'<circle cx="{MARGIN + 6 + 18 * i}" cy="{BAR / 2 + 2}" r="5" fill="{FAINT}"/>'
        for i in range(3)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"'
        f' role="img" aria-label="A terminal running {escape(command)}">'
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="{PAPER}"/>{dots}'
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono,'
        f' monospace" font-size="13">\n{chr(10).join(_rows(command, shown))}\n</g></svg>\n'
    )


if __name__ == "__main__":
    print(svg(sys.argv[2], lines(Path(sys.argv[1]).read_text(encoding="utf-8"))), end="")
