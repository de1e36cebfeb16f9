"""Decisions: a title that says what, a date, a status, and a place in the index."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
PAGES = sorted(FOLDER.glob("0*.md"))
HEAD = re.compile(
    r"# (?P<number>\d+)\. (?P<title>[^\n]+)\n\n"
    r"- Date: \d{4}-\d{2}-\d{2}\n"
    r"- Status: (?:Proposed|Accepted|Superseded by \[ADR \d+\]\([\w-]+\.md\))(?:\n|\. )"
)
SECTIONS = ["Decision", "Why", "Alternatives", "Costs"]


def slug(title):
    return "-".join(re.findall(r"[a-z0-9]+", title.lower()))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name[:4])
def test_each_has_a_title_a_date_and_a_status(page):
    head = HEAD.match(page.read_text())
    assert head is not None
    assert page.name == f"{int(head['number']):04}-{slug(head['title'])}.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name[:4])
def test_each_says_what_was_decided_why_and_what_it_costs(page):
    sections = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert sections in (SECTIONS, [s for s in SECTIONS if s != "Alternatives"])


def test_they_are_numbered_without_a_gap():
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_the_index_has_each_of_them_with_its_title_and_date():
    index = (FOLDER / "README.md").read_text()
    for page in PAGES:
        text = page.read_text()
        title = text.partition("\n")[0].removeprefix("# ")
        date = re.search(r"^- Date: (.+)$", text, re.MULTILINE)[1]
        number = int(page.name[:4])
        assert f"- {date}: [{title}][{number}]\n" in index
        assert f"\n[{number}]: {page.name}\n" in index


@pytest.mark.parametrize("page", [*PAGES, FOLDER / "README.md"], ids=lambda p: p.name[:4])
def test_their_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^):]+)\)|^\[\d+\]: (\S+)$", page.read_text(), re.MULTILINE):
        assert (page.parent / "".join(link)).exists(), link
