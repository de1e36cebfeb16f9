"""Lines of an import: whatever bytes come, each line is read or refused by its number."""

import io

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.resources.bulk_import import Candidate, LineResult, ProcessedLine, read_line
from monitor.resources.website_csv import COLUMNS
from monitor.services.bulk.csv_lines import BadCsv, Table

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=15,
)
likely = st.sampled_from(
    ["https://a.example/", "http://[::1]:0/", "GET", ["200-399"], {"X": "y"}, 60, True, "a@b.c"]
)
objects = st.dictionaries(st.sampled_from(COLUMNS) | st.text(max_size=5), json_values | likely)
lines = st.binary(max_size=60) | (objects | json_values).map(msgspec.json.encode)


@given(lines, st.integers(1, 2**40))
@example(b"[" * 100_000, 1)
@example(b'{"url":' * 50_000, 1)
@example(b'{"url": "\\ud800"}', 1)
@example(b"\xef\xbb\xbf{}", 1)
def test_a_line_is_a_candidate_or_refused_or_empty(line, number):
    match read_line(number, line):
        case None:
            assert not line.removeprefix(b"\xef\xbb\xbf").strip()
        case Candidate() as candidate:
            assert candidate.line == number
            assert candidate.fields.url
        case ProcessedLine() as outcome:
            assert (outcome.line, outcome.result, outcome.id) == (number, LineResult.FAILED, None)
            assert outcome.errors
            assert outcome.code in {"invalid_json", "invalid_fields"}
            assert all(e.field.isprintable() and e.message.isprintable() for e in outcome.errors)


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
rows = st.lists(st.lists(cells, max_size=4).map(",".join), max_size=8)
headers = st.lists(st.sampled_from(COLUMNS), unique=True, max_size=4).map(",".join)


@given(st.tuples(headers | cells, rows, st.sampled_from(["\n", "\r\n", "\r"])))
@example(("url,name", ['"http://a/","two\nlines"', "http://b/,c"], "\n"))
@example(("url", ["\udcff"], "\n"))
@example(("url", ['"'], "\n"))
@example(("url", ["x" * 2_000_000], "\n"))
@example(("x" * 2_000_000, [], "\n"))
@example(("sep=;\n;;\nURL ;name", [";", "http://a/;b"], "\n"))
def test_a_table_becomes_lines_or_is_refused(table):
    # given
    header, body, end = table
    text = end.join([header, *body])
    # when
    made, refused = _converted(text)
    # then
    if refused is not None:
        assert refused.startswith("line ")
        assert all(part.isprintable() for part in refused.split("\n"))
        return
    # the lines are objects of the columns, or empty, and as many as the table has
    found = [msgspec.json.decode(line) for line in made.split(b"\n") if line]
    assert all(one.keys() <= set(COLUMNS) for one in found)
    assert made.count(b"\n") == len(list(io.StringIO(text, newline="")))


def _converted(text):
    try:
        return b"".join(Table(io.StringIO(text, newline="")).ndjson()), None
    except BadCsv as refused:
        return None, str(refused)
