"""3 Core is asked in pieces that touch few of its files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.storage.timeseries.file_limit import BLOCK_S, BLOCKS_AT_ONCE, halves, pieces

HOUR_S, DAY_S = 3600, 86_400

times = st.integers(0, 2_000_000_000)
lengths = st.integers(1, 400 * DAY_S)
spacings = st.sampled_from([BLOCK_S, HOUR_S, DAY_S])


@given(times, lengths, spacings, st.integers(1, 6 * HOUR_S))
def test_pieces_are_the_span_cut_where_groups_begin(since_s, length_s, spacing_s, align_s):
    # when
    spans = pieces((since_s, since_s + length_s), spacing_s, align_s)
    # then
    edges = [since for since, _ in spans] + [spans[-1][1]]
    assert (edges[0], edges[-1]) == (since_s, since_s + length_s)
    assert [until for _, until in spans] == edges[1:]
    assert all(edge % align_s == 0 for edge in edges[1:-1])
    assert edges == sorted(set(edges))


@given(times, lengths, spacings, st.integers(1, 6 * HOUR_S))
def test_a_piece_touches_half_of_the_files_that_are_answered_from(
    since_s, length_s, spacing_s, align_s
):
    for since, until in pieces((since_s, since_s + length_s), spacing_s, align_s):
        first = since - since % spacing_s
        blocks = len(range(first, until, spacing_s))
        # one more where it begins within a block
        assert blocks <= BLOCKS_AT_ONCE + 1


def test_few_questions_are_asked_for_what_people_look_at():
    now_s = 1_796_000_000
    assert len(pieces((now_s - DAY_S, now_s), BLOCK_S, 180)) <= 2
    assert len(pieces((now_s - 3 * DAY_S, now_s), BLOCK_S, 540)) <= 3
    assert len(pieces((now_s - 30 * DAY_S, now_s), HOUR_S)) <= 5
    assert len(pieces((now_s - 400 * DAY_S, now_s), DAY_S)) <= 3


@given(times, lengths, st.integers(1, DAY_S))
def test_halves_are_the_span_cut_once(since_s, length_s, align_s):
    span = (since_s, since_s + length_s)
    # when
    parts = halves(span, align_s)
    # then
    inner = range(since_s - since_s % align_s + align_s, since_s + length_s, align_s)
    assert (parts is None) == (len(inner) == 0)
    if parts is not None:
        (begin, cut), (again, end) = parts
        assert (begin, end, cut) == (*span, again)
        assert cut in inner


@pytest.mark.parametrize("width_s", [2 * DAY_S, 36 * HOUR_S + 1])
def test_a_group_wider_than_a_piece_is_asked_for_whole(width_s):
    spans = pieces((0, 4 * width_s), BLOCK_S, width_s)
    assert spans == [(n * width_s, (n + 1) * width_s) for n in range(4)]
