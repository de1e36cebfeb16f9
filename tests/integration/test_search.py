"""Searches ignore the case of all letters, in every place where one searches, and in every
database."""

import shutil
import unicodedata

import psycopg
import pytest

from monitor.resources.search import fold
from monitor.storage.postgres import search
from monitor.storage.postgres.migrations import directory, migrate, read
from support.bulk import ndjson, send
from support.bulk_change import bulk
from support.databases import new_database
from support.documents import run

NAMES = ["MÜLLER GmbH", "Straße 7", "ΣΊΣΥΦΟΣ", "Пример", "Émile", "100% _ok_\\", "plain Shop"]
FOUND = [
    ("müller", [0]), ("MÜLLER", [0]), ("üLL", [0]), ("mu\u0308ller", [0]), ("gmbh", [0]),
    ("STRASSE", [1]), ("straße", [1]), ("ß", [1]), ("σίσυφος", [2]), ("ПРИМЕР", [3]),
    ("émile", [4]), ("E\u0301MILE", [4]), ("100%", [5]), ("%", [5]), ("_OK_\\", [5]), ("\\", [5]),
    ("0__", []), ("PLAIN shop", [6]), ("muller", []), ("münchen.example/ä", [0]),
    ("EXAMPLE", [0, 1, 2, 3, 4, 5, 6]),
]  # fmt: skip


def test_a_capital_of_turkish_is_found_by_its_small_letter():
    assert fold("İSTANBUL") == fold("istanbul") == "istanbul"


def _sites(names):
    # composed and decomposed in turn
    forms = [unicodedata.normalize(("NFC", "NFD")[n % 2], name) for n, name in enumerate(names)]
    sites = [{"url": f"https://example.org/{n}", "name": name} for n, name in enumerate(forms)]
    sites[0]["url"] = "https://MÜNCHEN.example/Ä"
    return sites


async def _found(api, q):
    """The names that a search finds, if the lists, the export and bulk changes agree on them."""
    query = {"q": q}
    listed = [w["name"] for w in (await api.get("/websites", params=query))["items"]]
    latest = [w["name"] for w in (await api.get("/monitor", params=query))["items"]]
    export = await api.request("GET", "/websites/export", params=query, expect=200)
    answer = await api.request("DELETE", "/websites", params=query, expect=409)
    assert listed == latest
    assert (len(export.text.splitlines()), answer.json()["matched"]) == (len(listed),) * 2
    return listed


async def test_the_case_of_all_letters_is_ignored_wherever_one_searches(api):
    # given
    await api.add_regions("europe")
    sites = _sites(NAMES)
    await send(api, ndjson(*sites))
    # then
    for q, numbers in FOUND:
        assert await _found(api, q) == [sites[n]["name"] for n in numbers], q


@pytest.mark.parametrize("way", ["patch", "import", "all at once", "the URL alone"])
async def test_a_change_of_name_or_url_is_searched_from_then_on(api, way):
    # given
    await api.add_regions("europe")
    site = await api.add_website(url="https://example.org/Ä", name="ÄLTER")
    await api.add_website(url="https://example.org/other", name="other")
    new = {"name": "NEUER Ö"}
    # when
    if way == "patch":
        await api.patch(f"/websites/{site['id']}", new)
    elif way == "import":
        await send(api, ndjson({"id": site["id"], "url": "https://example.org/Ä"} | new))
    elif way == "all at once":
        await bulk(api, "PATCH", "q=älter&confirm=1", new, expect=200)
    else:
        new = {"name": "ÄLTER"}
        await bulk(api, "PATCH", "q=älter&confirm=1", {"url": "https://Ö.example/"}, expect=200)
    # then
    assert await _found(api, "ö") == [new["name"]]
    assert await _found(api, "älter") == ([new["name"]] if way == "the URL alone" else [])
    assert await _found(api, "other") == ["other"]


async def test_a_default_name_that_follows_the_url_is_searched(api):
    await api.add_regions("europe")
    await api.add_website(url="https://ä.example/")
    await bulk(api, "PATCH", "q=Ä.example&confirm=1", {"url": "https://ÖÖ.example/X"}, expect=200)
    assert await _found(api, "öö.example/x") == ["öö.example/X"]
    assert await _found(api, "ä.example") == []


_LOCALES = [
    "LOCALE_PROVIDER libc LOCALE 'C'",
    "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'",
]


@pytest.fixture(params=_LOCALES, ids=["ASCII", "all letters"])
def old_database_url(request, postgres_server):
    """An empty database, whose lower() folds ASCII alone or all letters."""
    with new_database(postgres_server, "template0", request.param) as url:
        yield url


def _before_search(url, tmp_path):
    """A database as it was before there was a column to search, with websites."""
    for migration in read(directory()):
        if migration.version < 13:
            shutil.copy(directory() / migration.name, tmp_path)
    migrate(url, tmp_path)
    with psycopg.connect(url) as connection:
        _insert(connection, [("https://example.org/", name) for name in NAMES])


def _insert(connection, rows):
    connection.cursor().executemany(
        "INSERT INTO websites (id, url, name, all_regions, check_frequency, options, alert_emails)"
        """ VALUES (gen_random_uuid(), %s, %s, true, 60, '{"kind": "http"}', '{}')""",
        rows,
    )


def _matching(url, q):
    with psycopg.connect(url) as connection:
        query = f"SELECT name FROM websites w WHERE {search.MATCHES}"
        return {name for (name,) in connection.execute(query, {"q": fold(q)})}


def test_the_upgrade_makes_existing_websites_searchable(old_database_url, tmp_path):
    # given
    _before_search(old_database_url, tmp_path)
    progress = []
    # when
    migrate(old_database_url, progress=lambda done, total: progress.append((done, total)))
    # then
    assert _matching(old_database_url, "mÜller") == {"MÜLLER GmbH"}
    assert _matching(old_database_url, "plain shop") == {"plain Shop"}
    assert progress == [(5, 5)]  # those of ASCII need nothing
    # and again there is nothing to do
    migrate(old_database_url, progress=lambda *_: pytest.fail("was done already"))


def test_the_command_says_what_it_prepared(old_database_url, tmp_path):
    # given
    _before_search(old_database_url, tmp_path)
    # when
    first, second = (
        run("monitor migrate", tmp_path, DATABASE_URL=old_database_url) for _ in range(2)
    )
    # then
    assert "0013_search_text.sql" in first
    assert first.splitlines()[-1] == "Searches of 5 websites prepared."
    assert second == "Nothing to do: the database is up to date.\n"


def test_an_interrupted_upgrade_is_continued(old_database_url, tmp_path, monkeypatch):
    # given more than a page, interrupted after the first
    monkeypatch.setattr(search, "_NEXT", search._NEXT.replace("LIMIT 2000", "LIMIT 2"))
    _before_search(old_database_url, tmp_path)

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        migrate(old_database_url, progress=interrupt)
    # then websites that are not filled in are found by what Postgres can fold
    assert _matching(old_database_url, "GMBH") == {"MÜLLER GmbH"}
    # when
    progress = []
    migrate(old_database_url, progress=lambda *at: progress.append(at))
    # then
    assert progress == [(2, 3), (3, 3)]
    for name in NAMES:
        assert _matching(old_database_url, name.lower()) == {name}


def test_a_website_changed_during_the_upgrade_is_left_to_whoever_changed_it(
    old_database_url, tmp_path, monkeypatch
):
    # given
    _before_search(old_database_url, tmp_path)
    store = search._store

    def changed_meanwhile(connection, rows):
        connection.execute("UPDATE websites SET name = 'Ägir', search_text = 'ägir'"
                           " WHERE name LIKE 'M%'")  # fmt: skip
        store(connection, rows)

    monkeypatch.setattr(search, "_store", changed_meanwhile)
    # when
    migrate(old_database_url)
    # then
    assert _matching(old_database_url, "ägir") == {"Ägir"}
    assert _matching(old_database_url, "müller") == set()
