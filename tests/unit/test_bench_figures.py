"""The arithmetic of the benchmark: which slots, which were missed, how late, how much CPU."""

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import compare, figures, options, proc, targets


class TestWindow:
    @pytest.mark.parametrize("interval_s", [30, 45, 60, 90, 180])
    def test_it_measures_whole_intervals_after_one_of_warm_up(self, interval_s):
        found = figures.window(1_000_003.7, interval_s)

        assert found.first_slot_s % 60 == 0
        assert found.first_slot_s >= 1_000_003.7
        assert found.from_s >= found.first_slot_s + interval_s
        assert found.from_s % interval_s == found.until_s % interval_s == 0
        assert found.seconds >= figures.MEASURE_AT_LEAST_S
        assert found.slots_each == found.seconds / interval_s

    def test_processes_are_not_started_into_the_end_of_a_minute(self):
        assert figures.good_start(60.5) == 60.5
        assert figures.good_start(100.0) == 100.0
        assert figures.good_start(100.5) == 120.0
        assert figures.good_start(119.9) == 120.0


class TestMissedSlots:
    def test_none_is_missed_where_every_series_has_its_ticks(self):
        assert figures.missed_slots({2: 100}, series=100, due_each=2) == 0

    def test_short_and_absent_series_count(self):
        # 95 whole, 3 with one of two, 2 with none
        assert figures.missed_slots({2: 95, 1: 3}, series=100, due_each=2) == 3 + 2 * 2

    def test_surplus_ticks_of_one_series_do_not_offset_gaps_in_another(self):
        assert figures.missed_slots({3: 99, 1: 1}, series=100, due_each=2) == 1


class TestPercentile:
    def test_nearest_rank(self):
        values = [float(n) for n in range(100, 0, -1)]
        assert figures.percentile(values, 50) == 50
        assert figures.percentile(values, 99) == 99
        assert figures.percentile(values, 100) == 100

    def test_of_few_values_it_is_one_of_them(self):
        assert figures.percentile([3.0, 1.0], 99) == 3.0
        assert figures.percentile([7.0], 1) == 7.0


def test_batches_are_read_from_among_other_lines():
    said = {
        "event": "batch.checked",
        "region": "region-1",
        "slot_s": 60,
        "websites": 500,
        "up": 490,
        "down": 7,
        "not_measured": 3,
        "timestamp": "1970-01-01T00:01:01.250000Z",
    }
    line = json.dumps(said)
    lines = ["Traceback ...", json.dumps({"event": "batch.dropped"}), line, line[:-9]]

    (found,) = figures.batches(lines)

    assert found == figures.Batch(61.25, 60, websites=500, not_measured=3, down=7)
    assert found.lag_s == 1.25


def test_cpu_is_divided_by_checks():
    found = figures.per_check({"api": 100, "redis": 0}, {"api": 100, "redis": 5000}, 1000)
    assert found == {"api": 0.0, "redis": 5.0}


class TestProc:
    def test_a_name_may_hold_brackets_and_spaces(self):
        text = "42 (a) b (c) S 7 42 42 0 -1 0 0 0 0 0 11 22 33 44 20 0 1 0 99"
        assert proc.parse_stat(text) == proc.Stat(pid=42, ppid=7, cpu_ticks=110)

    def test_a_tree_has_all_descendants_and_no_others(self):
        stats = {
            pid: proc.Stat(pid, ppid, 0)
            for pid, ppid in [(1, 0), (10, 1), (11, 10), (12, 11), (20, 1), (13, 10)]
        }
        assert sorted(proc.tree(10, stats)) == [10, 11, 12, 13]
        assert proc.tree(99, stats) == []

    def test_memory_is_in_bytes(self):
        text = "55d-7ff ---p 0 00:00 0 [rollup]\nRss:   2048 kB\nPss:   1024 kB\nPss_Anon: 9 kB\n"
        assert proc.parse_memory(text) == proc.Memory(rss=2**21, pss=2**20)

    def test_idle_and_stolen_time_is_no_work(self):
        found = proc.parse_machine("cpu  1 2 3 1000 1000 4 5 6 0 0")
        assert found.busy_us == 15 * found.stolen_us / 6 > 0


class TestWrk:
    def test_requests_are_counted(self):
        text = "  1 threads and 64 connections\n  104321 requests in 8.00s, 70.1MB read\n"
        assert compare.parse_wrk(text) == (104321, 0)

    def test_failures_of_all_kinds_are_told(self):
        text = (
            "  100 requests in 8.00s, 1MB read\n"
            "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
            "  Non-2xx or 3xx responses: 20\n"
        )
        assert compare.parse_wrk(text) == (80, 30)


class TestOptions:
    def test_the_interval_grows_with_what_is_asked(self):
        assert options.default_interval_s(1) == 30
        assert options.default_interval_s(60_000) == 30
        assert options.default_interval_s(60_001) == 60

    def test_settings_are_read(self):
        given = {"SITES": "10", "REGIONS": "2", "INTERVAL": "60", "HTTPS": "1", "STORE": "postgres"}
        found = options.read(given)
        assert found.series == 20
        assert found.regions == ("region-1", "region-2")
        assert (found.interval_s, found.chain, found.store) == (60, "ec", "postgres")

    def test_a_mix_is_by_name_and_mostly_https(self):
        found = options.read({"MIX": "1", "CHAIN": "rsa", "STORE": "postgres"})
        assert found.served() == targets.Served("rsa", named=True, mixed=True)
        assert found.mails  # failing websites are told of

    def test_without_https_there_are_no_certificates(self):
        assert options.read({"CHAIN": "rsa", "STORE": "postgres"}).chain is None

    @pytest.mark.parametrize(
        "given",
        [
            {"CHAIN": "dsa", "HTTPS": "1"},
            {"SITES": "0"},
            {"SITES": "many"},
            {"INTERVAL": "29"},
            {"STORE": "sqlite"},
        ],
    )
    def test_what_cannot_be_measured_is_refused(self, given):
        with pytest.raises(ValueError, match=next(iter(given))):
            options.read({"STORE": "postgres"} | given)
