"""Write the generated parts of the reference pages: `make docs` runs this.

A part stands between two comments in its page. ``--check`` writes nothing, prints the pages that
are out of date and exits with 1 where there are any.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import MagicMock

import msgspec
import openapi_page

from monitor.api.app import create_app
from monitor.runtime.settings_text import as_markdown

PAGES = Path(__file__).parents[1] / "reference"
BEGIN, END = "<!-- generated: make docs -->", "<!-- end of what is generated -->"
COMMAND = [
    sys.executable,
    "-P",
    "-c",
    "import sys; from monitor.cli.main import main; sys.exit(main())",
]
WIDTH = {"COLUMNS": "100", "NO_COLOR": "1"}


def commands() -> str:
    """What `monitor --help` says, and the same of every command and action."""
    return "\n\n".join(_commands(()))


def _commands(words: tuple[str, ...]) -> Iterator[str]:
    text = _help(words)
    yield f"{'#' * (2 + len(words))} monitor {' '.join(words)}".strip()
    yield f"```text\n{text}\n```"
    for name in _names_below(text):
        yield from _commands((*words, name))


def _help(words: tuple[str, ...]) -> str:
    done = subprocess.run(
        [*COMMAND, *words, "--help"],
        env=dict(os.environ) | WIDTH, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


def _names_below(text: str) -> list[str]:
    """The commands or actions that a help text lists, each indented by four."""
    listed = re.search(r"^(?:commands|actions):\n((?: .*\n?)+)", text, re.MULTILINE)
    return re.findall(r"^ {4}([a-z-]+)", listed[1], re.MULTILINE) if listed else []


def api() -> str:
    """The OpenAPI document as tables. Nothing is asked of the app, so it stands on nothing."""
    document = create_app(MagicMock()).openapi_schema.to_schema()
    return openapi_page.page(msgspec.to_builtins(document))


GENERATED: dict[str, Callable[[], str]] = {
    "api.md": api,
    "settings.md": as_markdown,
    "commands.md": commands,
}


def with_part(text: str, part: str) -> str:
    """The page with this between its comments. Raises ValueError where it does not have them."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"a page to generate into needs the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{part}\n\n{END}{tail}"


def main(words: list[str]) -> int:
    outdated = []
    for name, generate in GENERATED.items():
        path = PAGES / name
        before = path.read_text(encoding="utf-8")
        after = with_part(before, generate())
        if after != before:
            outdated.append(name)
            if words != ["--check"]:
                path.write_text(after, encoding="utf-8")
    if words != ["--check"] or not outdated:
        return 0
    print(f"Out of date, run make docs: {', '.join(outdated)}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
