"""Whatever curl takes for a response, a check takes, and with the same status.

Not the other way round: where browsers are more lenient than curl, so are checks.
"""

from __future__ import annotations

import asyncio
import os
import shutil

import pytest

from monitor.domain.outcome import Reason
from support.factories import check_options
from support.raw_answers import ACCEPTED, LONG, REFUSED, Raw
from support.targets import TargetServer
from support.targets_checks import prober

ENDS_CURL = {"a chunk size with 0x"}
"""It takes the chunk for the last one, is confused by what follows, and asks for nothing more."""

_OTHERS = {name: Raw(data, curl=False) for name, data in REFUSED.items() if name not in ENDS_CURL}
ANSWERS = ACCEPTED | LONG | _OTHERS
BY_PATH = {f"/{number}": raw for number, raw in enumerate(ANSWERS.values())}
NAMES = dict(zip(BY_PATH, ANSWERS, strict=True))

MORE_STRICT = {
    "two lengths in one line",  # curl goes by the first; browsers refuse them
    "1001 fields",
    "a line of more than 64 KiB",
    "a head of 300 kB",
    "101 hints",
}
"""What curl takes and a check does not: limits, and what browsers refuse."""


NOT_TAKEN_SINCE_8 = {
    "several blanks before the status",
    "half a line behind the last chunk",
    "a length with a sign",
}
"""What curl 7 takes, and later ones do not any more. Checks go by the former, and by browsers."""


@pytest.fixture(scope="module")
def curl():
    path = shutil.which("curl")
    if path is None and "CI" not in os.environ:
        pytest.skip("curl is not installed")
    assert path, "curl is not installed"
    return path


async def sends_by_path(exchange):
    received = await exchange.request()
    await exchange.send(BY_PATH[received.target].data)


async def curls(curl, target, method):
    """By path, the status that curl found in what it takes for a response."""
    paths = [path for path, raw in BY_PATH.items() if raw.method == method]
    process = await asyncio.create_subprocess_exec(
        curl, "-q", "--silent", "--http1.1", "--max-time", "20", "--noproxy", "*",
        *(["--head"] if method == "HEAD" else []),
        *(part for path in paths for part in ("--output", os.devnull, target.url_of(path))),
        "--write-out", "%{url_effective} %{exitcode} %{http_code}\n",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    lines = [line.split() for line in out.decode().splitlines()]
    assert len(lines) == len(paths)
    return {f"/{url.rpartition('/')[2]}": int(code) for url, failed, code in lines if failed == "0"}


async def major_version(curl):
    process = await asyncio.create_subprocess_exec(
        curl, "--version", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return int(out.split()[1].partition(b".")[0])


async def test_what_curl_takes_is_a_response(curl):
    async with TargetServer(sends_by_path) as target, prober() as made:
        taken = await curls(curl, target, "GET") | await curls(curl, target, "HEAD")
        outcomes = {
            path: await made.check(check_options(target.url_of(path), http_method=raw.method))
            for path, raw in BY_PATH.items()
        }

    refused = {path for path, o in outcomes.items() if o.reason is Reason.INVALID_RESPONSE}
    assert {NAMES[path] for path in taken.keys() & refused} == MORE_STRICT
    for path in taken.keys() - refused:
        assert outcomes[path].status_code == taken[path], NAMES[path]
    missed = {NAMES[path] for path, raw in BY_PATH.items() if raw.curl} - {*map(NAMES.get, taken)}
    assert missed <= (set() if await major_version(curl) == 7 else NOT_TAKEN_SINCE_8)
