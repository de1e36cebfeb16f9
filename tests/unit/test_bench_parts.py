"""The benchmark's own parts: what it reads, whom it asks for names, who takes its mails."""

import asyncio
import errno
import json
import socket
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import urlsplit

import aiosmtplib
import pytest

from support.ports import free_port

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import (
    api_load,
    certificates,
    dns_server,
    figures,
    late,
    mail_sink,
    mix,
    names,
    proc,
    targets,
)
from bench.watch import BatchLog, ours

from monitor.local import process
from monitor.probes.net import dns_wire


def batch_line(slot_s, websites):
    said = {
        "event": "batch.checked", "slot_s": slot_s, "websites": websites, "not_measured": 0,
        "down": 0, "timestamp": "1970-01-01T00:01:01Z",
    }  # fmt: skip
    return json.dumps(said) + "\n"


class TestBatchLog:
    def test_each_line_is_read_once_and_a_half_one_when_it_is_whole(self, tmp_path):
        path = tmp_path / "worker.log"
        log = BatchLog([path])
        assert log.batches() == []

        path.write_text(batch_line(0, 500) + batch_line(60, 400)[:30])
        assert [b.websites for b in log.batches()] == [500]

        with path.open("a") as file:
            file.write(batch_line(60, 400)[30:])
        assert [b.websites for b in log.batches()] == [500, 400]
        assert [b.websites for b in log.batches()] == [500, 400]


class TestFigures:
    def test_the_marginal_check_bears_no_idling(self):
        assert figures.marginal(400.0, idle_us_per_s=70_000, checks_per_s=700) == 300.0

    def test_the_lag_is_that_of_checks_and_not_of_lines(self):
        # given a batch, and ten websites that never answered, each with a line of its own
        batches = [figures.Batch(2.0, 0, 990, 0, 0)] + [figures.Batch(17.0, 0, 1, 0, 1)] * 10
        # then
        assert [figures.lag_s(batches, percent) for percent in (50, 99, 100)] == [2.0, 2.0, 17.0]
        assert str(figures.lag_s([], 99)) == "nan"

    def test_the_error_of_a_mean_falls_with_the_root_of_its_values(self):
        assert figures.standard_error([1.0, 3.0]) == pytest.approx(1.0)
        assert figures.standard_error([1.0, 3.0] * 50) == pytest.approx(0.1, rel=0.01)

    def test_one_value_says_nothing_of_its_error(self):
        assert str(figures.standard_error([1.0])) == "nan"

    def test_events_are_found_by_their_name(self):
        line = json.dumps({"event": "ticks.rolled_up", "timestamp": "1970-01-01T00:00:09Z"})
        lines = [line, line.replace("rolled_up", "dropped"), line[:-5]]
        assert figures.times_of(lines, "ticks.rolled_up") == [9.0]

    def test_a_longer_window_is_whole_intervals_too(self):
        assert figures.window(1_000_003.7, 180, 3 * 180).slots_each == 3
        assert figures.window(1_000_003.7, 30, 120).slots_each == 4


def test_closed_sockets_are_counted():
    text = "sockets: used 91\nTCP: inuse 3 orphan 0 tw 1234 alloc 9 mem 2\nUDP: inuse 1 mem 0\n"
    assert proc.parse_sockstat(text) == 1234


def test_servers_that_stand_for_the_world_are_not_ours():
    assert ours("worker.region-1")
    assert ours("influxd")
    assert not any(map(ours, ["target", "dns", "mail"]))


class TestTargets:
    @pytest.fixture
    def made(self, tmp_path):
        def make(**served):
            return targets.Targets(None, tmp_path, targets.Served(**served), 8443, 8080)

        return make

    def test_urls_are_distinct_and_the_first_are_flaky(self, made):
        urls = [made(flaky=3).url(n) for n in range(1000)]
        assert len(set(urls)) == 1000
        assert ["/flaky/" in url for url in urls[:5]] == [True, True, True, False, False]

    def test_named_websites_can_still_be_asked_by_address(self, made):
        named = made(named=True, chain="ec")
        assert named.url(1) == "https://site-1.a1.bench.test:8443/site/1"
        assert named.url_by_address(1) == f"https://{targets.ADDRESSES[1]}:8443/site/1"

    def test_each_certificate_is_asked_for_by_name(self, made):
        named = made(named=True, mixed=True, chain="ec")
        numbers = [n for n in range(30_000) if named.kind(n) == "https"]
        families = {urlsplit(named.url(n)).hostname.split(".")[1] for n in numbers}
        assert len(families) == certificates.LEAVES

    @pytest.mark.parametrize(
        ("number", "url"),
        [
            (90, "http://site-90.a90.bench.test:8080/site/90"),
            (96, "http://site-96.a96.bench.test:8080/redirect/96"),
            (98, "https://site-98.refused.bench.test:8443/site/98"),
            (299, "https://site-299.a1.bench.test:8443/unavailable/299"),
        ],
    )
    def test_a_mix_has_each_kind_where_it_behaves_so(self, made, number, url):
        assert made(named=True, mixed=True, chain="ec").url(number) == url


def test_a_silent_website_does_not_even_take_the_connection():
    with targets._silent(free_port()) as silent, ExitStack() as held:
        for _ in range(5):  # the first fills its queue
            asking = held.enter_context(socket.socket())
            asking.settimeout(0.5)
            if asking.connect_ex(silent.getsockname()) == errno.EAGAIN:
                return
    pytest.fail("it takes every connection")


class TestMix:
    def test_each_hundred_websites_are_the_same_mix(self):
        for begin in (0, 100, 12_300):
            kinds = Counter(mix.kind_of(n) for n in range(begin, begin + 100))
            assert (kinds["https"], kinds["http"], kinds["redirect"]) == (85, 10, 3)
            assert sum(kinds[kind] for kind in mix.FAILURES) == 2

    def test_each_failure_is_a_sixth_of_them(self):
        kinds = Counter(mix.kind_of(n) for n in range(30_000))
        assert {kinds[kind] for kind in mix.FAILURES} == {100}
        assert mix.failing(30_000) == 600


class TestDnsServer:
    TABLE = dns_server.Table.read(
        json.dumps(
            {
                "zone": "bench.test",
                "addresses": ["127.1.7.2", "127.2.14.3"],
                "elsewhere": {"silent": "127.251.0.1", "nxdomain": None},
            }
        )
    )

    @pytest.mark.parametrize(
        ("name", "address"),
        [
            ("site-0.a7.bench.test", "127.1.7.2"),
            ("site-3.a0.bench.test", "127.2.14.3"),
            ("site-3.silent.bench.test", "127.251.0.1"),
            ("site-3.nxdomain.bench.test", None),
            ("site-3.a0.bench.example", None),
            ("www.a0.bench.test", None),
        ],
    )
    def test_it_answers_as_our_resolver_asks(self, name, address):
        query = dns_wire.encode_query(name, 77)
        assert query is not None
        answer = dns_server.response(query, self.TABLE)
        assert dns_wire.first_address(answer, query) == address
        assert (answer[3] & 15 == 3) == (address is None)  # NXDOMAIN

    def test_a_name_has_no_address_of_ipv6_and_is_there_all_the_same(self):
        query = dns_wire.encode_query("site-0.a7.bench.test", 77)[:-4] + b"\0\x1c\0\1"
        answer = dns_server.response(query, self.TABLE)
        assert (answer[3] & 15, answer[6:8]) == (0, b"\0\0")

    @pytest.mark.parametrize("query", [b"", b"\0" * 11, b"\0" * 12, b"\0" * 12 + b"\x3fabc"])
    def test_what_is_no_query_has_no_answer(self, query):
        assert dns_server.response(query, self.TABLE) is None

    def test_it_answers_over_its_socket_once_it_is_started(self, tmp_path):
        # given
        served = names.start(tmp_path, targets.ADDRESSES, targets.ELSEWHERE)
        host, port = served.address.split(":")
        query = dns_wire.encode_query(names.host(1, "a1"), 7)
        # when
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(30)
                asking.sendto(query, (host, int(port)))
                answer = asking.recv(512)
        finally:
            process.stop(served.child, within_s=5)
        # then
        assert dns_wire.first_address(answer, query) == targets.ADDRESSES[1]


class TestApiLoad:
    def test_ranks_are_of_the_values_themselves(self):
        values = [float(n) for n in range(1, 201)]
        assert api_load.rank(values, 99) == 198.0
        assert api_load.rank(values, 100) == 200.0
        assert api_load.rank([], 99) is None

    async def _standing_still(self):
        """An API that answers nothing until its tenth request has come."""
        released, asked = asyncio.Event(), 0

        async def request():
            nonlocal asked
            asked += 1
            if asked == 10:
                released.set()
            await released.wait()

        return await api_load.load({"page": request}, per_s=100, seconds=0.1)

    async def test_requests_are_sent_and_timed_though_none_is_answered(self):
        # A client that waited for answers would never send the tenth.
        told = await asyncio.wait_for(self._standing_still(), 10)
        assert told["page"]["n"] == 10
        assert told["page"]["max_ms"] >= 90  # the first waited for all that came after it

    async def test_a_client_that_is_late_itself_counts_that_too(self):
        async def blocking():
            time.sleep(0.2)  # noqa: ASYNC251 - nothing else may run meanwhile: that is the point

        async def quick():
            pass

        told = await api_load.load({"a": blocking, "b": quick}, per_s=100, seconds=0.02)
        assert told["b"]["max_ms"] >= 150  # due 10 ms after the first, sent 190 ms late
        assert told["worst_delay_ms"] >= 150

    async def test_failures_are_counted_with_their_reason(self):
        async def fine():
            pass

        async def refused():
            raise ValueError("GET /x answered 503")

        told = await api_load.load({"a": fine, "b": refused}, per_s=1000, seconds=0.01)
        assert (told["a"]["n"], told["a"]["bad"]) == (5, 0)
        assert (told["b"]["n"], told["b"]["bad"]) == (5, 5)
        assert told["b"]["last_error"] == "ValueError: GET /x answered 503"

    async def test_the_slowest_are_told_with_the_time_at_which_they_were_due(self):
        # given
        began_s = time.time()
        # when the first waits for all others
        told = await asyncio.wait_for(self._standing_still(), 10)
        # then
        due_s, ms = told["page"]["slowest"][0]
        assert ms == pytest.approx(told["page"]["max_ms"], abs=0.1)
        assert began_s - 0.02 <= due_s <= time.time() - ms / 1000 + 0.02


class TestLate:
    def test_the_slowest_answer_is_kept_with_its_time(self):
        # given a part whose third answer takes long
        ended, asked = threading.Event(), []

        def ask():
            asked.append(time.time())
            if len(asked) == 3:
                time.sleep(0.05)
            if len(asked) == 4:
                ended.set()

        # when
        part = late.Asked(ask)
        part.keep_asking(ended)
        # then
        at_s, ms = part.told()["slowest"][0]
        assert ms >= 50
        assert at_s == pytest.approx(asked[2], abs=0.04)

    def test_what_an_answer_takes_at_best_is_no_delay(self):
        ended = threading.Event()

        def ask():
            time.sleep(0.05)
            ended.set()

        part = late.Asked(ask, at_best_s=100.0)
        part.keep_asking(ended)
        assert part.told()["slowest"][0][1] < 0

    def test_a_part_that_fails_says_why_and_is_asked_no_more(self):
        def ask():
            raise ValueError("it did not answer 200")

        part = late.Asked(ask)
        part.keep_asking(threading.Event())
        assert part.told() == {"failed": "ValueError: it did not answer 200", "slowest": []}


def mail(body):
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@bench.test", "b@bench.test", "Down"
    message.set_content(body)
    return message


async def test_the_mail_server_takes_mails_one_after_the_other():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(mail_sink.Session, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, use_tls=False, timeout=5)
        async with client:
            # A line with a dot alone, which must not be taken for the end; then a long one.
            answers = [await client.send_message(mail(b)) for b in ("a\n.\nb\n", "x\n" * 50_000)]

    for refused, answer in answers:
        assert refused == {}
        assert "Taken" in answer
