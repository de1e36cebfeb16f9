"""The hostile websites and their good neighbours, once for each test process."""

from __future__ import annotations

import pytest

from support.hostile_checks import Farms
from support.hostile_farm import farm


@pytest.fixture(scope="session")
def farms():
    with farm("hostile") as hostile, farm("neighbours") as neighbours:
        yield Farms(hostile, neighbours)
