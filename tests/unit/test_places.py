"""Who gets a place, and who gives one up: while others wait, nobody keeps more than one."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import Busy
from monitor.domain.places import giving_way, next_waiter
from monitor.services.bulk.places import Places

KEYS = st.lists(st.sampled_from("abcd"), max_size=6)


@pytest.mark.parametrize(
    ("held", "waiting", "position"),
    [
        ([], [], None),
        (["a"], ["a"], 0),
        (["a", "a"], ["a", "b"], 1),
        (["a", "b"], ["b", "a", "c"], 2),
        (["a", "a", "b"], ["a", "b"], 1),
    ],
)
def test_a_free_place_goes_to_the_key_that_holds_the_fewest(held, waiting, position):
    assert next_waiter(held, waiting) == position


@pytest.mark.parametrize(
    ("held", "waiting", "leaving", "position"),
    [
        (["a", "a", "a"], ["b"], 0, 2),
        (["a", "b", "a"], ["c"], 0, 2),
        (["a", "a", "b"], ["c"], 0, 1),
        (["a", "a"], ["b"], 1, None),  # a place is about to be free
        (["a", "a"], ["b", "c"], 1, 1),
        (["a", "b", "c"], ["d"], 0, None),  # nobody holds more than one
        (["a", "a", "b"], ["b"], 0, None),  # whoever waits holds one already
        (["a", "a", "a"], ["a"], 0, None),
    ],
)
def test_the_youngest_place_of_who_holds_the_most_is_given_up(held, waiting, leaving, position):
    assert giving_way(held, waiting, leaving) == position


@given(KEYS, KEYS)
def test_who_gives_way_keeps_a_place(held, waiting):
    left, leaving = list(held), 0
    while (position := giving_way(left, waiting, leaving)) is not None:
        del left[position]
        leaving += 1
    assert set(left) == set(held)
    # then those who wait and hold none find places, or nobody holds more than one
    newcomers = set(waiting) - set(held)
    assert leaving >= len(newcomers) or len(left) == len(set(left)) or not held


async def _holding(places, stack, *holders):
    return [await stack.enter_async_context(places.place(holder)) for holder in holders]


async def test_a_place_is_revoked_for_a_key_that_waits():
    places = Places("imports", 3)
    async with AsyncExitStack() as older, AsyncExitStack() as youngest:
        # given a key that holds all places and waits for its client in each
        await _holding(places, older, "a", "a")
        (place,) = await _holding(places, youngest, "a")

        async def transfer():
            with pytest.raises(TimeoutError):
                async with place.patience(3600):
                    await asyncio.Event().wait()
            await youngest.aclose()

        transferring = asyncio.create_task(transfer())
        await asyncio.sleep(0)
        # when another key comes
        async with places.place("b"):
            # then one of them has ended, at once
            await transferring
            assert place.revoked
            assert places.taken == 3


async def test_a_key_that_holds_a_place_is_refused_at_once():
    places = Places("imports", 2, wait_s=3600)
    async with AsyncExitStack() as stack:
        await _holding(places, stack, "a", "b")
        with pytest.raises(Busy, match="2 imports"):
            await _holding(places, stack, "a")


async def test_a_key_without_a_place_waits_for_one_but_not_for_ever():
    places = Places("exports", 1, wait_s=0.05)
    async with AsyncExitStack() as stack:
        await _holding(places, stack, "a")
        with pytest.raises(Busy):
            await _holding(places, stack, "b")
    # and what it did not get is not lost
    async with AsyncExitStack() as stack:
        await _holding(places, stack, "b")
        assert places.taken == 1
    assert places.taken == 0


async def test_who_stops_waiting_leaves_its_place_to_others():
    places = Places("exports", 1)
    async with AsyncExitStack() as stack:
        await _holding(places, stack, "a")
        waiting = asyncio.create_task(_holding(places, stack, "b"))
        await asyncio.sleep(0)
        await stack.aclose()
        waiting.cancel()  # in the very step in which it got the place
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert places.taken == 0
