"""Messages survive the queue, and what cannot be understood is refused."""

import json
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain import messages
from monitor.domain.errors import BadMessage
from monitor.domain.messages import (
    CheckBatch,
    CheckWebsites,
    Deliver,
    RecordFlips,
    SyncChanges,
    decode,
)
from monitor.domain.outcome import Reason
from monitor.domain.verdict import Flip, Verdict
from support.factories import batch_message

BATCH = batch_message(slot_ms=1_750_000_000_000)


def _through_json(outgoing):
    return json.loads(json.dumps(outgoing.kwargs()))["payload"]


def test_a_batch_round_trips_and_waits_for_its_slot():
    outgoing = messages.check_batch(BATCH)
    assert decode(_through_json(outgoing), CheckBatch) == BATCH
    assert outgoing.queue == "checks.europe"
    assert outgoing.not_before_ms == BATCH.slot_ms


def test_flips_round_trip():
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


def test_a_check_of_an_older_version_is_out_of_turn():
    payload = {"v": 1, "region": "europe", "website_ids": [], "slot_ms": 1}
    assert not decode(payload, CheckWebsites).in_turn


def test_a_delivery_needs_no_notification_but_still_names_one():
    # given what a later version may send
    assert decode({"v": 1}, Deliver) == Deliver()
    # and what workers of the previous version need
    assert _through_json(messages.deliver(UUID(int=1)))["notification_id"] == str(UUID(int=1))


def test_a_message_from_a_newer_version_is_refused():
    payload = _through_json(messages.check_batch(BATCH)) | {"v": 2}
    with pytest.raises(BadMessage, match="a version newer than 1"):
        decode(payload, CheckBatch)


def test_unknown_fields_are_ignored():
    payload = _through_json(messages.check_batch(BATCH)) | {"hint": "new"}
    assert decode(payload, CheckBatch) == BATCH


KINDS = (CheckBatch, CheckWebsites, RecordFlips, SyncChanges, Deliver)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=15,
)
likely_values = json_values | st.sampled_from(
    ["europe", "0197a000-0000-7000-8000-00000000000a", "down", 1, 2**63, -1, "tls_expired"]
)


@st.composite
def nearly_messages(draw):
    """Objects that have a message's fields, and most of the time the wrong things in them."""
    kind = draw(st.sampled_from(KINDS))
    flip = st.fixed_dictionaries({}, optional=dict.fromkeys(Flip.__struct_fields__, likely_values))
    values = likely_values | st.lists(flip | likely_values, max_size=3)
    fields = dict.fromkeys(kind.__struct_fields__, values)
    return kind, draw(st.fixed_dictionaries({}, optional=fields))


@given(json_values, st.sampled_from(KINDS))
def test_any_json_is_a_message_or_refused(payload, kind):
    _decodes_or_is_refused(payload, kind)


@given(nearly_messages())
def test_any_near_message_is_a_message_or_refused(nearly):
    kind, payload = nearly
    _decodes_or_is_refused(payload, kind)


def _decodes_or_is_refused(payload, kind):
    message, refused = _decoded(payload, kind)
    if refused is not None:
        assert refused.startswith(kind.__name__)
        return
    # what was understood says the same when it is sent on
    assert type(message) is kind
    assert decode(json.loads(json.dumps(msgspec.to_builtins(message))), kind) == message


def _decoded(payload, kind):
    try:
        return decode(payload, kind), None
    except BadMessage as refused:
        return None, str(refused)
