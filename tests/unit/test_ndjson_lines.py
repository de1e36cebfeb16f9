"""Lines and chunks are the same however the stream was cut on its way, and bounded."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from monitor.resources import lines
from monitor.resources.lines import (
    CHUNK_BYTES,
    CHUNK_LINES,
    MAX_LINE_BYTES,
    Chunker,
    LongLine,
    RowCount,
)

BODIES = st.lists(st.sampled_from([b"a", b"{}", b"\r", b"\n", b"\n\n", b"\xff", b"longer"])).map(
    b"".join
)


def _chunks(blocks):
    chunker = Chunker()
    found = [chunk for block in blocks for chunk in chunker.feed(block)]
    return found + list(chunker.end())


def _cut(body, places):
    marks = sorted({p % (len(body) + 1) for p in places} | {0, len(body)})
    return [body[a:b] for a, b in pairwise(marks)]


@given(BODIES, st.lists(st.integers(0, 1000)))
def test_where_the_stream_is_cut_makes_no_difference(body, places):
    found = _chunks(_cut(body, places))
    # then
    assert found == _chunks([body])
    wanted = body.removesuffix(b"\n").split(b"\n") if body else []
    assert [line for chunk in found for line in chunk.lines] == wanted


@given(BODIES, BODIES)
def test_digests_are_equal_for_equal_lines_alone(one, other):
    first, second = _chunks([one]), _chunks([other])
    same_lines = [c.lines for c in first] == [c.lines for c in second]
    assert ([c.digest for c in first] == [c.digest for c in second]) is same_lines


def test_a_chunk_ends_after_its_lines_and_numbers_go_on():
    found = _chunks([b"{}\n" * (2 * CHUNK_LINES + 1)])
    assert [(c.first_line, c.last_line) for c in found] == [
        (1, CHUNK_LINES),
        (CHUNK_LINES + 1, 2 * CHUNK_LINES),
        (2 * CHUNK_LINES + 1, 2 * CHUNK_LINES + 1),
    ]


def test_a_chunk_ends_after_its_bytes_too():
    longest = b"x" * MAX_LINE_BYTES + b"\n"
    in_one = CHUNK_BYTES // MAX_LINE_BYTES
    # when
    found = _chunks([longest] * (2 * in_one + 1))
    # then
    assert [len(c.lines) for c in found] == [in_one, in_one, 1]


def test_a_line_that_is_too_long_is_known_by_its_digest_only():
    longest, longer, other = (b"x" * n for n in (MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3_000_000))
    # when
    (chunk,) = _chunks(
        _cut(b"\n".join([longest, longer, b"{}", other]), range(0, 9_000_000, 65_537))
    )
    # then
    first, second, third, fourth = chunk.lines
    assert (first, third) == (longest, b"{}")
    assert isinstance(second, LongLine)
    assert isinstance(fourth, LongLine)
    assert second != fourth
    whole = _chunks([b"\n".join([longest, longer, b"{}", other])])
    assert [c.digest for c in whole] == [chunk.digest]
    another = _chunks([b"\n".join([longest, longer + b"y", b"{}", other])])
    assert another[0].digest != chunk.digest


def test_endless_line_uses_bounded_memory():
    splitter = lines.LineSplitter()
    for _ in range(100):
        assert list(splitter.feed(b"x" * 65_536)) == []
        assert len(splitter._rest) <= MAX_LINE_BYTES
    assert [type(line) for line in splitter.end()] == [LongLine]


@given(
    st.lists(st.sampled_from(["a", 'say ""x""', "two\r\nlines\n", "", ","])),
    st.lists(st.integers(0, 1000)),
)
def test_rows_are_counted_however_the_stream_was_cut(cells, places):
    # given CSV with a header, and NDJSON in which a quote and a line break are escaped
    table = "url,name\r\n" + "".join(f'x,"{cell}"\r\n' for cell in cells)
    objects = "".join(json.dumps({"name": cell}) + "\n" for cell in cells)
    for csv, body in ((True, table.encode()), (False, objects.encode())):
        # when
        count = RowCount(csv=csv)
        for block in _cut(body, places):
            count.add(block)
        # then
        assert count.rows == len(cells)
