"""A chunked answer is one document after the other, however they are separated and cut."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.errors import Misconfigured, Unavailable
from monitor.storage.timeseries.influxdb_errors import (
    DatabaseMissing,
    DropReason,
    NotAllowed,
    PartialWrite,
    Rejected,
    TooLarge,
    TooManyFiles,
    error_of,
)
from monitor.storage.timeseries.influxdb_http import documents
from monitor.storage.timeseries.influxql import duration_s

strings = st.text(st.sampled_from('{}[]"\\ \n,:aä'), max_size=12)
objects = st.dictionaries(
    strings, st.recursive(st.none() | st.integers() | strings, lambda v: st.lists(v, max_size=3)),
    max_size=3,
)  # fmt: skip
responses = st.fixed_dictionaries({"results": st.lists(objects, max_size=3)})
"""Braces follow each other in strings alone."""


async def _pieces(body, cuts):
    edges = [0, *sorted(c for c in cuts if c <= len(body)), len(body)]
    for start, end in itertools.pairwise(edges):
        yield body[start:end]


async def _read(body, cuts):
    return [document async for document in documents(_pieces(body, cuts))]


@given(
    st.lists(responses, max_size=4),
    st.lists(st.integers(0, 400)),
    st.sampled_from(["", "\n", "\r\n", " \n "]),
    st.booleans(),
)
async def test_documents_are_complete(sent, cuts, between, last_line_ends):
    # given
    texts = [json.dumps(one, ensure_ascii=False) for one in sent]
    body = between.join(texts) + (between if last_line_ends else "")
    # when
    parts = await _read(body.encode(), cuts)
    # then
    assert [json.loads(part) for part in parts] == sent


async def test_every_cut_of_3_cores_answer_gives_the_same():
    body = b'{"results":[{"a":"}{\\"}{"}]}{"results":[{"series":[{},{}]}]}{"results":[]}'
    whole = await _read(body, [])
    assert len(whole) == 3
    for cut in range(len(body)):
        assert await _read(body, [cut]) == whole


async def test_an_empty_response_has_no_documents():
    assert await _read(b"", []) == []
    assert await _read(b"\r\n", [1]) == []


CONFLICT = {
    "error_message": "invalid column type for column 'reason', expected string, got integer",
    "line_number": 2,
    "original_line": "website_ticks,region=x,website_id=y reason=1i 1",
}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, '{"code":"unauthorized","message":"Unauthorized"}', NotAllowed),
        (403, '{"code":"forbidden","message":"insufficient permissions for write"}', NotAllowed),
        (404, '{"code":"not found","message":"no dbrp mapping found"}', DatabaseMissing),
        (404, '{"error":"database not found: \\"nope\\""}', DatabaseMissing),
        (404, "<html>404 Not Found</html>", Misconfigured),
        (405, "", Misconfigured),
        (413, '{"error":"Request Entity Too Large"}', TooLarge),
        (500, "max request size (10485760 bytes) exceeded", TooLarge),
        (422, '{"error":"Adding a new database would exceed limit of 5 databases"}', Rejected),
        (400, '{"error":"parsing failed for write_lp endpoint","data":{}}', Rejected),
        (400, json.dumps({"error": "partial write", "data": [CONFLICT]}), PartialWrite),
        (500, '{"error":"Query would scan 432 Parquet files, exceeding the file limit"}',
         TooManyFiles),
        (503, '{"error":"request queue is full"}', Unavailable),
        (429, "", Unavailable),
    ],
)  # fmt: skip
def test_a_refusal_means(status, body, kind):
    assert type(error_of(status, body.encode())) is kind


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('partial write: field type conflict: input field "reason" on measurement "m" dropped=3',
         DropReason.FIELD_CONFLICT),
        (f"partial write: points {'x' * 600} retention policy dropped=3 for database: a",
         DropReason.BEYOND_RETENTION),
        ("partial write: max-values-per-tag limit exceeded dropped=3", DropReason.REFUSED),
    ],
)  # fmt: skip
def test_the_number_of_dropped_points_is_read_from_the_whole_message(message, reason):
    error = error_of(422, json.dumps({"message": message}).encode())
    assert (error.dropped, error.reason, len(str(error)) <= 200) == (3, reason, True)


def test_3_core_says_how_many_lines_it_dropped_and_which():
    error = error_of(400, json.dumps({"error": "partial write", "data": [CONFLICT] * 7}).encode())
    assert (error.dropped, error.reason) == (7, DropReason.FIELD_CONFLICT)
    assert "column 'reason'" in str(error)
    assert "website_ticks,region=x" in str(error)


@pytest.mark.parametrize(
    ("shown", "seconds"),
    [("720h0m0s", 30 * 86_400), ("0s", 0), ("1h30m0s", 5400), ("9600h0m0s", 400 * 86_400)],
)
def test_a_retention_is_read_as_servers_show_it(shown, seconds):
    assert duration_s(shown) == seconds
