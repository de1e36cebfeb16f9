"""Text written by the line protocol comes back from a real server as it was."""

import json
import urllib.parse
import urllib.request

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from monitor.storage.timeseries.line_protocol import string_field, tag_value

tags = st.text(
    st.characters(min_codepoint=32, exclude_characters="\\", exclude_categories=["Cs"]), min_size=1
)
strings = st.text(st.characters(exclude_categories=["Cs"]))

HOSTILE = [
    ('a,region=us up=0i 1" x', 'down",up=1i 5\nwebsite_ticks up=1i'),
    ("=", "\\"),
    ('"quoted"', '\\"'),
    (" ends with a space ", "\\\\\\"),
    ("\u202e\u2028\x7f\x85", "\x00\x1b[2J\r\n"),
]


def _ask(url, database, body=None, query=""):
    path = "write" if body is not None else "query"
    query = {"db": database, "epoch": "s", "precision": "s", "q": query}
    with urllib.request.urlopen(f"{url}/{path}?{urllib.parse.urlencode(query)}", body) as answer:
        return json.loads(answer.read() or b"{}")


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(tags, strings), min_size=20, max_size=50))
@example(HOSTILE)
def test_ticks_round_trip_through_the_server(influx_database, pairs):
    # given
    url, database = influx_database
    _ask(url, database, query=f'CREATE DATABASE "{database}"', body=None)
    _ask(url, database, query='DROP SERIES FROM "m"')
    lines = [
        f"m,tag={tag_value(tag)} string={string_field(string)} {time}"
        for time, (tag, string) in enumerate(pairs, 1)
    ]
    # when
    _ask(url, database, "\n".join(lines).encode())
    # then
    (result,) = _ask(url, database, query='SELECT "tag", "string" FROM "m"')["results"]
    (series,) = result["series"]
    assert sorted(map(tuple, series["values"])) == [
        (time, tag, string) for time, (tag, string) in enumerate(pairs, 1)
    ]
