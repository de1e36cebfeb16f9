"""The benchmark's own parts: what it reads, whom it asks for names, who takes its mails."""

import asyncio
import json
import sys
import threading
import time
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

import aiosmtplib
import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import api_load, figures, late, mail_sink, names, proc, targets
from bench.watch import BatchLog, ours


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


class TestNames:
    def test_every_website_has_a_name_below_the_one_of_its_address(self):
        hosts = [names.host(number, 250) for number in range(1000)]
        assert len(set(hosts)) == 1000
        assert hosts[251] == "site-251.a1.bench.test"

    def test_a_name_leads_to_the_address_that_the_website_has_without_it(self):
        config = names.config(targets.ADDRESSES, 5353, "nobody")
        answers = dict(
            line.removeprefix("address=/").split("/")
            for line in config.splitlines()
            if line.startswith("address=/")
        )
        assert len(answers) == len(targets.ADDRESSES)
        assert all(ip_address(address).is_loopback for address in answers.values())
        for number in (0, 1, 249, 250, 123_456):
            _, parent = names.host(number, len(targets.ADDRESSES)).split(".", 1)
            assert answers[parent] == targets.ADDRESSES[number % len(targets.ADDRESSES)]


class TestTargets:
    def made(self, tmp_path, **options):
        given = {"named": False, "flaky": 0} | options
        return targets.Targets(None, tmp_path, 8080, None, **given)

    def test_urls_are_distinct_and_the_first_are_flaky(self, tmp_path):
        made = self.made(tmp_path, flaky=3)
        urls = [made.url(n) for n in range(1000)]
        assert len(set(urls)) == 1000
        assert ["/flaky/" in url for url in urls[:5]] == [True, True, True, False, False]

    def test_named_websites_can_still_be_asked_by_address(self, tmp_path):
        made = self.made(tmp_path, named=True)
        assert made.url(1) == "http://site-1.a1.bench.test:8080/site/1"
        assert made.url_by_address(1) == f"http://{targets.ADDRESSES[1]}:8080/site/1"


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
