"""What a hostile website costs: memory, at its worst moment and afterwards, and CPU."""

from __future__ import annotations

from statistics import median

import pytest

from support.hostile_weighing import weighed

MOST_BYTES = 2 << 20
KEPT_BYTES = 256 << 10
MOST_CPU = 50
"""In medians of all hostile websites, which cost what a few good ones do: machines differ by a
factor of four. For so long no neighbour is looked at; about a hundred good websites."""


@pytest.fixture(scope="module")
def weights(farms):
    return weighed("uvloop", farms)


def _most(by_name):
    return sorted(((size, name) for name, size in by_name.items()), reverse=True)[:5]


def test_no_hostile_website_takes_more_than_two_mebibytes(weights):
    resident, objects = _most(weights.resident), _most(weights.objects)

    assert len(weights.resident) > 100
    assert resident[0][0] < MOST_BYTES, resident
    assert objects[0][0] < MOST_BYTES, objects


def test_all_hostile_websites_together_stay_within_the_memory_bound(weights):
    assert weights.waiting_resident < MOST_BYTES
    assert weights.waiting_objects < 2 * MOST_BYTES  # each TLS has buffers of its own


def test_no_memory_is_retained_afterwards(weights):
    assert weights.kept < KEPT_BYTES


def test_no_hostile_website_exceeds_its_cpu_bound(weights):
    bound_ms = MOST_CPU * median(weights.cpu_ms.values())
    assert max(weights.cpu_ms.values()) < bound_ms, _most(weights.cpu_ms)
