"""bench-million: which promise passes, how the picture is drawn, what is asked for."""

import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from uuid import UUID

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench.million import flat, history, importing, judge, options, picture, under_load
from bench.million.judge import Line
from bench.stack import TARGET

from monitor.domain.ring import POSITIONS, Arc, batches_of_arc

KIND = {"n": 600, "bad": 0, "last_error": "", "p50_ms": 5.0, "p99_ms": 20.0, "max_ms": 40.0}
MIB = 2**20


def size(sites, marginal, error=1.0):
    return {"sites": sites, "marginal_us_per_check": marginal, "error_us": error}


def over_https(ratio):
    """What `make bench HTTPS=1` writes down, as far as it is judged here."""
    cpu = {"total": 1400.0}
    return {"sites": 15_000, "missed_slots": 0, "cpu_us_per_check": cpu, "ratio_blackbox": ratio}


def outcome(**changes):
    """The figures of a run that meets every aim."""
    return {
        "cpu_us_per_check": {"total": 150.0},
        "marginal_us_per_check": 140.0,
        "ratio_blackbox": 0.3,
        "over_https": over_https(0.5),
        "missed_slots": 0,
        "lag_p99_s": 2.0,
        "sizes": [size(1000, 150.0), size(1_000_000, 145.0)],
        "redis_bytes_per_series": 300.0,
        "worker_memory": {"start_rss": [100 * MIB], "end_rss": [110 * MIB]},
        "import_s": 60.0,
        "sync_s": 20.0,
        "api": {"page": KIND, "series": KIND, "create": KIND},
        "reports": dict.fromkeys(under_load.REPORTS, KIND),
        "burst": {
            "websites": 10_000, "confirmed_s": 15.6, "incidents_s": 4.0, "notifications_s": 4.2,
            "half_s": 2.0, "p99_s": 4.1,
        },
    } | changes  # fmt: skip


def only(found, beginning):
    (line,) = [line for line in judge.lines(found) if line.what.startswith(beginning)]
    return line


class TestJudging:
    def test_a_run_that_meets_every_aim_passes_every_line(self):
        found = judge.lines(outcome())

        assert all(line.passed for line in found)
        assert all(line.aim_met for line in found if line.aim)

    def test_https_is_not_judged_where_it_was_not_measured_whole(self):
        assert only(outcome(over_https=None), "CPU per HTTPS").passed is None
        assert only(outcome(over_https=over_https(None)), "CPU per HTTPS").passed is None
        too_full = over_https(0.5) | {"missed_slots": 1}
        assert only(outcome(over_https=too_full), "CPU per HTTPS").passed is None

    @pytest.mark.parametrize(
        ("beginning", "change"),
        [
            ("CPU per HTTP check", {"cpu_us_per_check": {"total": 250.1}}),
            ("the same to blackbox", {"ratio_blackbox": 0.51}),
            ("CPU per HTTPS check", {"over_https": over_https(0.91)}),
            ("slots that were not run", {"missed_slots": 1}),
            ("lag, p99", {"lag_p99_s": 30.1}),
            ("CPU per check, most", {"sizes": [size(1000, 100.0), size(10**6, 110.1)]}),
            ("CPU per check, most", {"sizes": [size(1000, 100.0), size(10**6, 89.9)]}),
            ("Redis a website", {"redis_bytes_per_series": 601.0}),
            ("worker memory", {"worker_memory": {"start_rss": [0], "end_rss": [401 * MIB]}}),
            ("import over", {"import_s": 240.1}),
            ("full sync", {"sync_s": 90.1}),
            ("GET /monitor?", {"api": {"page": KIND | {"p99_ms": 100.1}, "series": KIND}}),
            ("GET /monitor/{id}", {"api": {"page": KIND, "series": KIND | {"p99_ms": 150.1}}}),
            ("10000 fail", {"burst": outcome()["burst"] | {"notifications_s": 30.1}}),
        ],
    )
    def test_each_promise_is_broken_by_its_own_figure_alone(self, beginning, change):
        found = outcome(**change)

        assert only(found, beginning).passed is False
        failed = [line for line in judge.lines(found) if line.passed is False]
        assert len(failed) == 1

    def test_between_the_two_figures_it_passes_without_the_aim(self):
        line = only(outcome(sync_s=31.0), "full sync")
        assert (line.passed, line.aim_met) == (True, False)

    def test_fast_failures_are_no_latency(self):
        bad = KIND | {"bad": 1, "last_error": "503"}
        line = only(outcome(api={"page": bad, "series": KIND}), "GET /monitor?")
        assert line.passed is None
        assert "1 of 600 failed: 503" in line.note

    @pytest.mark.parametrize(("marginal", "error"), [(0.0, 1), (-3.0, 1), (145.0, 15)])
    def test_a_cost_lost_in_the_noise_is_not_judged(self, marginal, error):
        found = outcome(sizes=[size(1000, marginal), size(10**6, 145.0, error)])
        assert only(found, "CPU per check, most").passed is None

    def test_one_size_alone_is_not_compared(self):
        assert only(outcome(sizes=[size(10**6, 145.0)]), "CPU per check, most").passed is None

    def test_the_table_says_it_in_words(self):
        rows = judge.table(
            [Line("a", 3.0, 2, 1, "s"), Line("b", 0.5, 1, 0.5), Line("c", None, 1, note="why")]
        )
        assert rows[1].split() == ["a", "3", "s", "2", "1", "FAIL"]
        assert rows[2].split() == ["b", "0.50", "1", "0.50", "PASS,", "aim", "met"]
        assert rows[3].split() == ["c", "-", "1", "-", "(why)"]


class TestFlat:
    def spent(self, sites, idle_us, at_work_us, checks=120):
        """Two minutes, told as CPU us a second."""

        def told(minutes):
            return [{"central": us, TARGET: 1e6} for us in minutes]

        return flat.Spent(sites, 30, told(idle_us), told(at_work_us), checks, 120.0, [1.0, 2.0])

    def test_a_check_costs_what_is_used_beyond_idling(self):
        # given 20 ms of CPU a second idle and 20.2 with one check a second
        (found,) = flat.sizes([self.spent(1000, [20e3, 20e3], [20.2e3, 20.2e3])])
        # then the websites' own time is no part of it
        assert found["marginal_us_per_check"] == 200.0
        assert found["us_per_check"] == 20_200.0
        assert found["marginal_us_by_process"] == {"central": 200.0}
        assert (found["checks_per_s"], found["lag_p99_s"]) == (1.0, 2.0)

    def test_what_slowed_all_down_at_the_same_moment_is_no_error(self):
        # given a minute in which everything took twice as long
        few = self.spent(1000, [20e3, 20e3], [21e3, 42e3])
        many = self.spent(10**6, [20e3, 20e3], [21e3, 42e3])
        # then
        assert [s["error_us"] for s in flat.sizes([few, many])] == [0.0, 0.0]

    def test_what_scatters_on_one_side_alone_is_its_error(self):
        few = self.spent(1000, [20e3, 20e3], [21e3, 21e3])
        many = self.spent(10**6, [20e3, 20e3], [21e3, 23e3])
        assert [s["error_us"] for s in flat.sizes([few, many])] == [0.0, 1000.0]


class TestPicture:
    def drawn(self, *sizes, full=(190, 4.0)):
        keys = ("sites", "marginal_us_per_check", "checks_per_s", "lag_p99_s")
        found = {
            "sites": 10**6, "checks_per_s": 5556.0, "marginal_us_per_check": full[0],
            "lag_p99_s": full[1], "sizes": [dict(zip(keys, s, strict=True)) for s in sizes],
        }  # fmt: skip
        text = picture.draw(found, "a <test> & more")
        return text, ET.fromstring(text)

    def test_it_is_an_svg_with_a_point_for_every_figure(self):
        _, root = self.drawn((1000, 200, 33.3, 1.0), (10**6, 180, 33.3, 3.0))
        name = "{http://www.w3.org/2000/svg}"
        assert len(root.findall(f"{name}polyline")) == 4
        assert len(root.findall(f"{name}circle")) == 6
        words = {text.text for text in root.findall(f"{name}text")}
        assert {"1k", "10k", "100k", "1M", "200", "180", "190", "3.0", "a <test> & more"} <= words
        assert {"33 checks/s", "5,556 checks/s"} <= words

    def test_what_is_beyond_the_axis_is_told_at_its_edge(self):
        text, root = self.drawn((1000, 90_000, 33.3, 1.0), (10**6, 180, 33.3, 4.0))
        assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 5
        assert "90,000 ↑" in text

    def test_an_unknown_figure_leaves_its_point_out(self):
        _, root = self.drawn((1000, 200, 33.3, float("nan")), (10**6, 180, 33.3, 4.0))
        assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 5

    def test_without_fewer_websites_there_are_the_points_of_all(self):
        _, root = self.drawn()
        assert len(root.findall("{http://www.w3.org/2000/svg}circle")) == 2

    def test_axes_end_at_round_numbers(self):
        assert picture.ceiling([262.5, 310]) == 400
        assert picture.ceiling([31.5]) == 40
        assert picture.ceiling([1000.0]) == 1000
        assert picture.ceiling([]) == 1


@pytest.fixture
def influxd(tmp_path, monkeypatch):
    (tmp_path / "influxd").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))


class TestOptions:
    @pytest.mark.usefixtures("influxd")
    def test_a_million_by_default_with_three_cycles_of_three_minutes(self):
        found = options.read({})
        assert (found.sites, found.interval_s, found.cycles, found.processes) == (10**6, 180, 3, 2)
        assert found.flat == (1000, 10_000, 100_000)
        assert found.large().flaky == found.failing == 10_000
        assert found.over_api

    @pytest.mark.usefixtures("influxd")
    def test_a_trial_leaves_out_what_is_not_smaller_than_itself(self):
        found = options.read({"SITES": "10000", "FAILING": "90000", "SEEDED": "90000"})
        assert found.flat == (1000,)
        assert found.failing == found.seeded == 10_000
        assert options.read({"FLAT": "0"}).flat == ()

    @pytest.mark.usefixtures("influxd")
    def test_side_by_side_all_have_as_many_checks_a_second(self):
        found = options.read({})
        each = [found.side_by_side(sites) for sites in found.compared]
        assert [o.sites for o in each] == [1000, 10_000, 100_000, 10**6]
        assert {o.series / o.interval_s for o in each} == {1000 / 30}

    @pytest.mark.parametrize("fewest", [100, 400, 1000, 2000, 4000])
    def test_side_by_side_all_have_the_same_batches(self, fewest):
        size, minute = options.alike(fewest), Arc(0, POSITIONS // 5, 0)
        turn = batches_of_arc(Arc(0, POSITIONS, 0), 30, fewest, size)
        by_chance = int(2 * (2 * fewest) ** 0.5)
        for more in (2 * fewest - by_chance, 2 * fewest, 2 * fewest + by_chance):
            found = batches_of_arc(minute, 300, more, size)
            assert len(found) == 2 * len(turn)
            # then at the same seconds
            turns = [b.slot_ms + begin_ms for begin_ms in (0, 30_000) for b in turn]
            assert [b.slot_ms for b in found] == pytest.approx(turns, abs=2)

    @pytest.mark.usefixtures("influxd")
    @pytest.mark.parametrize(
        "given",
        [{"SITES": "999"}, {"CYCLES": "0"}, {"FLAT": "1k"}, {"FLAT": "300"},
         {"FLAT_MINUTES": "1"}, {"FLAT_MINUTES": "21"}, {"IMPORT": "ftp"},
         {"STORE": "postgres"}, {"API_S": "1"}],
    )  # fmt: skip
    def test_what_cannot_be_measured_is_refused(self, given):
        with pytest.raises(ValueError, match=next(iter(given))):
            options.read(given)

    @pytest.mark.usefixtures("influxd")
    def test_the_plan_tells_the_time_of_every_step(self):
        plan = options.read({"CYCLES": "2", "INTERVAL": "60"}).plan()
        assert ("2 cycles", 120) in plan
        assert all(seconds > 0 for _, seconds in plan)


class TestImporting:
    @pytest.mark.parametrize("sites", [1, 2, 999, 20_000, 100_000, 1_000_001])
    def test_every_website_is_in_one_upload_and_two_can_go_at_once(self, sites):
        parts = importing.parts(sites)
        assert [n for part in parts for n in part] == list(range(sites))
        assert len(parts) >= min(sites, 2)
        assert max(map(len, parts)) <= 50_000

    def test_a_line_is_a_website_as_the_api_takes_it(self):
        line = importing.line(7, "http://127.1.2.3:80/site/7", 180)
        assert line.endswith("}\n")
        assert json.loads(line) == {
            "url": "http://127.1.2.3:80/site/7",
            "name": "site 7",
            "check_frequency": 180,
            "external_id": "7",
        }


def times_s(lines):
    return [int(line.split()[-1]) for line in lines]


def test_hours_and_their_histograms_end_with_the_last_whole_hour():
    asked = [UUID(int=1)], "region-1", 180, 3600 * 1000 + 59
    hours, histograms = list(history.hours(*asked)), list(history.histograms(*asked))

    assert times_s(hours) == times_s(histograms) == [3600 * h for h in range(1000 - 720, 1000)]
    assert b"checks=20i,up=20i,measured=20i,expected=20i,mean_ms=" in hours[0]
    assert b'histogram="' in histograms[0]


def test_days_end_with_yesterday():
    lines = list(history.days([UUID(int=1)], "region-1", 180, now_s=86_400 * 1000 + 59))

    assert times_s(lines) == [86_400 * day for day in range(600, 1000)]
    assert b"checks=480i,up=480i,measured=480i,expected=480i,total_ms=" in lines[0]


def test_a_slow_report_fails_its_line():
    reports = dict.fromkeys(under_load.REPORTS, KIND) | {"sla_365": KIND | {"p99_ms": 151.0}}

    assert only(outcome(reports=reports), "GET /websites/{id}/sla, 365").passed is False
    assert only(outcome(reports=reports), "GET /websites/{id}/sla, 30").passed is True
