"""Every test that the documents name is there: a promise whose test is gone is nobody's."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "ARCHITECTURE.md", ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMED = re.compile(r"(?:[\w./-]*/)?test_[\w*]+\.py|tests/[\w./-]+")


def _missing(text):
    """Of the test files and folders named in a text, those that are not there."""
    for name in NAMED.findall(text):
        wanted = name.rstrip("./")
        found = (ROOT / wanted).exists() if "/" in wanted else None
        if not (found or list((ROOT / "tests").rglob(wanted.rpartition("/")[2]))):
            yield name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_test_that_a_document_names_exists(document):
    assert list(_missing(document.read_text())) == []


@pytest.mark.parametrize(("document", "least"), [("docs/security.md", 12), ("ARCHITECTURE.md", 8)])
def test_the_tables_of_promises_name_tests(document, least):
    assert len(set(NAMED.findall((ROOT / document).read_text()))) >= least


def test_each_line_of_the_threat_model_names_a_test():
    lines = re.findall(r"^\| .*\|$", (ROOT / "docs/security.md").read_text(), re.MULTILINE)[1:]

    assert len(lines) > 8
    assert [line for line in lines if not NAMED.search(line.rsplit("|", 2)[1])] == []


def test_a_name_that_is_wrong_is_found():
    assert list(_missing("shown by `test_probe_redirects.py`, `test_no_such.py`")) == [
        "test_no_such.py"
    ]
    assert list(_missing("see `tests/unit/test_deploy.py`, `tests/no/where`")) == ["tests/no/where"]
    assert list(_missing("`test_probes_*.py`, `test_zebra_*.py`")) == ["test_zebra_*.py"]
