"""Ruff refuses imports below Dramatiq's top level outside of monitor.queue."""

import pkgutil
import tomllib
from pathlib import Path

import dramatiq

ROOT = Path(__file__).parents[2]
DECORATOR = "actor"
"""Its module cannot be named: `dramatiq.actor` is the decorator."""


def test_every_module_of_dramatiq_is_banned():
    # given
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    banned = settings["flake8-tidy-imports"]["banned-api"]
    # then
    modules = {m.name for m in pkgutil.iter_modules(dramatiq.__path__)} - {"__main__", DECORATOR}
    assert {f"dramatiq.{name}" for name in modules} <= banned.keys()


def test_the_queue_and_tests_alone_are_exempt():
    # given
    ignored = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"][
        "per-file-ignores"
    ]
    # then
    exempt = {files for files, rules in ignored.items() if "TID251" in rules}
    assert exempt == {"src/monitor/queue/**", "tests/**"}


def test_nothing_else_names_the_module_of_the_decorator():
    source = (ROOT / "src" / "monitor").rglob("*.py")
    assert [p.name for p in source if "dramatiq.actor import" in p.read_text()] == []
