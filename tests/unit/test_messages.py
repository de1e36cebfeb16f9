"""Messages survive the queue, and what cannot be understood is refused."""

import json
from uuid import UUID

import pytest

from monitor.domain import messages
from monitor.domain.errors import BadMessage
from monitor.domain.messages import CheckBatch, CheckWebsites, RecordFlips, decode
from monitor.domain.outcome import Reason
from monitor.domain.verdict import Flip, Verdict

BATCH = CheckBatch(region="europe", interval_s=180, lo=0, hi=2**32, slot_ms=1_750_000_000_000)


def _through_json(outgoing):
    return json.loads(json.dumps(outgoing.kwargs()))["payload"]


def test_a_batch_comes_through_and_waits_for_its_slot():
    outgoing = messages.check_batch(BATCH)
    assert decode(_through_json(outgoing), CheckBatch) == BATCH
    assert outgoing.queue == "checks.europe"
    assert outgoing.not_before_ms == BATCH.slot_ms


def test_flips_come_through():
    flip = Flip(UUID(int=1), "europe", Verdict.DOWN, 100, 115, Reason.TLS_EXPIRED, 0, "expired")
    assert decode(_through_json(messages.record_flips([flip])), RecordFlips).flips == [flip]


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        {},
        {"v": 1, "region": "europe"},
        {"v": 1, "region": "europe", "website_ids": ["no-uuid"], "slot_ms": 1},
        {"v": 1, "region": "europe", "website_ids": [], "slot_ms": "soon"},
    ],
)
def test_a_malformed_message_is_refused(payload):
    with pytest.raises(BadMessage, match="CheckWebsites"):
        decode(payload, CheckWebsites)


def test_a_message_from_a_newer_version_is_refused():
    payload = _through_json(messages.check_batch(BATCH)) | {"v": 2}
    with pytest.raises(BadMessage, match="version 2 is newer than 1"):
        decode(payload, CheckBatch)


def test_fields_that_a_newer_minor_version_added_are_passed_over():
    payload = _through_json(messages.check_batch(BATCH)) | {"hint": "new"}
    assert decode(payload, CheckBatch) == BATCH
