"""The examples of the README and the guides give the answers that stand below them."""

import json
import re
import sys
from pathlib import Path

import pytest

from support.documents import ROOT, examples, page, run
from support.ports import free_port
from support.stack import RunningStack, wait_until
from support.targets import targets_in_thread

MONITOR = Path(sys.executable).with_name("monitor")

OUR_NAMES = re.compile(r"^(A|KEY|ID|DEMO)=.*$", re.MULTILINE)
"""What an example gives names to, and what is another thing for each reader."""

VOLATILE = (
    ("id", re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")),
    ("time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")),
    ("key", re.compile(r"mon_[0-9a-f]{32}_[\w-]{43}")),
    ("site", re.compile(r"http://127\.0\.0\.1:\d+/")),
)
MEASURED = {
    *("checks", "duration_s", "response_ms", "mean", "p95", "max"),
    *("dns", "connect", "tls", "wait", "transfer"),
}
BY_CHANCE = {"began_at", "out_of_turn"}
"""A check of a busy machine begins late."""


def shape(value, name=""):
    """A JSON value without what is another for each reader."""
    if name in BY_CHANCE:
        return f"<{name}>"
    if isinstance(value, dict):
        return {field: shape(v, field) for field, v in value.items()}
    if isinstance(value, list):
        return [shape(item, name) for item in value]
    if isinstance(value, str):
        return next((f"<{word}>" for word, p in VOLATILE if p.fullmatch(value)), value)
    return f"<{name}>" if name in MEASURED and value is not None else value


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """What `make up DEMO=1` runs, once its site has failed and recovered."""
    folder = tmp_path_factory.mktemp("examples")
    command = [sys.executable, "-P", MONITOR, "up", "--demo"]
    with RunningStack(command, folder / "data", free_port(), cwd=folder) as found:
        found.ready()
        found.wait_for(r"mail +Up again: demo", 120)
        yield found


@pytest.fixture(scope="module")
def shop():
    with targets_in_thread() as target:
        yield target.url


class Reader:
    """Somebody who pastes examples, with a website and names of their own."""

    def __init__(self, stack, shop, directory):
        self.stack, self.shop, self.directory = stack, shop, directory

    def ids(self):
        return {w["name"]: w["id"] for w in self.stack.request("GET", "/websites")[1]["items"]}

    def paste(self, code):
        ids = self.ids()
        names = {"A": self.stack.url, "KEY": self.stack.key, "DEMO": ids["demo"]}
        names["ID"] = ids.get("shop", "")
        path = {"MONITOR_DATA_DIR": str(self.stack.data_dir)}
        adapted = OUR_NAMES.sub("", code).replace("http://127.0.0.1:8080/", self.shop)
        return run(adapted.replace(".venv/bin/", ""), self.directory, **names, **path)

    def regions(self):
        return [r["name"] for r in self.stack.request("GET", "/regions")[1]["items"]]

    def leave(self):
        """Remove what was made; what `make up` brings stays."""
        for name in set(self.regions()) - {"local"}:
            self.stack.request("DELETE", f"/regions/{name}?force=true")
        ids = self.ids()
        for name in ids.keys() - {"demo"}:
            self.stack.request("DELETE", f"/websites/{ids[name]}")

    def wait_until_measured(self):
        """Once there is the shop, one check of it is to be had of every reading call."""
        if "shop" in (ids := self.ids()):
            path = f"/monitor/{ids['shop']}?days=1"
            wait_until(lambda: self.stack.request("GET", path)[1]["series"][0]["points"])

    def check(self, text):
        """Paste every example with an answer below it; returns how many there were."""
        blocks, judged = examples(text), 0
        for (language, code), (below, answer) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
            if language == "sh" and "curl" in code:
                printed = self.paste(code)
                if below == "json":
                    judged += 1
                    assert shape(json.loads(printed)) == shape(json.loads(answer)), code
                self.wait_until_measured()
        return judged


@pytest.fixture
def reader(stack, shop, tmp_path):
    """With the files that the examples send. No website but the demo's is there before."""
    (tmp_path / "websites.ndjson").write_text(
        "".join(json.dumps({"url": f"{s}.example/"}) + "\n" for s in _SENT)
    )
    (tmp_path / "websites.csv").write_text("url,name\nhttps://c.example/,c\n")
    mine = Reader(stack, shop, tmp_path)
    yield mine
    mine.leave()


_SENT = ("https://a", "https://b", "ftp://c")


def test_the_guide_to_the_api(reader):
    assert reader.check(page("guides/api.md")) == 9


def test_the_guide_to_many_websites(reader):
    assert reader.check(page("guides/many-websites.md")) == 3


def test_the_guide_to_regions(reader):
    made, removed = [c for _, c in examples(page("guides/regions.md")) if "curl" in c]
    reader.paste(made)
    assert reader.regions() == ["europe", "local"]
    reader.paste(removed)
    assert reader.regions() == ["local"]


def test_the_command_line_of_the_guide_to_many_websites(reader):
    reader.stack.request("POST", "/regions", {"name": "europe"})
    code = next(code for _, code in examples(page("guides/many-websites.md")) if "import" in code)
    printed = reader.paste(code)
    assert "Dry run, nothing was changed: 1 created" in printed
    assert "Imported: 1 created, 0 updated, 0 unchanged, 0 failed, in " in printed
    assert "Exported 2 websites to europe.csv" in printed  # both are checked from all regions
    assert "https://c.example/" in (reader.directory / "europe.csv").read_text()


def test_the_readme(reader):
    text = (ROOT / "README.md").read_text()
    imported = next(code for _, code in examples(text) if "monitor import" in code)
    assert "Imported: 1 created, 0 updated, 0 unchanged, 0 failed, in " in reader.paste(imported)
    assert reader.check(text) == 3
