"""Sets of seconds: what their operations say is what sets of single seconds say."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.domain.windows import Window, difference, intersection, total_s, union

windows = st.lists(st.builds(Window, st.integers(0, 60), st.integers(0, 60)), max_size=8)


def _seconds(parts):
    return {second for part in parts for second in range(part.since_s, part.until_s)}


def _is_canonical(parts):
    edges = [edge for part in parts for edge in (part.since_s, part.until_s)]
    return edges == sorted(set(edges))


@given(windows)
def test_a_union_has_the_seconds_of_all_in_windows_that_do_not_touch(parts):
    united = union(parts)
    assert _seconds(united) == _seconds(parts)
    assert _is_canonical(united)
    assert total_s(united) == len(_seconds(parts))


@given(windows, windows)
def test_intersection_and_difference_divide_a_set(one, other):
    one, other = union(one), union(other)
    common, rest = intersection(one, other), difference(one, other)
    assert _seconds(common) == _seconds(one) & _seconds(other)
    assert _seconds(rest) == _seconds(one) - _seconds(other)
    assert _is_canonical(common)
    assert _is_canonical(rest)
