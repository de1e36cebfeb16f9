"""Tables that a spreadsheet saved are imported: what it changed is read, and blank says nothing."""

import csv
import json

import pytest

from monitor.resources import website_csv
from monitor.resources.spreadsheets import Guard
from monitor.resources.website_csv import COLUMNS
from support.bulk import ndjson
from support.databases import forget_websites, new_database
from support.libreoffice import (
    FRENCH,
    GERMAN,
    SEMICOLON,
    SWEDISH,
    TAB,
    UTF_16,
    open_and_save,
)
from support.served_api import Served, served
from support.spreadsheet_texts import CHANGED, LEFT_ALONE

SITES = [
    {"url": "https://example.com/", "external_id": external_id, "name": name}
    for external_id, name in [
        ("0042", "1-2"), ("1e5", "May 5, 2024"), ("TRUE", "5. Mai 2024"),
        ("12345678901234567890", "3,5"), ("1.5", "12:30"), ("none", "all"), ("'x", "''0042"),
        (" padded ", "=1+1"), ("50%", "€ 5"), ("#N/A", "WAHR"), ("1/2", "a; b, \"c\"\u00a0d"),
        ("10.12.24", "Mär 24"), ("-7", "+49 30 1234"),
    ]
]  # fmt: skip
SITES += [
    {
        "url": "https://example.com/ä?a=1&b=2", "name": "every option", "regions": ["mar-1"],
        "check_frequency": 60, "request_timeout": 59, "http_method": "POST",
        "request_headers": {"X-A": 'a"b,\\c', "Accept": "*/*"}, "request_body": "a\r\nb",
        "expected_status_codes": [301, "200-204"], "follow_redirects": False, "verify_ssl": False,
        "paused": True, "alert_emails": ["a@b.example", "1@localhost"], "external_id": "x",
    },
    {"url": "https://example.org/", "regions": ["all"], "expected_status_codes": [200]},
    {"url": "https://example.net/", "regions": ["asia", "europe"]},
]  # fmt: skip


@pytest.fixture(scope="module")
def server(postgres_server, redis_server, tmp_path_factory):
    """One API for all of these tests, and the database that it is served from."""
    directory = tmp_path_factory.mktemp("served")
    with (
        new_database(postgres_server) as database_url,
        served(database_url, redis_server.url, directory) as found,
    ):
        for name in ("all", "mar-1"):
            assert found.http.post("/regions", json={"name": name}).status_code == 201
        yield found, database_url


@pytest.fixture
def api(server, redis_url, tmp_path):
    found, database_url = server
    forget_websites(database_url)
    here = Served(found.port, found.keys, tmp_path)
    yield here
    here.http.close()


def _imported(api, name, content=None, *, says=""):
    """The summary of an import, in which no line failed."""
    if content is not None:
        api.write(name, content)
    done = api.monitor("import", name)
    assert (done.returncode, done.stderr.decode()) == (0, says), done
    return done.stdout.decode().partition(", in ")[0]


def _export(api):
    done = api.monitor("export", "all.csv")
    assert done.returncode == 0, done.stderr
    return api.directory / "all.csv"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, ""),
        ({"by_way_of": "xlsx"}, ""),
        ({"by_way_of": "ods", "language": GERMAN}, ""),
        ({"separator": SEMICOLON, "language": GERMAN}, "cells separated by semicolons"),
        (
            {"separator": TAB, "charset": UTF_16, "by_way_of": "xlsx"},
            "cells separated by tabs and text in UTF-16",
        ),
    ],
    ids=["", "xlsx", "ods, German", "semicolons, German", "UTF-16"],
)
def test_an_export_that_a_spreadsheet_saved_changes_nothing(api, tmp_path, options, says):
    # given
    assert _imported(api, "sites.ndjson", ndjson(*SITES)) == (
        f"Imported: {len(SITES)} created, 0 updated, 0 unchanged, 0 failed"
    )
    before = api.websites()
    # when
    saved = open_and_save(_export(api), tmp_path, **options)
    # then
    says = says and f"{saved} was read as a table with {says}.\n"
    assert saved.read_bytes() != (tmp_path / "all.csv").read_bytes()
    assert _imported(api, saved, says=says) == (
        f"Imported: 0 created, 0 updated, {len(SITES)} unchanged, 0 failed"
    )
    assert api.websites() == before


@pytest.mark.parametrize("language", [FRENCH, SWEDISH])
def test_a_spreadsheet_changes_no_text_that_was_guarded(tmp_path, language):
    # given
    guard, texts = Guard(), [*CHANGED, *LEFT_ALONE]
    file = tmp_path / "texts.csv"
    file.write_text(website_csv.text([guard.put(text)] for text in texts))
    # when
    saved = open_and_save(file, tmp_path, by_way_of="xlsx", language=language)
    # then
    with saved.open(encoding="utf-8", newline="") as rows:
        assert [guard.take_off(cell) for (cell,) in csv.reader(rows)] == texts


def test_an_export_restores_what_was_empty(api):
    # given websites with values, and an export of them without
    lines = [{"url": f"https://{n}.example/", "external_id": f"site-{n}"} for n in range(2)]
    _imported(api, "sites.ndjson", ndjson(*lines))
    exported = _export(api).read_bytes()
    empty = api.websites()
    values = {
        "regions": ["asia"], "alert_emails": ["a@b.example"], "request_headers": {"X": "y"},
        "request_body": "b", "name": "n",
    }  # fmt: skip
    changed = [{"url": w["url"], "id": w["id"], "external_id": None} | values for w in empty]
    assert "2 updated" in _imported(api, "changed.ndjson", ndjson(*changed))
    # when
    assert "2 updated" in _imported(api, "all.csv", exported)
    # then
    restored = [w | {"updated_at": None} for w in api.websites()]
    assert restored == [w | {"updated_at": None} for w in empty]


def test_blank_cells_leave_a_website_as_it_is(api):
    # given
    _imported(api, "one.ndjson", ndjson(SITES[-3]))
    before = api.websites()
    rows = [",".join(COLUMNS), *[_row(id=before[0]["id"], url=before[0]["url"])] * 2]
    # when
    summary = _imported(api, "blank.csv", "\n".join(rows))
    # then
    assert summary == "Imported: 0 created, 0 updated, 2 unchanged, 0 failed"
    assert api.websites() == before


def _row(**cells):
    return ",".join(cells.get(name, " ") for name in COLUMNS)


WANTED = ("https://a.example/", "Müller", True, "1")


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("url,name,paused,external_id\nhttps://a.example/,Müller,TRUE,1\n", ""),
        ("URL, Name ,PAUSED,External_ID,\n https://a.example/ , Müller,True ,1,\n,,,,\n", ""),
        ("\ufeffurl,name,paused,external_id\r\nhttps://a.example/,Müller,true,1\r\n", ""),
        (",,,\n\nurl,name,paused,external_id\nhttps://a.example/,Müller,wahr,1,,,\n,,,,,,\n", ""),
        ("sep=,\nurl,name,paused,external_id\nhttps://a.example/,Müller,true,1\n", ""),
        (
            "url;name;paused;external_id\nhttps://a.example/;Müller;WAHR;1\n;;;\n",
            "cells separated by semicolons",
        ),
        (
            "sep=;\r\nurl;name;paused;external_id\r\nhttps://a.example/;Müller;TRUE;1\r\n",
            "cells separated by semicolons",
        ),
        (
            '"url"\t"name"\t"paused"\t"external_id"\nhttps://a.example/\tMüller\ttrue\t1\n',
            "cells separated by tabs",
        ),
        ("url,name,paused,external_id\rhttps://a.example/,Müller,true,1\r", ""),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_however_a_spreadsheet_saved_it(api, table, says, encoding):
    # given
    if encoding != "utf-8":
        table = "\ufeff" + table.removeprefix("\ufeff")
    api.write("table.csv", table.encode(encoding))
    # when
    done = api.monitor("import", "table.csv")
    # then
    assert done.returncode == 0, done.stderr
    (made,) = api.websites()
    assert tuple(made[name] for name in ("url", "name", "paused", "external_id")) == WANTED
    parts = [says] * bool(says) + ["text in UTF-16"] * encoding.startswith("utf-16")
    told = f"table.csv was read as a table with {' and '.join(parts)}.\n" if parts else ""
    assert done.stderr.decode() == told


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("url,,name\na,b,c\n", "line 2, column 2: has no name in the header"),
        ("url,name\na,b,,c\n", "line 2, column 4: there are only 2 columns"),
        ("sep=;\n;;\nurl;name\na;b\n\na\n", "line 6, column 2 (name): is missing"),
        ("sep=;\n;;\nurl;colour\n", "line 3, column 2: 'colour' is not a column"),
        ("url|name\n", "line 1, column 1: 'url|name' is not a column"),
        (",,\n;\n", "must name the columns"),
        ("url,URL \n", "line 1, column 2: 'url' is named twice"),
        ("url\na\n".encode("utf-16") + b"x", "bad.csv is not text in UTF-16. Nothing was sent."),
    ],
)
def test_what_is_wrong_with_a_table_is_named_by_its_line(api, table, says):
    api.write("bad.csv", table)
    done = api.monitor("import", "bad.csv")
    assert done.returncode == 1
    assert says in done.stderr.decode()
    assert "Nothing was sent." in done.stderr.decode()


def test_failures_have_the_numbers_of_the_lines_in_the_table(api):
    table = 'sep=;\n;\n"url";"name"\n;;\nhttps://a.example/;"two\nlines"\nftp://b/;b\n;\n'
    api.write("table.csv", table)
    done = api.monitor("import", "table.csv", "--failures", "failed.ndjson")
    assert done.returncode == 1
    failed = (api.directory / "failed.ndjson").read_text().splitlines()
    assert [json.loads(line)["line"] for line in failed] == [5, 7]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_bodies_are_read_in_every_encoding_of_unicode(api, encoding):
    charset = {"utf-8-sig": "utf-8", "utf-16": "UTF-16"}.get(encoding) or encoding[:6] + encoding[
        7:
    ]
    sites = [{"url": f"https://{n}.example/", "name": f"Müller \U0001f600 {n}"} for n in range(3)]
    # when
    for more in ("", f"; charset={charset}"):
        body = json.dumps(sites[0], ensure_ascii=False).encode(encoding)
        made = api.http.post(
            "/websites", content=body, headers={"Content-Type": f"application/json{more}"}
        )
        assert made.status_code == 201, made.text
        lines = "".join(f"{json.dumps(s, ensure_ascii=False)}\n" for s in sites[1:])
        done = api.http.post(
            "/websites/bulk",
            content=lines.encode(encoding),
            headers={"Content-Type": f"application/x-ndjson{more}"},
        )
        # then
        assert (done.status_code, done.json()["created"]) == (200, 2), done.text
    assert sorted(w["name"] for w in api.websites()) == sorted(2 * [s["name"] for s in sites])


def test_a_broken_character_fails_its_line_alone(api):
    good = json.dumps({"url": "https://a.example/"})
    body = f"{good}\n{good}".encode("utf-16") + b"x"
    headers = {"Content-Type": "application/x-ndjson; charset=utf-16"}
    done = api.http.post("/websites/bulk", content=body, headers=headers).json()
    assert (done["created"], [f["line"] for f in done["failures"]]) == (1, [2])
    refused = api.http.post(
        "/websites", content=body[:-40] + b"x", headers={"Content-Type": "application/json"}
    )
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_json")


def test_ndjson_files_have_marks_and_encodings_too(api):
    for name, content in [
        ("a.ndjson", b"\xef\xbb\xbf" + ndjson({"url": "https://a.example/"})),
        ("b", '\ufeff{"url": "https://b.example/"}\n\ufeff{"url": "https://c.example/"}'.encode()),
        ("d.jsonl", ndjson({"url": "https://d.example/"}).decode().encode("utf-16")),
        ("e", ndjson({"url": "https://e.example/"}).decode().encode("utf-16")),
    ]:
        assert ", 0 failed" in _imported(api, name, content)
    assert sorted(w["url"] for w in api.websites()) == [f"https://{n}.example/" for n in "abcde"]
    api.write("array", "[]".encode("utf-16"))
    assert b"is a JSON array" in api.monitor("import", "array").stderr
