"""What the package says of itself: one version, a licence, and whom it is for."""

import re
import subprocess
import sysconfig
from email import message_from_string
from pathlib import Path

import pytest
from hatchling import build

from monitor import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture
def metadata(tmp_path, monkeypatch):
    """As an installer would find it."""
    monkeypatch.chdir(ROOT)
    name = build.prepare_metadata_for_build_wheel(str(tmp_path))
    return message_from_string((tmp_path / name / "METADATA").read_text())


def test_the_package_has_the_version_of_the_code(metadata):
    assert metadata["Version"] == __version__


def test_the_command_line_has_the_version_of_the_code():
    command = [Path(sysconfig.get_path("scripts")) / "monitor", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"monitor {__version__}\n"


def test_the_version_is_written_in_one_place():
    files = [ROOT / "pyproject.toml", *(ROOT / "src").rglob("*.py")]
    written = re.compile(rf"""["'/ ]{re.escape(__version__)}["' ]""")
    assert [p.name for p in files if written.search(p.read_text())] == ["__init__.py"]


def test_the_version_is_asked_of_the_code_and_not_of_what_is_installed():
    asked = re.compile(r"""version\(["']monitor["']\)""")
    assert [p for p in (ROOT / "src").rglob("*.py") if asked.search(p.read_text())] == []


def test_the_change_log_has_the_version():
    changes = (ROOT / "CHANGELOG.md").read_text()
    headings = re.findall(r"^## \[(.+?)\](.*)$", changes, re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    assert headings[1][0] == __version__
    assert re.fullmatch(r" - \d{4}-\d{2}-\d{2}", headings[1][1])


def test_the_licence_is_apache_2(metadata):
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n                           Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_classifiers_and_keywords_tell_what_it_is(metadata):
    classifiers = metadata.get_all("Classifier")
    assert "Topic :: System :: Monitoring" in classifiers
    assert "Programming Language :: Python :: 3.11" in classifiers
    assert not [c for c in classifiers if c.startswith("License ::")]  # the expression says it
    assert "uptime" in metadata["Keywords"].split(",")


def test_the_image_is_built_with_the_licence():
    assert "LICENSE" in (ROOT / "deploy/Dockerfile").read_text()
    assert "!LICENSE" in (ROOT / "deploy/Dockerfile.dockerignore").read_text()
