"""One directory, one stack; what a killed stack left behind is outlived."""

import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from monitor.domain.errors import MonitorError
from monitor.local.directory import DataDirectory, write_private
from monitor.local.server_user import folder_mode


def child(*, holding, code):
    """A process that inherits a descriptor and says when it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"print(flush=True);{code}"],
        pass_fds=[holding],
        stdout=subprocess.PIPE,
    )
    process.stdout.readline()
    return process


@pytest.fixture
def directory(tmp_path):
    return DataDirectory(tmp_path / "a directory")


def test_the_directory_is_private(directory):
    # when
    with directory.lock():
        modes = [stat.S_IMODE(p.stat().st_mode) for p in (directory.path, directory.mail)]
    # then: as root PostgreSQL is another user, who passes through it and reads nothing
    assert modes == [folder_mode(), 0o700]
    assert folder_mode() == (0o711 if os.geteuid() == 0 else 0o700)


def test_a_second_stack_is_refused_with_the_pid_of_the_first(directory):
    # when
    with (
        directory.lock(),
        pytest.raises(MonitorError, match=rf"process {os.getpid()}\).*make down") as caught,
        DataDirectory(directory.path).lock(),
    ):
        pass
    # then
    assert "MONITOR_DATA_DIR" in str(caught.value)


def test_the_next_stack_waits_for_children_of_the_last(directory):
    # given: a child that outlives its stack until its standard input ends
    with directory.lock() as descriptor:
        left = child(holding=descriptor, code="import time; time.sleep(0.5)")
    # when
    with directory.lock():
        ended = left.poll()
    # then
    left.wait()
    left.stdout.close()
    assert ended is not None or left.returncode == 0


def test_children_that_do_not_end_are_killed(directory, monkeypatch):
    # given
    monkeypatch.setattr("monitor.local.directory._LEFTOVERS_END_WITHIN_S", 0.2)
    with directory.lock() as descriptor:
        stubborn = child(holding=descriptor, code="import time; time.sleep(600)")
    # when
    with directory.lock():
        # then
        assert stubborn.wait(5) == -signal.SIGKILL
    stubborn.stdout.close()


def test_stopping_signals_the_stack_and_waits_for_it(directory):
    # given
    code = (
        "import sys,signal,time,pathlib\n"
        "from monitor.local.directory import DataDirectory\n"
        "with DataDirectory(pathlib.Path(sys.argv[1])).lock():\n"
        "    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), sys.exit(7)))\n"
        "    print(flush=True); signal.pause()\n"
    )
    stack = subprocess.Popen(
        [sys.executable, "-c", code, str(directory.path)], stdout=subprocess.PIPE
    )
    stack.stdout.readline()
    # when
    pid = directory.stop_stack()
    # then
    assert (pid, stack.wait(5)) == (stack.pid, 7)
    assert directory.stop_stack() is None
    stack.stdout.close()


@pytest.mark.parametrize("text", ["garbage", "-1", "1", "12 34", "\xff"])
def test_a_lock_that_names_no_process_signals_none(directory, text):
    # given
    with directory.lock():
        (directory.path / "stack.lock").write_text(text, encoding="latin-1")
        # then
        for use in (DataDirectory(directory.path).stop_stack, _lock_again(directory.path)):
            with pytest.raises(MonitorError, match=r"does not say which process .* Ctrl-C"):
                use()


def _lock_again(path):
    return lambda: DataDirectory(path).lock().__enter__()


def test_a_stack_that_does_not_end_is_reported(directory):
    # given
    with directory.lock():
        previous = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        # then
        try:
            with pytest.raises(MonitorError, match="did not end"):
                DataDirectory(directory.path).stop_stack(within_s=0.2)
        finally:
            signal.signal(signal.SIGTERM, previous)


def test_a_directory_that_cannot_be_created_is_reported(tmp_path):
    # given
    (tmp_path / "file").write_text("")
    # then
    with (
        pytest.raises(MonitorError, match=r"cannot be used: .* MONITOR_DATA_DIR"),
        DataDirectory(tmp_path / "file" / "data").lock(),
    ):
        pass


def test_a_private_file_is_written_atomically(tmp_path):
    # given
    path = tmp_path / "key"
    write_private(path, "0" * 100_000)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            text = path.read_text()
            seen.add((len(text), len(set(text))))

    reader = threading.Thread(target=read)
    reader.start()
    # when
    for digit in range(1, 10):
        write_private(path, str(digit) * 100_000)
    done.set()
    reader.join()
    # then
    assert seen == {(100_000, 1)}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["key"]
