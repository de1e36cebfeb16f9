"""`monitor sla` prints what GET /sla says: as a table for people, or its CSV."""

import csv
import io

import psycopg
import pytest

from monitor.api.responses.sla import COLUMNS
from monitor.domain.access import Role
from support.databases import new_database
from support.served_api import served
from support.targets import answers, targets_in_thread

WINDOW = ("--from", "2026-01-01", "--to", "2026-01-10")
SHOP = "(https://shop.example/)"


@pytest.fixture(scope="module")
def server(postgres_server, redis_server, tmp_path_factory):
    """An API, and two websites that it has known for a year; one was down for an hour."""
    directory = tmp_path_factory.mktemp("served")
    with (
        new_database(postgres_server) as database_url,
        served(database_url, redis_server.url, directory) as api,
    ):
        for body in (
            {"url": "https://shop.example/", "name": "Shop", "regions": ["europe"]},
            {"url": "https://blog.example/", "regions": ["asia"], "paused": True},
        ):
            api.http.post("/websites", json=body).raise_for_status()
        with psycopg.connect(database_url) as connection:
            connection.execute("UPDATE websites SET created_at = '2025-12-01Z'")
            connection.execute("UPDATE website_periods SET since = '2025-12-01Z'")
        yield api


def _table(done):
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()


def test_csv_is_that_of_the_api(server):
    done = server.monitor("sla", *WINDOW, "--tz", "Europe/Berlin", "--csv")
    query = {"from": "2026-01-01", "to": "2026-01-10", "tz": "Europe/Berlin", "format": "csv"}
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == server.http.get("/sla", params=query).content
    first, _, _ = csv.DictReader(io.StringIO(done.stdout.decode()))
    assert first["from"] == "2025-12-31T23:00:00Z"


def test_a_table_has_a_line_for_each_website_and_the_totals_last(server):
    head, shop, blog, total, window = _table(server.monitor("sla", *WINDOW))
    assert head.split()[:3] == ["MEASURED", "LOW", "HIGH"]
    # then nothing was measured of the one, and the other was paused
    ten_days = ["10d", "00:00:00"]
    nothing = ["-", "0.0000%", "100.0000%", "00:00:00"]
    assert shop.split() == [*nothing, *ten_days, "00:00:00", "0", "-", "Shop", SHOP]
    assert blog.split() == [*nothing, "00:00:00", *ten_days, "0", "-", "https://blog.example/"]
    assert total.split() == [*nothing, *ten_days, *ten_days, "0", "-", "total", "of", "2"]
    assert window == "2026-01-01T00:00:00Z to 2026-01-11T00:00:00Z, formula 1"


@pytest.mark.parametrize(
    ("words", "websites"),
    [
        (("--q", "blog"), ["https://blog.example/"]),
        (("--region", "europe"), [SHOP]),
        (("--paused", "true"), ["https://blog.example/"]),
        (("--status", "paused"), ["https://blog.example/"]),
        (("--status", "down"), []),
    ],
)
def test_filters_are_those_of_the_list(server, words, websites):
    _, *lines, total, _ = _table(server.monitor("sla", *WINDOW, *words))
    assert [line.split()[-1] for line in lines] == websites
    assert total.endswith(f"total of {len(websites)}")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--from", "yesterday"), b"from: must be a time with its offset"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), b"from"),
        (("--from", "2026-01-02", "--tz", "Mars/Base"), b"tz"),
        (("--region", "mars"), b"region"),
    ],
)
def test_what_the_api_refuses_is_refused_in_its_words(server, words, named):
    done = server.monitor("sla", *words)
    assert (done.returncode, done.stdout) == (1, b"")
    assert named in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_reading_key_is_enough(server):
    done = server.monitor("sla", *WINDOW, MONITOR_API_KEY=server.keys[Role.READ])
    assert len(_table(done)) == 5


def test_of_a_report_that_breaks_off_no_table_is_printed(server):
    # given an answer that ends before its totals
    rows = [COLUMNS, ["0197a000-0000-7000-8000-00000000000a", "https://a.example/", "total"]]
    body = "".join(",".join(row) + "\r\n" for row in rows).encode()
    with targets_in_thread(answers(200, body, {"Content-Type": "text/csv"})) as target:
        # when
        done = server.monitor("sla", MONITOR_URL=target.url)
    # then
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"broke off before its totals" in done.stderr
