"""The documentation site: whole, current, readable, and it loads nothing from another host."""

import importlib.util
import re
import subprocess
import sys

import pytest
import yaml

from monitor.domain.outcome import NETWORK_REASONS, Reason
from monitor.runtime.settings import TABLE
from support.documents import DOCS, ROOT, page, section

MOST_WORDS_OF_THE_README = 600
WIDTH = 100
PAGES = sorted(p for p in DOCS.rglob("*.md") if p.parent.name != "adr")
DOCUMENTS = [ROOT / "README.md", ROOT / "deploy" / "README.md", *PAGES]


@pytest.fixture(scope="module")
def third_parties():
    spec = importlib.util.spec_from_file_location("third_parties", DOCS / "hooks/third_parties.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_short_and_says_how_to_run_and_to_test():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= MOST_WORDS_OF_THE_README
    for needed in ("make up", "make test", "make docs", "Apache-2.0"):
        assert needed in text


def test_generated_parts_of_pages_are_up_to_date():
    done = subprocess.run(
        [sys.executable, DOCS / "hooks/reference.py", "--check"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_of_reasons_has_each_once_with_what_to_do():
    text = page("reference/reasons.md")
    rows = re.findall(r"^\| `(\w+)`( \*N\*)? \| (\S.*?) \| (\S.*?) \|$", text, re.MULTILINE)
    assert sorted(name for name, *_ in rows) == sorted(reason.value for reason in Reason)
    assert {name for name, network, *_ in rows if network} == {r.value for r in NETWORK_REASONS}
    not_measured = section(text, "The website was not measured")
    assert set(re.findall(r"^\| `(\w+)`", not_measured, re.MULTILINE)) == {
        "internal_error", "region_offline", "secrets_unreadable", "region_busy",
        "unsupported_kind",
    }  # fmt: skip


def test_every_page_is_in_the_navigation():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert sorted(_pages_in(config["nav"])) == sorted(
        [str(p.relative_to(DOCS)) for p in PAGES] + ["adr/README.md"]
    )


def _pages_in(nav):
    for entry in nav:
        (value,) = entry.values()
        yield from [value] if isinstance(value, str) else _pages_in(value)


def test_the_theme_asks_no_third_party_for_fonts_and_needs_no_plugin_but_search():
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text())
    assert config["theme"]["font"] is False
    assert config["plugins"] == ["search"]
    assert {"hooks", "extra_javascript"} & config.keys() == set()
    assert [css for css in config["extra_css"] if "//" in css] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_lines_can_be_read_in_an_editor(path):
    """Tables and what programs print cannot be wrapped."""
    prose = re.sub(r"^ *```.*?^ *```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    lines = prose.splitlines()
    assert [n for n in lines if len(n) > WIDTH and not n.lstrip().startswith("|")] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(path):
    links = re.findall(r"\]\(([^)#\s]+)", path.read_text())
    local = [link for link in links if "://" not in link]
    coming = {"LICENSE", "CONTRIBUTING.md", "SECURITY.md"}
    assert [n for n in local if n not in coming and not (path.parent / n).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_targets_of_make_that_are_named_are_there(path):
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z][a-z0-9-]+)", path.read_text(), re.MULTILINE))
    assert named <= targets


RENAMED = {name for setting in TABLE for name in setting.declared.old_names}
"""They go on working."""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_settings_that_are_named_are_there(path):
    known = {s.name for s in TABLE} | {f"{s.name}_FILE" for s in TABLE if s.secret} | RENAMED
    named = set(re.findall(r"\b(?:MONITOR|SMTP)_[A-Z_]+\b", path.read_text()))
    assert named <= known


EVENT = re.compile(r"`([a-z_]+\.(?!py`|env`|conf`|yaml`)[a-z_]+)`")
"""How a log event is named in prose."""
COLUMN = "notifications.last_error"


@pytest.mark.parametrize(
    ("name", "least"), [("operations.md", 20), ("security.md", 1), ("guides/upgrade.md", 1)]
)
def test_log_events_that_operators_are_told_of_are_logged(name, least):
    named = set(EVENT.findall(page(name))) - {COLUMN}
    source = "\n".join(p.read_text() for p in (ROOT / "src").rglob("*.py"))
    assert len(named) >= least
    assert {event for event in named if f'"{event}"' not in source} == set()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://cdn.example/a.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//cdn.example/a.css">'),
        ("a.html", '<link rel="preconnect" href="https://fonts.example" crossorigin>'),
        ("a.html", '<img src="a.png" srcset="b.png 1x, https://img.example/c.png 2x">'),
        ("a.html", '<p style="background: url(https://img.example/a.png)">'),
        ("a.html", "<style>@import 'https://fonts.example/a.css';</style>"),
        ("a.html", '<iframe src="https://video.example/"></iframe>'),
        ("a.html", '<pre class="mermaid"><code>graph</code></pre>'),
        ("a.css", "@font-face { src: url('https://fonts.example/a.woff2') }"),
        ("a.svg", '<svg><image href="https://img.example/a.png"/></svg>'),
    ],
)
def test_what_a_page_would_load_from_another_host_is_found(third_parties, tmp_path, name, text):
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / name).write_text(text)
    assert len(list(third_parties.foreign(tmp_path))) == 1
    assert third_parties.main(tmp_path) == 1


def test_links_to_follow_and_what_is_here_are_no_third_parties(third_parties, tmp_path):
    (tmp_path / "index.html").write_text(
        '<link rel="canonical" href="https://docs.example/"><a href="https://a.example/">a</a>'
        '<script src="assets/a.js"></script><img src="data:image/png;base64,AAAA">'
        '<link rel="stylesheet" href="assets/a.css"><svg><use href="#a"/></svg>'
    )
    assert list(third_parties.foreign(tmp_path)) == []
    assert third_parties.main(tmp_path) == 0


def test_an_empty_folder_is_no_site(third_parties, tmp_path):
    assert third_parties.main(tmp_path) == 1
