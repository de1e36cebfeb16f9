"""What the benchmarks write down: for machines by fixed keys, and as a table."""

import json
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))  # the benchmark is no part of the product

from bench import report
from bench.compare import Other
from bench.figures import Batch, Window
from bench.measure import Measured
from bench.million import judge, options, outcome, under_load
from bench.million import run as million
from bench.million.burst import Burst
from bench.million.cycles import Cycle, Cycles
from bench.options import Options
from bench.proc import Memory
from bench.stack import MAIL, NAMES, TARGET
from bench.watch import Idle

_WORKER = "worker.region-1"
_MIB = 2**20


@pytest.fixture
def run():
    """Two regions check 100 websites twice a minute."""
    window = Window(first_slot_s=940, from_s=1000, until_s=1060, interval_s=30)
    batches = [
        Batch(at_s=slot_s + lag_s, slot_s=slot_s, websites=100, not_measured=1, down=2)
        for slot_s, lag_s in ((1000, 0.5), (1010, 1.0), (1030, 1.5), (1040, 3.0))
    ]
    cpu_us = {TARGET: 40.0, _WORKER: 150.0, "redis": 20.0, "influxd": 30.0}
    measured = Measured(
        window=window,
        batches=[*batches, Batch(at_s=990.0, slot_s=970, websites=100, not_measured=9, down=9)],
        checks=400,
        idle=Idle({TARGET: 0.0, _WORKER: 1000.0, "redis": 500.0, "influxd": 0.0}, 10.0),
        cpu_us=cpu_us | {NAMES: 0.0, MAIL: 0.0},
        memory=dict.fromkeys([*cpu_us, NAMES, MAIL], Memory(rss=120 * _MIB, pss=90 * _MIB)),
        missed=3,
        busy_cores=0.5,
        other_cores=0.01,
        stolen_cores=0.0,
        down_series=2,
        sync_s=1.25,
        redis_bytes=44_000,
        redis_keys={"monitor:state": 8000, "monitor:ring": 9000},
        website_bytes=25_000,
    )
    checked = Options(100, ("region-1", "region-2"), 30, "influx", chain="ec", processes=1)
    others = {"bare_aiohttp": Other(400.0, 10.0, 0.0), "wrk": None, "blackbox": Other(1000, 1, 0)}
    return report.Run(checked, measured, others, ticks=800, tick_bytes={"values": 160_000})


def test_the_figures_are_where_others_look_for_them(run, tmp_path):
    # when
    report.write(report.result(run), tmp_path / "results" / "latest.json")
    # then
    found = json.loads((tmp_path / "results" / "latest.json").read_text(encoding="utf-8"))
    expected = {
        "sites": 100, "regions": 2, "store": "influx", "https": True, "chain": "ec",
        "dns": False, "mixed": False, "down_series": 2, "failing_series": 0,
        "checks_per_s": 6.7, "missed_slots": 3, "due_slots": 400,
        "cpu_us_per_check": {_WORKER: 150.0, "redis": 20.0, "influxd": 30.0, "total": 200.0},
        "target_us_per_check": 40.0,
        "ratio_blackbox": 0.2, "ratio_floor": None, "ratio_bare_aiohttp": 0.5,
        "lag_p50_s": 1.0, "lag_p99_s": 3.0, "lag_max_s": 3.0, "down": 8, "not_measured": 4,
        "bytes_per_tick": {"values": 200.0}, "redis_bytes_per_website": 440.0,
        "postgres_bytes_per_website": 250.0,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected
    assert found["memory_bytes"][_WORKER] == {"rss": 120 * _MIB, "pss": 90 * _MIB}


def test_the_table_says_the_same_and_what_was_left_out(run):
    table = report.table(report.result(run), "100 websites").splitlines()
    rows = {line.partition("  ")[0]: line.split() for line in table if "  " in line}
    assert rows["total"][1:] == ["200.0", "1500"]
    assert rows["worker.region-1"][1:] == ["150.0", "1000", "120", "90"]
    assert rows["nginx (the websites, apart)"][-3:] == ["40.0", "120", "90"]
    assert rows["blackbox exporter"][-3:] == ["0.20", "times", "that"]
    assert rows["wrk, the floor"][-4:] == ["not", "installed,", "left", "out"]
    assert rows["slots"][1:] == ["3", "of", "400", "missed"]


def test_programs_that_asked_by_address_are_marked_where_our_checks_looked_names_up(run):
    by_name = replace(run, options=replace(run.options, dns=True))
    table = report.table(report.result(by_name), "")
    assert "0.20 times that, asked by address" in table
    assert "their names (apart)" in table


@pytest.mark.parametrize("given", ["0", "1"])
def test_a_million_has_https_beside_it_where_it_is_wanted(run, monkeypatch, given):
    # given a run of the million in which nothing is started, and no slot is missed
    run = replace(run, measured=replace(run.measured, missed=0))
    monkeypatch.setattr("shutil.which", lambda _: "influxd")
    wanted = options.read({"FLAT": "0", "HTTPS": given})
    monkeypatch.setattr(million, "running_servers", lambda *_: nullcontext())
    monkeypatch.setattr(million, "_large", lambda *_: _of_a_million(wanted, run.measured))
    asked = []
    monkeypatch.setattr(million.whole, "run", lambda of: asked.append(of) or run)
    # when
    found = outcome.result(million.run(wanted))
    # then
    assert asked == ([wanted.over_tls()] if given == "1" else [])
    (line,) = [each for each in judge.lines(found) if "HTTPS" in each.what]
    assert line.passed is (True if given == "1" else None)
    assert line.value == (0.2 if given == "1" else None)
    assert found["cpu_us_per_check"]["total"] == 200.0
    json.dumps(found)


def _of_a_million(wanted, measured):
    """As little as can be told."""
    cycle = Cycle(400, measured.cpu_us, False, False, 0.5, 0.0, 0.0, 1.0, 7)
    kind = {"n": 1, "bad": 0, "p50_ms": 1.0, "p99_ms": 1.0, "max_ms": 1.0}
    return outcome.Run(
        wanted=wanted,
        compared=[],
        idle=measured.idle,
        imported=None,
        cycles=Cycles(measured.window, [cycle], 1.0, ([Memory(1, 1)], [Memory(2, 2)])),
        batches=measured.batches,
        api={"page": kind, "series": kind, "create": kind},
        reports=dict.fromkeys(under_load.REPORTS, kind),
        burst=Burst(10, 15.0, 1.0, 1.0, 2.0, 0.5, 0.9),
        memory=measured.memory,
        missed=0,
        redis_bytes=44_000,
        redis_keys={},
        tick_bytes={},
        blackbox=None,
        wrk=None,
    )
