"""`make audit` says what is known of the pins, and never that nothing is where it could not ask."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = [Path("prod.txt"), Path("dev.txt")]

# As pip-audit 2.10 writes it.
BAD = {
    "name": "jinja2",
    "version": "2.10",
    "vulns": [
        {
            "id": "PYSEC-2019-217",
            "fix_versions": ["2.10.1"],
            "aliases": ["CVE-2019-10906"],
            "description": "",
        }
    ],
}
GOOD = {"name": "msgspec", "version": "0.22.0", "vulns": []}
SKIPPED = {"name": "redis", "skip_reason": "Dependency not found and could not be audited"}


@pytest.fixture(scope="module")
def module():
    spec = importlib.util.spec_from_file_location("audit", ROOT / "requirements/audit.py")
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def answering(canary, **files):
    """An answer for each file by its stem; an error is raised."""
    asked = []

    def ask(path, hashed):
        asked.append((path.name, hashed))
        found = files.get(path.stem, [GOOD]) if hashed else canary
        if isinstance(found, Exception):
            raise found
        return {"dependencies": found, "fixes": []}

    ask.asked = asked
    return ask


def test_all_pins_are_asked_about_by_their_hashes(module):
    ask = answering([BAD])

    assert module.audit(FILES, ask) == (0, ["1 packages, nothing known."])
    assert ask.asked == [("canary.txt", False), ("prod.txt", True), ("dev.txt", True)]


def test_a_pin_that_is_known_to_be_bad_is_reported_with_what_fixes_it(module):
    code, said = module.audit(FILES, answering([BAD], dev=[GOOD, BAD], prod=[BAD]))

    assert code == 1
    assert said == ["jinja2 2.10: PYSEC-2019-217 CVE-2019-10906; fixed in 2.10.1"]


@pytest.mark.parametrize(
    "ask",
    [
        answering([{**BAD, "vulns": []}]),
        answering([{"name": "jinja2", "skip_reason": "not found"}]),
        answering([BAD], dev=[GOOD, SKIPPED]),
        answering(ValueError("no route to host")),
        answering([BAD], dev=subprocess.TimeoutExpired("pip-audit", 600)),
        answering([BAD], dev=FileNotFoundError("pip-audit")),
    ],
    ids=["canary clean", "canary skipped", "one skipped", "no report", "no end", "no tool"],
)
def test_what_could_not_be_asked_is_said_to_be_unknown(module, ask):
    code, said = module.audit(FILES, ask)

    assert code == 2
    assert said[0].startswith("NOT AUDITED: the advisory data cannot be had from here (")


def test_what_is_known_is_said_even_where_not_all_is(module):
    code, said = module.audit(FILES, answering([BAD], prod=[BAD], dev=[SKIPPED]))

    assert code == 1
    assert [line.split(":")[0] for line in said] == ["jinja2 2.10", "NOT AUDITED"]


def test_a_tool_that_says_nothing_readable_is_an_error_and_not_a_pass(
    module, tmp_path, monkeypatch
):
    for text in ("", "echo oh >&2", "echo '{}'", "echo '{\"dependencies\": []}'", "echo []"):
        tool = tmp_path / "pip-audit"
        tool.write_text(f"#!/bin/sh\n{text}\n")
        tool.chmod(0o755)
        monkeypatch.setattr(module.sys, "executable", str(tmp_path / "python"))

        assert module.audit(FILES, module.ask)[0] == 2


def test_every_requirements_file_is_audited(module):
    assert sorted(module.FILES) == sorted(p.name for p in (ROOT / "requirements").glob("*.txt"))
