"""A migration that was released stays as it is: databases remember what was applied to them."""

from hashlib import sha256

import pytest

from monitor.storage.postgres.migrations import directory, read

RELEASED = dict(
    reversed(line.split("  ")) for line in (directory() / "SHA256SUMS").read_text().splitlines()
)
LAST_OF_0_1_0 = 8


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_a_released_migration_is_unchanged(name):
    assert sha256((directory() / name).read_bytes()).hexdigest() == RELEASED[name]


def test_every_released_migration_is_listed_in_order():
    names = [migration.name for migration in read(directory())]
    assert sorted(RELEASED) == names[: len(RELEASED)]
    assert len(RELEASED) >= LAST_OF_0_1_0
