"""The code of an earlier version, out of the repository's own history."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BEFORE = "191d99ac1f6a46a63d26b17625a7573e9f00a5fd"
"""The last commit of 0.1.0."""


def need_source(commit, directory):
    """The path of ``src`` as it was; a visible skip where the clone does not have the commit."""
    archived = subprocess.run(
        ["git", "-C", ROOT, "archive", commit, "src"], capture_output=True, check=False
    )
    if archived.returncode:
        pytest.skip(f"the history of this clone does not go back to {commit}")
    subprocess.run(["tar", "-x", "-C", directory], input=archived.stdout, check=True)
    return directory / "src"
