"""What is installed is pinned, hashed, the same everywhere, and under a licence that fits."""

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "requirements").glob("*.txt"))

LICENCES = {
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0",
    # Used unchanged and as libraries, which these allow beside code under any licence.
    "LGPL-3.0-only", "LGPL-3.0-or-later", "MPL-2.0",
}  # fmt: skip
SPELLED = {
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD License": "BSD-3-Clause",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""How distributions put it that do not say it in SPDX."""
TOOLS = {"monitor", "pip", "setuptools"}
"""Ourselves, and what a virtual environment begins with."""


def pins(path):
    """{(name, marker): (version, its hashes)}, read strictly: any other line is an error."""
    logical = path.read_text().replace("\\\n", " ").splitlines()
    lines = [line.split(" #")[0].strip() for line in logical]
    found = {}
    for line in lines:
        if not line or line.startswith("#"):
            continue
        words = re.fullmatch(
            r"([^;]+==[^; ]+)(?: ; (.*?))?((?: +--hash=sha256:[0-9a-f]{64})+)", line
        )
        assert words, f"{path.name}: {line[:80]} is not a pinned and hashed requirement"
        name, version = words[1].split("==")
        key = canonicalize_name(name.split("[")[0]), words[2]
        assert key not in found, f"{path.name} pins {name} twice"
        found[key] = (version, frozenset(words[3].split()))
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_line_is_one_version_with_its_hashes_and_names_no_index(path):
    assert len(pins(path)) > 20
    assert "://" not in path.read_text()
    assert not re.search(r"^\s*-", re.sub(r"^ +--hash.*$", "", path.read_text(), flags=re.M), re.M)


@pytest.mark.parametrize("smaller", ["prod.txt", "local.txt"])
def test_what_runs_in_production_is_what_was_tested(smaller):
    tested, used = pins(ROOT / "requirements/dev.txt"), pins(ROOT / "requirements" / smaller)

    assert {key: pin for key, pin in used.items() if tested.get(key) != pin} == {}


def test_every_dependency_that_is_declared_is_pinned_as_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for name, declared in {
        "prod.txt": project["dependencies"],
        "local.txt": project["dependencies"] + extras["local"],
        "dev.txt": project["dependencies"] + extras["local"] + extras["dev"],
    }.items():
        pinned = {n: version for (n, _), (version, _) in pins(ROOT / "requirements" / name).items()}
        for requirement in map(Requirement, declared):
            assert pinned[canonicalize_name(requirement.name)] in requirement.specifier


def test_what_is_installed_is_what_is_pinned():
    pinned = {
        name: version for (name, _), (version, _) in pins(ROOT / "requirements/dev.txt").items()
    }
    installed = {canonicalize_name(d.name): d.version for d in distributions()}

    assert {n: v for n, v in installed.items() if pinned.get(n, v) != v} == {}


def licences(metadata):
    """What a distribution says of its licences; several in one expression are taken apart."""
    said = metadata.get("License-Expression") or ""
    if not said:
        classified = [
            c.rpartition(" :: ")[2]
            for c in metadata.get_all("Classifier") or ()
            if c.startswith("License :: ") and c != "License :: OSI Approved"
        ]
        said = " AND ".join(SPELLED.get(c, c) for c in classified) or _first_line(metadata)
    parts = re.split(r" AND | OR |[()]", SPELLED.get(said, said))
    return {SPELLED.get(part.strip(), part.strip()) for part in parts if part.strip()}


def _first_line(metadata):
    return (metadata.get("License") or "").partition("\n")[0]


def test_every_licence_is_one_of_those_that_fit():
    said = {d.name: licences(d.metadata) for d in distributions() if d.name not in TOOLS}

    assert len(said) > 50
    assert {name: found for name, found in said.items() if not found or found - LICENCES} == {}
