"""Systems to break: each case has its own, with servers of its own."""

import pytest

from support.breakable import postgres_template
from support.faulty import faulty_system


@pytest.fixture(scope="session")
def template(servers_directory):
    return postgres_template(servers_directory / "template")


@pytest.fixture
def faulty(tmp_path, template):
    """Call it with a script (``support.truth``) for a system to break: see ``faulty_system``."""

    def start(script, **options):
        return faulty_system(tmp_path, template, script, **options)

    return start
