"""`monitor import` and `monitor export` against the real API."""

import json
import re
from subprocess import CompletedProcess

import pytest

from monitor.cli import main as cli
from monitor.domain.access import Role
from monitor.resources.website_csv import COLUMNS
from support.bulk import ndjson, sites
from support.databases import forget_websites, new_database
from support.ports import free_port
from support.served_api import Served, served

EVERY = {
    "url": "https://example.com/ä", "name": "=A; \"name\"", "regions": ["europe"],
    "check_frequency": 60, "request_timeout": 59, "http_method": "POST",
    "request_headers": {"X": 'a"b,\\c'}, "request_body": "two\r\nlines\n",
    "expected_status_codes": [301, "200-204"], "follow_redirects": False,
    "verify_ssl": False, "tls_min_version": "1.1",
    "paused": True, "alert_emails": ["a@b.example", "c@localhost"],
    "external_id": "-7",
}  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres_server, redis_server, tmp_path_factory):
    """One API for all of these tests, and the database that it is served from."""
    directory = tmp_path_factory.mktemp("served")
    with (
        new_database(postgres_server) as database_url,
        served(database_url, redis_server.url, directory) as found,
    ):
        yield found, database_url


@pytest.fixture
def api(server, redis_url, tmp_path):
    """Without websites, and with a directory of the test's own."""
    found, database_url = server
    forget_websites(database_url)
    here = Served(found.port, found.keys, tmp_path)
    yield here
    here.http.close()


@pytest.fixture
def nowhere(tmp_path, monkeypatch, capsysbinary):
    """Run a command here, pointed at an API that is not there: what becomes of it before it has
    asked needs no process of its own."""

    def run(*words, **settings):
        there = Served(free_port(), dict.fromkeys(Role, "mon_x"), tmp_path)
        there.http.close()
        for name, value in there.command(**settings)[1].items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        code = cli.main([str(word) for word in words])
        said = capsysbinary.readouterr()
        return CompletedProcess(words, code, said.out, said.err)

    return run


def _counts(done):
    (line,) = done.stdout.decode().splitlines()
    return tuple(int(n) for n in re.findall(r"(\d+) (?:created|updated|unchanged|failed)", line))


@pytest.mark.parametrize("name", ["all.csv", "all.ndjson"])
def test_an_export_imports_as_unchanged_and_elsewhere_as_new(api, name):
    # given
    body = ndjson(
        EVERY, {"url": "https://example.org/"}, {"url": "https://a.example/", "name": "'"}
    )
    assert _counts(api.monitor("import", "-", stdin=body)) == (3, 0, 0, 0)
    before = api.websites()
    # when
    exported = api.monitor("export", name)
    # then
    assert (exported.returncode, exported.stderr) == (0, b"")
    assert re.fullmatch(rf"Exported 3 websites to {name} in [\d.]+ s\.\n", exported.stdout.decode())
    again = api.monitor("import", name)
    assert (again.returncode, again.stderr, _counts(again)) == (0, b"", (0, 0, 3, 0))
    assert api.websites() == before
    # when they are gone
    for website in before:
        api.http.delete(f"/websites/{website['id']}")
    # then what was hidden has to be put in
    bare = api.monitor("import", name)
    assert _counts(bare) == (2, 0, 0, 1)
    assert b"hides the value of X, and none is stored" in bare.stderr
    assert _counts(api.monitor("import", "-", stdin=ndjson(EVERY))) == (1, 0, 0, 0)
    own = {"id", "status", "created_at", "updated_at"}

    def described(websites):
        found = [{k: v for k, v in w.items() if k not in own} for w in websites]
        return sorted(found, key=lambda w: w["url"])

    assert described(api.websites()) == described(before)


def test_a_terminal_shows_the_progress(api):
    # given
    api.write("sites.ndjson", sites(2500))
    # when
    code, shown = api.monitor_on_a_terminal("import", "sites.ndjson")
    # then a bar gets to its end, and a summary follows
    assert code == 0, shown
    assert re.search(r"Importing: +0%", shown)
    assert re.search(r"Importing: 100%\|[^|]+\| [\d.]+k/[\d.]+k \[", shown)
    assert shown.rstrip().splitlines()[-1].startswith("Imported: 2500 created, 0 updated")
    # and so it is on the way out, where nobody knows the whole before its end
    code, shown = api.monitor_on_a_terminal("export", "again.ndjson")
    assert code == 0, shown
    assert re.search(r"Exporting: [\d.]+kB \[", shown)
    assert shown.rstrip().splitlines()[-1].startswith("Exported 2500 websites to again.ndjson in")


def test_an_export_is_filtered_and_goes_to_standard_output(api):
    # given
    lines = ndjson(
        {"url": "https://a.example/", "regions": ["asia"], "paused": True},
        {"url": "https://a.example/b", "regions": ["europe"]},
        {"url": "https://b.example/"},
    )
    api.monitor("import", "-", stdin=lines)

    def urls(*words):
        done = api.monitor("export", *words)
        assert (done.returncode, done.stderr) == (0, b"")
        return [json.loads(line)["url"] for line in done.stdout.splitlines()]

    # then
    assert urls() == ["https://a.example/", "https://a.example/b", "https://b.example/"]
    assert urls("--region", "asia") == ["https://a.example/", "https://b.example/"]
    assert urls("--paused", "true") == ["https://a.example/"]
    assert urls("-", "--q", "/B", "--paused", "false") == [
        "https://a.example/b",
        "https://b.example/",
    ]
    table = api.monitor("export", "--format", "csv").stdout.decode().splitlines()
    assert (table[0], len(table)) == (",".join(COLUMNS), 4)
    refused = api.monitor("export", "kept.csv", "--region", "mars")
    assert (refused.returncode, b"region" in refused.stderr) == (1, True)
    assert not (api.directory / "kept.csv").exists()


def test_failures_name_the_lines_of_the_file(api):
    # given a table with a cell of two lines, and an empty line
    table = (
        "\ufeffexternal_id,url,request_body,check_frequency,paused,request_headers\r\n"
        '1,https://a.example/,"one\r\ntwo",60,false,{}\r\n'
        "\r\n"
        "2,https://b.example/,,soon,maybe,[\r\n"
        "3,https://c.example/,,60,true,{}\r\n"
    )
    path = api.write("sites.csv", table)
    # when
    done = api.monitor("import", path, "--failures", "failed.ndjson")
    # then
    assert (done.returncode, _counts(done)) == (1, (2, 0, 0, 1))
    told = done.stderr.decode().splitlines()
    assert [line.split(": ")[:2] for line in told] == [
        ["line 5", "check_frequency"],
        ["line 5", "paused"],
        ["line 5", "request_headers"],
    ]
    (failed,) = (api.directory / "failed.ndjson").read_bytes().splitlines()
    assert json.loads(failed)["line"] == 5
    made = {w["external_id"]: w for w in api.websites()}
    assert made["1"]["request_body"] == "********"
    assert made["3"]["paused"] is True


def test_the_first_failures_are_shown_and_all_of_them_written(api):
    # given
    lines = b"".join(
        b"{}\n" if n % 2 else ndjson({"url": "https://a.example/"}) for n in range(1, 301)
    )
    path = api.write("half.ndjson", lines)
    # when
    done = api.monitor("import", path, "--failures", "failed.ndjson")
    # then
    assert (done.returncode, _counts(done)) == (1, (150, 0, 0, 150))
    told = done.stderr.decode().splitlines()
    assert told[0] == "line 1: url: is required"
    assert told[-1] == "... and 130 more lines; all are in failed.ndjson"
    assert len(told) == 21
    written = (api.directory / "failed.ndjson").read_bytes().splitlines()
    assert [json.loads(line)["line"] for line in written] == list(range(1, 301, 2))


def test_a_dry_run_reports_what_would_change(api):
    # given
    path = api.write("sites.ndjson", sites(3) + b"nonsense\n")
    # when
    done = api.monitor("import", path, "--dry-run")
    # then
    assert (done.returncode, _counts(done)) == (1, (3, 0, 0, 1))
    assert done.stdout.startswith(b"Dry run, nothing was changed: ")
    assert api.websites() == []


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("url,colour\nhttps://a.example/,red\n", "line 1, column 2: 'colour' is not a column"),
        ("url,url\n", "line 1, column 2: 'url' is named twice"),
        ("name,paused\n", "line 1: the column url is missing"),
        ("", "line 1: must name the columns"),
        ("url,name\na,b\na\n", "line 3, column 2 (name): is missing"),
        ('url,name\n"a\nb",c\na,b,c\n', "line 4, column 3: there are only 2 columns"),
        (b"url,name\na,b\xff\n", "line 2, column 2 (name): is not UTF-8"),
        ('url,name\n"a"b,c\n', "line 2: is not CSV"),
        ('url,name\n"a,c\n', "is not CSV"),
        pytest.param("x" * 20_000_000, "line 1: is longer than 16777216 ", id="no line break"),
    ],
)
def test_an_invalid_csv_file_is_not_sent(tmp_path, nowhere, table, says):
    # given an API that is not there: it is not asked
    path = tmp_path / "bad.csv"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    # when
    done = nowhere("import", path)
    # then
    assert done.returncode == 1
    text = done.stderr.decode()
    assert text.startswith(f"monitor: {path}, line ")
    assert says in text
    assert text.endswith("Nothing was sent.\n")


def test_without_a_server_the_error_is_immediate(tmp_path, nowhere):
    (tmp_path / "sites.ndjson").write_bytes(sites(3))
    for words in (("import", "sites.ndjson"), ("export",), ("export", "new.csv")):
        done = nowhere(*words)
        assert done.returncode == 1
        assert done.stderr.startswith(b"monitor: Nothing answers at http://127.0.0.1:")
        assert done.stdout == b""
        assert len(done.stderr.splitlines()) == 1
    assert [p.name for p in tmp_path.iterdir()] == ["sites.ndjson"]


@pytest.mark.parametrize(
    ("settings", "words", "says"),
    [
        ({"MONITOR_URL": ""}, [], "Give --url or set MONITOR_URL"),
        ({"MONITOR_API_KEY": ""}, [], "set MONITOR_API_KEY"),
        ({"MONITOR_URL": "", "MONITOR_API_KEY": ""}, [], "Give --url or set MONITOR_URL"),
        ({"MONITOR_URL": "localhost:8000"}, [], "MONITOR_URL must start with http://"),
        ({}, ["--url", "http://u:hunter2@host/"], "must not hold a user or password"),
        ({}, ["--key", "hunter2\nX: y"], "must be one word"),
    ],
)
def test_missing_settings_are_named(nowhere, settings, words, says):
    done = nowhere("export", *words, **settings)
    assert done.returncode == 1
    assert says in done.stderr.decode()
    assert b"hunter2" not in done.stderr


def test_a_wrong_key_is_reported_and_nothing_is_sent(api):
    # given more than fits into any buffer
    path = api.write("many.ndjson", sites(200_000))
    read = api.keys[Role.READ]
    for key, says in [("mon_wrong", "not valid"), (read, "needs an API key of the role write")]:
        # when
        done = api.monitor("import", path, "--key", key)
        # then
        assert done.returncode == 1
        assert says in done.stderr.decode()
        assert key not in done.stderr.decode()
    assert api.monitor("export", "--key", "mon_wrong").returncode == 1
    assert api.http.get("/websites/bulk").json()["items"] == []


def test_unusable_files_are_named(api):
    for words, says in [
        (("import", "missing.csv"), "missing.csv cannot be read: No such file"),
        (("import", "."), ". cannot be read: "),
        (("import", "-", "--failures", "no/such"), "no/such cannot be written"),
        (("export", "no/such.csv"), "no/such.csv cannot be written"),
    ]:
        done = api.monitor(*words)
        assert (done.returncode, done.stderr.decode().split("monitor: ")[1][: len(says)]) == (
            1,
            says,
        )
    array = api.write("array.json", b"[]")
    assert b"is a JSON array" in api.monitor("import", array).stderr
