"""An import that pauses websites that are down tells each recipient once, as a rule."""

from monitor.domain.incident import Closing
from support.bulk import break_off, ndjson, send
from support.closing import deliver_all, make_due

_COUNT = 2500
"""Three chunks."""


async def _given_down(api, count=_COUNT):
    """Websites that are down, and whose recipient was told so."""
    await api.add_regions("europe", "asia")
    await send(api, ndjson(*(_line(n) for n in range(count))))
    await api.rows(
        "INSERT INTO incidents (id, website_id, started_at, cause, regions)"
        " SELECT gen_random_uuid(), id, now(), 'http_status', '{europe}' FROM websites"
    )
    await api.rows(
        "INSERT INTO verdicts (website_id, region, verdict, at, slot, reason)"
        " SELECT id, 'europe', 'down', now(), now(), 'http_status' FROM websites"
    )
    await api.rows(
        "INSERT INTO notifications (id, incident_id, event, channel, recipient, state, sent_at)"
        " SELECT gen_random_uuid(), id, 'opened', 'email', 'ops@example.com', 'sent', now()"
        " FROM incidents"
    )


def _line(n, **fields):
    usual = {"url": f"http://example.com/{n:04}", "external_id": str(n), "regions": ["europe"]}
    return usual | fields


async def test_all_chunks_of_an_import_are_told_in_one_message(api):
    await _given_down(api)
    # when
    await send(api, ndjson(*(_line(n, paused=True) for n in range(_COUNT))))
    # then it waits for more
    assert await deliver_all(api.pool) == []
    await make_due(api.pool)
    ((event, _),) = await deliver_all(api.pool)
    assert (event.how, event.total) == (Closing.PAUSED, _COUNT)
    assert [one.url for one in event.incidents] == [_line(n)["url"] for n in range(20)]


async def test_why_incidents_end_is_told_apart(api):
    await _given_down(api, 4)
    # when
    changes = [{"paused": True}, {"regions": ["asia"]}, {"paused": True}, {"regions": ["asia"]}]
    await send(api, ndjson(*(_line(n, **fields) for n, fields in enumerate(changes))))
    # then
    await make_due(api.pool)
    sent = await deliver_all(api.pool)
    assert {event.how: [one.url[-1] for one in event.incidents] for event, _ in sent} == {
        Closing.PAUSED: ["0", "2"], Closing.REGION_REMOVED: ["1", "3"],
    }  # fmt: skip


async def test_what_comes_after_the_message_has_left_is_told_in_another(api):
    await _given_down(api, 3500)
    lines = ndjson(*(_line(n, paused=True) for n in range(3500)))
    # given an import that broke off after some chunks
    await break_off(api, lines, key="a")
    await make_due(api.pool)
    ((first, _),) = await deliver_all(api.pool)
    assert 1000 <= first.total < 3500
    # when
    await send(api, lines, key="a")
    # then
    await make_due(api.pool)
    ((second, _),) = await deliver_all(api.pool)
    assert first.total + second.total == 3500
    assert second.notification_id != first.notification_id


async def test_a_dry_run_tells_nobody(api):
    await _given_down(api, 1)
    await send(api, ndjson(_line(0, paused=True)), dry_run="true")
    assert await deliver_all(api.pool) == []
    assert await api.rows("SELECT count(*) FROM incidents WHERE resolved_at IS NULL") == [(1,)]
