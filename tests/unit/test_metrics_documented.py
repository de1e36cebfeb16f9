"""docs/metrics.md has every metric with its type and labels, and the rules name no other."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from monitor.runtime.settings import TABLE

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def exported():
    """{name: (type, labels)} of every metric of ours."""
    environment = dict(os.environ) | {s.name: "" for s in TABLE}
    environment |= {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "INFLUXDB_URL": "http://127.0.0.1:1",
        "MONITOR_REGION": "europe",
    }
    done = subprocess.run(
        [sys.executable, ROOT / "tests/support/exported_metrics.py"],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = json.loads(done.stdout)
    return {name: (kind, tuple(labels)) for name, (kind, labels) in found.items()}


def test_the_tables_have_each_with_its_type_and_labels(exported):
    rows = re.findall(
        r"^\| `(monitor_\w+)` \| (\w+) \|([^|]*)\| \S.* \|$",
        (ROOT / "docs/metrics.md").read_text(),
        re.MULTILINE,
    )
    documented = {
        name: (kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    assert len(rows) == len(documented)
    assert documented == exported


def test_the_rules_are_yaml_and_name_only_metrics_that_there_are(exported):
    rules = yaml.safe_load((ROOT / "deploy/prometheus-alerts.yaml").read_text())
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    recorded = {rule["record"] for rule in found if "record" in rule}
    known = (
        exported.keys()
        | recorded
        | {
            f"{name}_{part}"
            for name, (kind, _) in exported.items()
            if kind == "histogram"
            for part in ("bucket", "count", "sum")
        }
    )
    for rule in found:
        named = set(re.findall(r"\bmonitor[_:][\w:]+", rule["expr"]))
        assert named <= known, rule
        assert named or "up{" in rule["expr"]
        if "alert" in rule:
            assert rule["labels"]["severity"] in {"critical", "warning"}
            assert rule["annotations"]["summary"]
    names = [rule.get("alert") or rule["record"] for rule in found]
    assert len(names) == len(set(names))
    assert "monitor:region_workers_wanted" in (ROOT / "docs/metrics.md").read_text()
