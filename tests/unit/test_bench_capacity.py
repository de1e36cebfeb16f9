"""bench-million MIX=1: what counts as held, and how the most websites are outcome."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import proc
from bench.figures import Batch, Window
from bench.million import capacity, search
from bench.million.capacity import RESTARTED, WARM, Judged
from bench.million.search import Trial
from bench.watch import Reading

CORES = 2


def judged(**changes):
    """A window in which all was well."""
    usual = {
        "missed": 0, "not_measured": 0, "down": 20, "failing": 20, "lag_p99_s": 1.0,
        "us_per_check": 1000.0, "busy_cores": 1.0, "other_cores": 0.0,
    }  # fmt: skip
    return Judged(**usual | changes)


class TestJudging:
    def test_a_window_held_where_every_slot_was_run(self):
        assert judged().held

    @pytest.mark.parametrize(
        "change", [{"missed": 1}, {"not_measured": 1}, {"down": 21}, {"down": 19}]
    )
    def test_one_slot_or_one_wrong_answer_is_enough_not_to(self, change):
        assert not judged(**change).held
        assert judged(**change).text().startswith("did not hold")


class TestSearch:
    def trials(self, limit, first, within=0.1):
        """What a machine with room for ``limit`` websites tells, trial by trial."""
        trials, sites = {}, first
        while sites is not None:
            assert sites not in trials
            trials[sites] = Trial(sites <= limit, min(CORES * sites / limit, CORES))
            sites = search.next_sites(trials, CORES, within)
        return trials

    @pytest.mark.parametrize("limit", [3_000, 99_000, 130_500, 500_000, 2_000_000])
    @pytest.mark.parametrize("first", [1000, 100_000, 1_000_000])
    def test_the_most_is_found_within_a_tenth(self, limit, first):
        trials = self.trials(limit, first)
        most = search.most_held(trials)
        assert most <= limit
        assert limit < max(most * 1.1, most + 1000) + 1
        assert len(trials) < 40

    def test_a_good_guess_takes_few_trials(self):
        assert len(self.trials(130_500, 100_000)) <= 4

    def test_where_a_machine_can_do_none_it_says_none(self):
        assert search.most_held(self.trials(1, 5000)) is None

    def test_more_that_held_by_chance_are_no_number_where_fewer_failed(self):
        trials = {100: Trial(True, 1), 200: Trial(False, 2), 300: Trial(True, 2)}
        assert search.most_held(trials) == 100


class TestTrials:
    def trials(self, warm, restarted, tried):
        return {
            sites: {
                WARM: judged(missed=int(sites > warm), busy_cores=1.9),
                RESTARTED: judged(missed=int(sites > restarted), busy_cores=1.9),
            }
            for sites in tried
        }

    def test_both_numbers_are_told_and_what_they_rest_on(self):
        settings = capacity.read({})
        trials = self.trials(100_000, 80_000, [80_000, 88_000, 100_000, 110_000])
        *_, head, warm, restarted = capacity.lines(settings, trials)
        assert head == "websites every 180 s with no slot missed"
        assert warm.split("  ")[-1] == "(not with 110000)"
        assert (" 100000 " in warm, " 80000 " in restarted) == (True, True)
        figures = json.loads(json.dumps(capacity.result(settings, trials)))
        assert figures["sites"] == {WARM: 100_000, RESTARTED: 80_000}
        assert len(figures["trials"]) == 8

    def test_it_goes_on_for_the_second_once_the_first_is_known(self):
        trials = self.trials(100_000, 70_000, [100_000, 108_000])
        assert 70_000 < capacity.next_trial(trials, 0.1) < 100_000

    def test_it_ends_when_both_are_known(self):
        trials = self.trials(100_000, 80_000, [80_000, 88_000, 100_000, 110_000])
        assert capacity.next_trial(trials, 0.1) is None

    def test_it_tries_what_is_wanted_until_both_are_known(self, monkeypatch):
        # given a machine with room for so many
        def trial(_settings, sites):
            return self.trials(120_000, 90_000, [sites])[sites]

        monkeypatch.setattr(capacity, "_trial", trial)
        monkeypatch.setattr(capacity.os, "cpu_count", lambda: CORES)
        # when
        trials = capacity.run(capacity.read({}))
        # then
        figures = capacity.result(capacity.read({}), trials)["sites"]
        assert 109_000 <= figures[WARM] <= 120_000
        assert 81_000 <= figures[RESTARTED] <= 90_000


class Watched:
    """A stack at which nothing runs: what it is told, and a window of two batches."""

    def __init__(self, options, batches):
        self.options, self._batches = options, batches
        self.stack = self.log = self
        self.done = []

    def read(self):
        return Reading(float(len(self.done)), {"worker": 1000 * len(self.done)}, proc.Machine(0, 0))

    def wait(self, until_s, _doing):
        self.done.append(until_s)

    def restart_workers(self):
        self.done.append("restart")

    def batches(self):
        return self._batches


class TestWindows:
    def test_only_the_slots_of_the_window_are_judged(self, monkeypatch):
        options = capacity.sized(capacity.read({}), 1000)
        batches = [
            Batch(at_s=1.0, slot_s=slot_s, websites=500, not_measured=slot_s == 99, down=10)
            for slot_s in (99, 100, 279, 280)
        ]
        monkeypatch.setattr(capacity.measure, "missed", lambda *_: 0)
        monkeypatch.setattr(capacity.measure, "down_series", lambda *_: 20)
        outcome = capacity._judged(Watched(options, batches), Window(0, 100, 280, 180))
        assert (outcome.not_measured, outcome.down, outcome.failing) == (0, 20, 20)
        assert outcome.held

    def test_the_cycle_of_a_restart_begins_before_the_workers_end(self):
        watched = Watched(capacity.read({}).first, [])
        window = capacity._restarted(watched)
        assert watched.done == [window.from_s, "restart"]
        assert window.seconds == 180

    def test_each_trial_is_judged_warm_and_restarted(self, monkeypatch):
        stack = Watched(capacity.read({}).first, [])
        for name in ("start_products", "start_scheduler"):
            monkeypatch.setattr(Watched, name, lambda _: None, raising=False)
        monkeypatch.setattr(capacity, "running_servers", lambda *_: nullcontext(stack))
        monkeypatch.setattr(capacity, "Watch", lambda _: stack)
        monkeypatch.setattr(capacity.seed, "insert_regions", lambda _: None)
        monkeypatch.setattr(capacity.measure, "fill", lambda _: 0.0)
        windows = []
        monkeypatch.setattr(
            capacity, "_judged", lambda _, window: windows.append(window) or judged()
        )
        # when
        by_state = capacity._trial(capacity.read({}), 5000)
        # then
        assert list(by_state) == [WARM, RESTARTED]
        assert [window.slots_each for window in windows] == [2, 1]
