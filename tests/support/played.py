"""Plays a story (``support.story``) to the product: checks decide verdicts, flips are recorded,
ticks are written and rolled up as they are when it runs."""

from uuid import UUID

from monitor.domain.outcome import Reason
from monitor.domain.series import DAY_S, HOUR_S
from monitor.domain.verdict import RegionState, decide, flip_of
from monitor.services.incidents.record import IncidentRecorder
from monitor.storage.postgres import rolled_up_days, schedules
from monitor.storage.postgres.pool import session
from monitor.storage.postgres.rolled_up_days import DaysDone
from monitor.storage.redis import keys
from monitor.storage.redis.states import States, pack
from monitor.storage.redis.tick_buffer import TickBuffer
from support.factories import outcome_503, outcome_up, tick


async def play(api, website, story, *, ticks=None, rolled_up_until_s=None):
    """Let all of a story happen to this website of an ``api``, whose clock is at its end after it.

    ``ticks``: a tick store other than that of the API.
    """
    website_id, store = UUID(website["id"]), ticks or api.ticks
    await _begin(api, website_id, story)
    checks = sorted(
        (c for region in story.regions for c in story.checks(region)),
        key=lambda c: (c.at_s, c.region),
    )
    await _decide(api, website_id, story, checks)
    for first in range(0, len(checks), 5000):
        await store.write([_tick(website_id, c) for c in checks[first : first + 5000]])
    until_s = story.until_s if rolled_up_until_s is None else rolled_up_until_s
    await roll_up(api, store, story.since_s, until_s)
    api.now_s = float(story.until_s)


def _tick(website_id, check):
    reason = None if check.up else Reason.HTTP_STATUS
    return tick(
        check.at_s, check.response_ms, website=website_id, region=check.region, reason=reason,
        out_of_turn=check.recheck,
    )  # fmt: skip


async def _begin(api, website_id, story):
    """The website was created when the story begins, and paused when it says so."""
    await api.rows(
        "UPDATE websites SET created_at = to_timestamp(%s), check_frequency = %s WHERE id = %s",
        story.since_s, story.every_s, website_id,
    )  # fmt: skip
    await api.rows("UPDATE region_periods SET since = to_timestamp(%s)", story.since_s - DAY_S)
    await api.rows("DELETE FROM website_periods WHERE website_id = %s", website_id)
    edges = [story.since_s, *(edge for pause in story.pauses for edge in pause)]
    for number, (since, until) in enumerate(zip(edges, [*edges[1:], None], strict=True)):
        await api.rows(
            "INSERT INTO website_periods VALUES (%s, to_timestamp(%s), to_timestamp(%s), %s, NULL)",
            website_id, since, until, None if number % 2 else story.every_s,
        )  # fmt: skip


async def _decide(api, website_id, story, checks):
    """What regions and recorder make of these checks, at the time of each."""
    states = dict.fromkeys(story.regions, RegionState())
    recorder = IncidentRecorder(api.pool, States(api.redis), (), lambda: api.now_s)
    pauses = list(story.pauses)
    for check in checks:
        while pauses and pauses[0][0] <= check.at_s:
            await _pause(api, website_id, pauses.pop(0)[0])
            states = dict.fromkeys(story.regions, RegionState())
        api.now_s = float(check.at_s)
        outcome = outcome_up() if check.up else outcome_503()
        decision = decide(states[check.region], outcome, check.at_s)
        states[check.region] = decision.state
        if decision.report:
            for region, state in states.items():
                await api.redis.hset(keys.state(region), website_id.bytes, pack(state))
            await recorder.record([flip_of(website_id, check.region, decision, outcome)])


async def _pause(api, website_id, at_s):
    """What pausing does to verdicts and incidents, at that time."""
    await api.rows("DELETE FROM verdicts WHERE website_id = %s", website_id)
    await api.rows(
        "UPDATE incidents SET resolved_at = to_timestamp(%s), resolution = 'paused'"
        " WHERE website_id = %s AND resolved_at IS NULL",
        at_s, website_id,
    )  # fmt: skip


async def roll_up(api, store, since_s, until_s):
    """Roll up the whole hours and days of this time."""

    async def known(website_ids, begin_s, end_s):
        async with session(api.pool) as connection:
            return await schedules.fetch_known(connection, website_ids, begin_s, end_s)

    hours_end_s = until_s // HOUR_S * HOUR_S
    for hour_s in range(since_s // HOUR_S * HOUR_S, hours_end_s, HOUR_S):
        await store.roll_up(hour_s, known)
    days = range(since_s // DAY_S * DAY_S, until_s // DAY_S * DAY_S, DAY_S)
    for day_s in days:
        await store.roll_up_day(day_s, known)
    if days:
        async with session(api.pool) as connection:
            await rolled_up_days.note(connection, DaysDone(days[0], days[-1]))
    await TickBuffer(api.redis, 0).note_rolled_up(hours_end_s - HOUR_S)
