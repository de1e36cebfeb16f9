"""The rooms of the product are those that ARCHITECTURE.md draws, and nothing stands loose."""

import re
from pathlib import Path

import pytest

import monitor

ROOT = Path(__file__).parents[2]
SOURCE = Path(monitor.__file__).parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
MODULES = sorted(SOURCE.rglob("*.py"))


def _rooms():
    return {path.name for path in SOURCE.iterdir() if (path / "__init__.py").is_file()}


def test_no_module_stands_loose_at_the_top():
    assert [path.name for path in SOURCE.glob("*.py")] == ["__init__.py"]


def test_every_room_is_drawn_and_every_drawn_room_is_there():
    figure = re.search(r"## Rooms.*?```\n(.*?)```", ARCHITECTURE, re.DOTALL)[1]
    assert set(re.findall(r"(?:^|   )([a-z]+)/  ", figure, re.MULTILINE)) >= _rooms()
    inner = {path.parent.name for path in SOURCE.glob("*/*/__init__.py")}
    assert set(re.findall(r"\b([a-z]+)/", figure)) <= _rooms() | inner


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", ARCHITECTURE)))
)
def test_a_file_that_is_named_is_there(name):
    assert [
        base for base in (SOURCE, ROOT, ROOT / "tests", ROOT / "src") if (base / name).is_file()
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_module_is_one_subject(path):
    assert len(path.read_text().splitlines()) <= 450


def test_a_field_of_the_options_stands_in_its_declaration_its_use_and_migrations():
    """The measure of "one declaration a field": twenty places, once."""
    paths = [*MODULES, *(ROOT / "migrations").glob("*.sql")]
    lines = [line for path in paths for line in path.read_text().splitlines()]
    assert len([line for line in lines if "follow_redirects" in line]) <= 6
