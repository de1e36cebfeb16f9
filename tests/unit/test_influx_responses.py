"""A chunked answer is one document a line, however the network cuts it."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from monitor.storage.timeseries.influxdb_http import documents

DOCUMENTS = [b'{"results":[%d]}' % n for n in range(5)]


async def _pieces(body, cuts):
    edges = [0, *sorted(cuts), len(body)]
    for start, end in itertools.pairwise(edges):
        yield body[start:end]


async def _read(body, cuts):
    return [found.strip() async for found in documents(_pieces(body, cuts))]


@given(st.lists(st.integers(0, 90)), st.sampled_from([b"\n", b"\r\n"]), st.booleans())
async def test_documents_are_complete(cuts, line_end, last_line_ends):
    body = line_end.join(DOCUMENTS) + (line_end if last_line_ends else b"")
    assert await _read(body, [c for c in cuts if c <= len(body)]) == DOCUMENTS


async def test_an_empty_response_has_no_documents():
    assert await _read(b"", []) == []
    assert await _read(b"\r\n", [1]) == []
