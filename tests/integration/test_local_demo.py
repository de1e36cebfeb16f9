"""The demo site fails and recovers in its rhythm, and comes back on the port of last time."""

import asyncio
import io
import socket
import urllib.error
import urllib.request

from monitor.local.console import Console
from monitor.local.demo import Rhythm, demo_site

QUICK = Rhythm(fails_for_s=0.1, works_for_s=0.3)


def status_of(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


async def seen_until(url, wanted):
    seen = []
    async with asyncio.timeout(20):
        while seen != wanted:
            status = await asyncio.to_thread(status_of, url)
            if not seen or seen[-1] != status:
                seen.append(status)
    return seen


async def test_the_site_fails_until_requested_twice_then_works_then_fails(tmp_path):
    # given
    out = io.StringIO()
    async with demo_site(Console(out), tmp_path / "port", QUICK) as (site, url):
        living = asyncio.create_task(site.run())
        first = await asyncio.to_thread(status_of, url)
        await asyncio.sleep(3 * QUICK.fails_for_s)
        rest = await seen_until(url, [503, 200, 503])
        living.cancel()
        seen = [first, *rest]
    # then
    assert seen == [503, 503, 200, 503]
    assert [line.split(maxsplit=2)[2] for line in out.getvalue().splitlines()][:2] == [
        "the site fails now (503) until that was noticed",
        "the site works again, for 0.3 s",
    ]


async def test_the_site_restarts_on_its_port(tmp_path):
    async def url():
        async with demo_site(Console(io.StringIO()), tmp_path / "port", QUICK) as (_, url):
            return url

    assert await url() == await url()


async def test_a_port_in_use_is_replaced(tmp_path):
    # given
    with socket.create_server(("127.0.0.1", 0)) as owner:
        (tmp_path / "port").write_text(str(owner.getsockname()[1]))

        async def url():
            async with demo_site(Console(io.StringIO()), tmp_path / "port", QUICK) as (_, url):
                return url

        # then
        assert await url() != f"http://127.0.0.1:{owner.getsockname()[1]}/"


async def test_a_caller_that_breaks_off_is_ignored(tmp_path):
    # given
    async with demo_site(Console(io.StringIO()), tmp_path / "port", QUICK) as (_, url):
        port = int(url.rsplit(":", 1)[1].strip("/"))
        for sent in (b"", b"GET", b"x" * 200_000):
            with socket.create_connection(("127.0.0.1", port)) as caller:
                caller.setblocking(False)
                caller.send(sent)
            await asyncio.sleep(0)
        result = await asyncio.to_thread(status_of, url)
    # then
    assert result == 503
