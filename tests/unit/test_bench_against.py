"""A commit and the working tree in turn: when, what of, and how sure the ratio is."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import proc
from bench.against import checkout, options, ratio, report, run, turns
from bench.against.run import Compared, Window
from bench.against.turns import COMMIT, TREE, Event, Turn
from bench.stack import Failed
from bench.watch import Reading

HOUR_S = 1_800_000_000


def comparison(**environ):
    return options.read({"AGAINST": "HEAD", "STORE": "postgres", **environ})


class TestOptions:
    def test_ten_windows_of_a_minute_unless_said_otherwise(self):
        found = comparison()
        assert (found.windows, found.window_s) == (10, 60)
        assert found.load.sites == 20_000
        assert found.checks_each == 40_000

    def test_a_longer_interval_lengthens_the_windows(self):
        assert comparison(SITES="200000").window_s == 120
        assert comparison(INTERVAL="90").window_s == 180

    @pytest.mark.parametrize(
        ("environ", "message"),
        [
            ({"AGAINST": " "}, "AGAINST must name a commit"),
            ({"AGAINST": "--all"}, "AGAINST must name a commit"),
            ({"WINDOWS": "1"}, "WINDOWS must be a whole number from 2"),
            ({"WINDOW_S": "15"}, "WINDOW_S must be a whole number from 60"),
            ({"WINDOW_S": "90"}, "WINDOW_S must be a multiple of 60"),
            ({"WINDOW_S": "3600"}, "at most 1800"),
            ({"WINDOW_S": "60", "INTERVAL": "120"}, "multiple of INTERVAL, which is 120"),
        ],
    )
    def test_what_cannot_be_measured_is_refused_in_a_sentence(self, environ, message):
        with pytest.raises(ValueError, match=message):
            comparison(**environ)


class TestTurns:
    def test_the_commit_has_a_window_before_and_after_each_of_the_working_tree(self):
        measured = [t.side for t in turns.plan(HOUR_S + 600, 2, 60) if t.measured]
        assert measured == [COMMIT, TREE, COMMIT, TREE, COMMIT]

    def test_the_first_window_of_each_side_is_not_measured(self):
        first = turns.plan(HOUR_S + 600, 2, 60)[:3]
        assert [(t.side, t.measured) for t in first] == [
            (COMMIT, False), (TREE, False), (COMMIT, True),
        ]  # fmt: skip

    def test_over_https_all_are_checked_once_before_each_window(self):
        assert comparison(HTTPS="1", SITES="200000").warm_s == 120
        assert comparison(SITES="200000").warm_s == 0
        found = turns.plan(HOUR_S + 601, 2, 60, warm_s=60)
        assert [t.from_s - t.begin_s for t in found] == [60] * 7
        assert found[0].begin_s == HOUR_S + 660
        assert [t.until_s for t in found[:-1]] == [t.begin_s for t in found[1:]]

    def test_no_warming_up_holds_the_minute_of_the_roll_up(self):
        first, *_ = turns.plan(HOUR_S + 200, 2, 60, warm_s=60)
        assert (first.begin_s, first.from_s) == (HOUR_S + 360, HOUR_S + 420)

    def test_windows_begin_with_a_minute_and_follow_each_other(self):
        found = turns.plan(HOUR_S + 601.5, 2, 120)
        assert found[0].from_s == HOUR_S + 660
        assert [t.until_s - t.from_s for t in found] == [120] * 7
        assert [t.until_s for t in found[:-1]] == [t.from_s for t in found[1:]]

    @pytest.mark.parametrize(
        ("earliest_s", "window_s", "start_s"),
        [(0, 60, 0), (299, 60, 360), (240, 60, 240), (241, 60, 360), (240, 120, 360),
         (3_540, 300, 3_540), (3_540, 420, 3_960)],
    )  # fmt: skip
    def test_no_window_holds_the_minute_of_the_roll_up(self, earliest_s, window_s, start_s):
        assert turns.next_start(HOUR_S + earliest_s, window_s) == HOUR_S + start_s

    def test_events_are_done_in_order_of_time(self):
        done = []
        events = [Event(at_s, lambda at_s=at_s: done.append(at_s)) for at_s in (65, 0, 60, 30)]
        for event in turns.in_order(events):
            event.do()
        assert done == [0, 30, 60, 65]


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self, now_s):
        self.now_s = now_s

    def time(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds


class Recorded:
    """A side that notes what is done to it, and when; it is its own stack."""

    def __init__(self, name, clock, log):
        self.name, self.clock, self.log, self.stack = name, clock, log, self
        self.must_run = lambda: None

    def note(self, what):
        self.log.append((round(self.clock.now_s) - HOUR_S, self.name, what))

    def read(self):
        return Reading(self.clock.now_s, {"worker": int(self.clock.now_s)}, proc.Machine(0, 0))

    def resume_scheduler(self):
        self.note("resume")

    def pause_scheduler(self):
        self.note("pause")

    def restart_workers(self):
        self.note("restart")


class TestTakingTurns:
    @pytest.fixture
    def taken(self, monkeypatch):
        return self.take_turns(monkeypatch)

    def take_turns(self, monkeypatch, **environ):
        clock, log = Clock(HOUR_S + 601), []
        for name in ("time", "sleep"):
            monkeypatch.setattr(run.time, name, getattr(clock, name))
        sides = {side: Recorded(side, clock, log) for side in (COMMIT, TREE)}
        windows, _ = run._take_turns(sides, comparison(WINDOWS="2", **environ))
        return windows, log

    def test_only_one_scheduler_runs_at_a_time(self, taken):
        running = set()
        for _, side, what in taken[1]:
            if what == "resume":
                assert not running
                running.add(side)
            elif what == "pause":
                running.remove(side)
        assert not running

    def test_a_scheduler_goes_on_when_the_minute_begins_and_rests_before_the_next(self, taken):
        times = [(at_s, what) for at_s, side, what in taken[1] if side == TREE]
        assert times[:3] == [(720, "resume"), (750, "pause"), (785, "restart")]

    def test_workers_are_started_anew_while_the_other_side_has_its_turn(self, taken):
        restarts = [(at_s, side) for at_s, side, what in taken[1] if what == "restart"]
        assert restarts == [
            (725, COMMIT), (785, TREE), (845, COMMIT), (905, TREE), (965, COMMIT),
        ]  # fmt: skip

    def test_over_https_the_scheduler_goes_on_before_the_meters_are_read(self, monkeypatch):
        windows, log = self.take_turns(monkeypatch, HTTPS="1")
        resumed = [HOUR_S + at_s for at_s, _, what in log if what == "resume"]
        assert [r + 60 for r in resumed] == [w.readings[0].at_s for w in windows]
        assert [w.readings[0].at_s for w in windows] == [w.turn.from_s for w in windows]

    @pytest.mark.parametrize(("mix", "settle_s"), [("0", 5), ("1", 20)])
    def test_the_meters_are_read_until_the_last_checks_are_done(self, monkeypatch, mix, settle_s):
        for window in self.take_turns(monkeypatch, MIX=mix)[0]:
            first, last = (reading.at_s for reading in window.readings)
            assert first == window.turn.from_s
            assert last == window.turn.until_s + settle_s


class TestRatio:
    def test_it_is_that_of_the_medians(self):
        found = ratio.of_medians([202, 206, 900], [199, 201, 200, 700])
        assert (found.new, found.old) == (206, 200.5)
        assert found.value == pytest.approx(206 / 200.5)

    def test_figures_that_do_not_scatter_have_no_error(self):
        found = ratio.of_medians([206.0] * 10, [200.0] * 11)
        assert (found.low, found.high) == (found.value, found.value)
        assert found.error == 0

    def test_the_same_figures_have_the_same_error(self):
        chance = random.Random(1)
        new = [200 + chance.gauss(0, 5) for _ in range(10)]
        old = [200 + chance.gauss(0, 5) for _ in range(11)]
        assert ratio.of_medians(new, old) == ratio.of_medians(new, old)

    def test_the_interval_holds_the_ratio_that_the_figures_were_made_with(self):
        chance, hits, errors = random.Random(2), 0, []
        for _ in range(40):
            found = ratio.of_medians(*made_up(chance, 1.02, windows=10))
            hits += found.low <= 1.02 <= found.high
            errors.append(found.error)
        assert hits >= 34
        assert 0.005 < sorted(errors)[20] < 0.03

    def test_a_machine_that_becomes_steadily_slower_favours_neither(self):
        pace = [100 + 5 * n for n in range(21)]
        assert ratio.of_medians(pace[1::2], pace[::2]).value == 1

    @pytest.mark.parametrize("old", [[], [1.0], [1.0] * 4])
    def test_each_window_has_one_before_and_one_after_it(self, old):
        with pytest.raises(ValueError, match="2 windows need 3 around them"):
            ratio.of_medians([1.0, 1.0], old)

    @pytest.mark.parametrize(
        ("value", "low", "high", "windows", "told"),
        [
            (1.01, 0.99, 1.02, 10, "Within 3 %."),
            (1.01, 0.99, 1.04, 10, "Within 3 %, but the error reaches across"),
            (1.05, 1.02, 1.08, 10, "Not within 3 %, but the error reaches across"),
            (1.05, 1.04, 1.06, 10, "Not within 3 %."),
            (1.01, 0.99, 1.02, 3, "Within 3 %, but 3 windows are a trial"),
        ],
    )
    def test_the_verdict_says_where_the_error_leaves_it_open(self, value, low, high, windows, told):
        found = ratio.Ratio(value, low, high, new=value, old=1)
        assert ratio.verdict(found, windows).startswith(told)


def made_up(chance, factor, windows):
    """Windows on a machine whose pace wanders, the working tree's dearer by a factor."""
    pace, us = 200.0, []
    for _ in range(2 * windows + 1):
        pace *= 1 + chance.gauss(0, 0.005)
        us.append(pace * (1 + chance.gauss(0, 0.01)))
    return [each * factor for each in us[1::2]], us[::2]


class TestReport:
    def window(self, side, worker_us):
        readings = [
            Reading(at_s, {"worker": us, "redis": us // 10, "target": 7 * us}, proc.Machine(0, 0))
            for at_s, us in ((0, 1_000), (65, 1_000 + worker_us * 40_000))
        ]
        return Window(Turn(side, 0, 60, measured=True), readings, checks=40_000)

    def compared(self, checks=40_000):
        sides = [(COMMIT, 100), (TREE, 102)] * 10 + [(COMMIT, 100)]
        windows = [self.window(side, us) for side, us in sides]
        windows[0].checks = checks
        return Compared(comparison(), "191d99a", windows, 0.1, 0.0)

    def test_the_ratio_and_the_verdict_come_last(self):
        *_, told, verdict = report.lines(self.compared())
        assert told == (
            "ratio 1.020 ±0.000 (working tree / 191d99a; 112.2 us against 110.0 us a check, "
            "21 windows of 60 s)"
        )
        assert verdict == "Within 3 %."

    def test_what_is_not_ours_is_not_counted(self):
        found = report.result(self.compared())
        assert found["us_per_check"] == {"commit": 110.0, "working_tree": 112.2}
        assert found["us_per_check_by_process"] == {"worker": [100.0, 102.0], "redis": [10.0, 10.2]}

    def test_slots_that_were_not_run_are_told(self):
        assert "slots missed  10 at 191d99a, 0 in the working tree" in report.lines(
            self.compared(checks=39_990)
        )


class TestCheckout:
    @pytest.fixture
    def repository(self, tmp_path):
        path = tmp_path / "repository"
        path.mkdir()
        (path / "file").write_text("first")
        who = ("-c", "user.name=bench", "-c", "user.email=bench@bench.test")
        for words in (
            ("init", "--quiet"), ("add", "file"), (*who, "commit", "--quiet", "-m", "first"),
        ):  # fmt: skip
            subprocess.run(["git", "-C", path, *words], check=True)
        (path / "file").write_text("second")
        return path

    def test_the_commit_stands_in_a_directory_of_its_own(self, repository):
        with checkout.checked_out("HEAD", repository) as tree:
            assert (tree / "file").read_text() == "first"
        assert not tree.exists()
        assert (repository / "file").read_text() == "second"

    def test_nothing_of_it_is_left_after_an_interrupt(self, repository):
        trees = []
        with pytest.raises(KeyboardInterrupt):
            self.interrupted(repository, trees)
        assert not trees[0].parent.exists()

    def interrupted(self, repository, trees):
        with checkout.checked_out("HEAD", repository) as tree:
            trees.append(tree)
            assert tree.exists()
            raise KeyboardInterrupt

    @pytest.mark.parametrize("commit", ["nope", "HEAD:file"])
    def test_an_unknown_commit_is_named_in_the_error(self, repository, commit):
        with pytest.raises(ValueError, match=f"AGAINST must name a commit .*{commit}"):
            checkout.short_id(commit, repository)

    def test_a_directory_without_a_repository_says_so_in_gits_words(self, tmp_path):
        with (
            pytest.raises(Failed, match="not a git repository"),
            checkout.checked_out("HEAD", tmp_path),
        ):
            pass
