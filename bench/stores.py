"""What the stores hold: ticks by count, and bytes."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections import Counter
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import psycopg
import redis

from .figures import Window
from .stack import Stack

BUCKET = "website_ticks"
"""The default of INFLUXDBBUCKET, and the measurement's name."""

_ENDINGS = "0123456789abcdef"


def series_with(stack: Stack, window: Window, *, down: bool = False) -> dict[int, int]:
    """How many series (website and region) have n ticks among the window's slots, by n; of those
    that found the website ``down``, if they alone are wanted.

    Websites that were added after the window began are left out: a batch that comes late checks
    them for a slot before they were there.
    """
    if stack.influx_url is None:
        return _series_in_postgres(stack.database_url, window, down=down)
    found: Counter[int] = Counter()
    added = _added_since(stack.database_url, window)
    for ending in _ENDINGS:
        found += _series_in_influx(stack.influx_url, window, ending, added, down=down)
    return dict(found)


def _added_since(database_url: str, window: Window) -> set[str]:
    with psycopg.connect(database_url) as connection:
        question = "SELECT id::text FROM websites WHERE created_at >= to_timestamp(%s)"
        return {row[0] for row in connection.execute(question, [window.from_s]).fetchall()}


def _series_in_influx(
    url: str, window: Window, ending: str, but: set[str], *, down: bool
) -> Counter[int]:
    """Of the websites whose id ends so: InfluxDB holds some kB a series until it has answered.

    The answer comes in pieces, an object of JSON a line.
    """
    which = "up = 0 AND " if down else ""
    question = f"""
        SELECT count(up) FROM {BUCKET}
         WHERE {which}time >= {window.from_s}s AND time < {window.until_s}s
           AND website_id =~ /{ending}$/
         GROUP BY website_id, region"""
    found: Counter[int] = Counter()
    with _asked(url, question, chunked="true", epoch="s") as answer:
        for line in answer:
            if line.strip():
                series = _result(json.loads(line)).get("series", ())
                found.update(
                    int(each["values"][0][1])
                    for each in series
                    if each["tags"]["website_id"] not in but
                )
    return found


def _series_in_postgres(url: str, window: Window, *, down: bool) -> dict[int, int]:
    question = """
        SELECT n, count(*) FROM (
            SELECT count(*) AS n FROM ticks
             WHERE slot >= to_timestamp(%(from)s) AND slot < to_timestamp(%(until)s)
               AND NOT (up AND %(down)s)
               AND website_id NOT IN (
                   SELECT id FROM websites WHERE created_at >= to_timestamp(%(from)s))
             GROUP BY website_id, region) AS each
         GROUP BY n"""
    bounds = {"from": window.from_s, "until": window.until_s, "down": down}
    with psycopg.connect(url) as connection:
        return dict(connection.execute(question, bounds).fetchall())


def ticks(stack: Stack) -> int:
    """All that are stored."""
    if stack.influx_url is not None:
        return _number(stack.influx_url, f"SELECT count(up) FROM {BUCKET}")
    return _scalar(stack.database_url, "SELECT count(*) FROM ticks")


def ticks_between(stack: Stack, from_s: int, until_s: int) -> int:
    """Those of the slots from one moment to before another, Unix seconds."""
    if stack.influx_url is not None:
        question = f"SELECT count(up) FROM {BUCKET} WHERE time >= {from_s}s AND time < {until_s}s"
        return _number(stack.influx_url, question)
    question = (
        "SELECT count(*) FROM ticks "
        f"WHERE slot >= to_timestamp({from_s}) AND slot < to_timestamp({until_s})"
    )
    return _scalar(stack.database_url, question)


def tick_bytes(stack: Stack) -> dict[str, int]:
    """What the tick store takes on disk, by part."""
    if stack.influx_url is not None:
        return _influx_bytes(stack.directory / "influx")
    parts = (
        "SELECT coalesce(sum({}(relid)), 0)::bigint FROM pg_partition_tree('ticks') WHERE isleaf"
    )
    return {
        "table": _scalar(stack.database_url, parts.format("pg_table_size")),
        "index": _scalar(stack.database_url, parts.format("pg_indexes_size")),
    }


def _influx_bytes(directory: Path) -> dict[str, int]:
    """The log as written, the compressed values, and the index of the series."""
    found = {"log": _size(directory / "wal"), "values": 0, "index": 0}
    for path in (directory / "data" / BUCKET).rglob("*"):
        if path.is_file():
            # Series and index files are made larger than what is in them: count the blocks.
            kind = "values" if path.suffix == ".tsm" else "index"
            found[kind] += path.stat().st_blocks * 512
    return found


def _size(directory: Path) -> int:
    return sum(p.stat().st_size for p in directory.rglob("*") if p.is_file())


def postgres_website_bytes(stack: Stack) -> int:
    return _scalar(stack.database_url, "SELECT pg_total_relation_size('websites')")


def redis_used_memory(stack: Stack) -> int:
    with redis.Redis.from_url(stack.redis_url) as client:
        return int(client.info("memory")["used_memory"])


def redis_key_bytes(stack: Stack) -> dict[str, int]:
    """Each of our keys by the first two words of its name, all of its members counted."""
    found: dict[str, int] = {}
    with redis.Redis.from_url(stack.redis_url, socket_timeout=60) as client:
        for name in client.scan_iter(match="monitor:*"):
            kind = b":".join(name.split(b":")[:2]).decode()
            found[kind] = found.get(kind, 0) + (client.memory_usage(name, samples=0) or 0)
    return found


def _number(url: str, question: str) -> int:
    """The one number that InfluxDB answers; 0 where it has nothing, not even the database, which
    comes with the first tick."""
    with _asked(url, question) as answer:
        found = json.load(answer)
    if str(found["results"][0].get("error", "")).startswith("database not found"):
        return 0
    result = _result(found)
    return int(result["series"][0]["values"][0][1]) if "series" in result else 0


def _asked(url: str, question: str, **options: str) -> HTTPResponse:
    query = urllib.parse.urlencode({"db": BUCKET, "q": question, **options})
    answer: HTTPResponse = urllib.request.urlopen(f"{url}/query?{query}", timeout=300)
    return answer


def _result(answer: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = answer["results"][0]
    if "error" in result:
        raise RuntimeError(f"InfluxDB: {result['error']}")
    return result


def _scalar(url: str, question: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute(question).fetchone()
    assert row is not None
    return int(row[0])
