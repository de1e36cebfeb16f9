"""A hostile website costs a bounded amount of memory, at its worst moment and afterwards."""

from __future__ import annotations

import pytest

from support.hostile_weighing import weighed

MOST_BYTES = 2 << 20
KEPT_BYTES = 256 << 10


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def weights(farms, request):
    return weighed(request.param, farms)


def _heaviest(by_name):
    return sorted(((size, name) for name, size in by_name.items()), reverse=True)


def test_no_hostile_website_takes_more_than_two_mebibytes(weights):
    resident, objects = _heaviest(weights.resident), _heaviest(weights.objects)

    assert len(objects) > 100
    assert resident[0][0] < MOST_BYTES, resident[:5]
    assert objects[0][0] < MOST_BYTES, objects[:5]


def test_all_that_are_waited_for_take_little_more_together(weights):
    assert weights.waiting_resident < MOST_BYTES
    assert weights.waiting_objects < 2 * MOST_BYTES  # asyncio sets 256 KiB aside for each TLS


def test_nothing_stays(weights):
    assert weights.kept < KEPT_BYTES
