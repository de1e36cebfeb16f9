"""What is judged of the machine: shared memory, open files, space on disk."""

import errno
import resource
from pathlib import Path

import pytest

from monitor.domain.errors import MonitorError
from monitor.services.doctor import disk, open_files, shared_memory
from monitor.services.doctor.finding import State, must_not_fail

MIB = 2**20


@pytest.mark.parametrize(
    ("error", "state", "words"),
    [
        (None, State.OK, ""),
        (PermissionError(errno.EACCES, "Permission denied"), State.FAILED, "mode 1777"),
        (OSError(errno.EROFS, "Read-only file system"), State.FAILED, "mode 1777"),
        (OSError(errno.ENOSPC, "No space left on device"), State.FAILED, "--shm-size"),
        (ImportError("This platform lacks semaphores"), State.FAILED, "mode 1777"),
    ],
)
def test_shared_memory(error, state, words):
    # when
    found = shared_memory.judge(error)
    # then
    assert found.state is state
    assert words in found.what_to_do


@pytest.mark.parametrize(
    ("limit", "state", "words"),
    [
        (resource.RLIM_INFINITY, State.OK, ""),
        (2200, State.OK, ""),
        (2199, State.WARNING, "lower MONITOR_CONCURRENCY to 1,999"),
        (256, State.WARNING, "lower MONITOR_CONCURRENCY to 56"),
        (255, State.FAILED, "ulimit"),
    ],
)
def test_open_files(limit, state, words):
    # when
    found = open_files.judge(limit, 2000)
    # then
    assert found.state is state
    assert words in found.what_to_do


@pytest.mark.parametrize(
    ("free", "state"),
    [
        (1024 * MIB, State.OK),
        (1024 * MIB - 1, State.WARNING),
        (64 * MIB, State.WARNING),
        (64 * MIB - 1, State.FAILED),
        (0, State.FAILED),
    ],
)
def test_disk(free, state):
    # when
    found = disk.judge(Path("/data"), free)
    # then
    assert found.state is state
    assert ("MONITOR_DATA_DIR" in found.what_to_do) == (state is not State.OK)


def test_this_machine_can_be_looked_at(tmp_path):
    # then: also a directory that does not exist yet
    assert "GiB" in disk.look(tmp_path / "not" / "yet").what
    assert open_files.look(1).name == "open files"
    assert shared_memory.look().state is State.OK


def test_what_is_wrong_is_raised_with_what_to_do_and_a_warning_is_not():
    # when
    with pytest.raises(MonitorError) as caught:
        must_not_fail(disk.judge(Path("/data"), 0))
    # then
    assert str(caught.value) == (
        "The disk of /data is full (0 MiB are free): make room there, or set MONITOR_DATA_DIR to "
        "a directory on another disk."
    )
    must_not_fail(disk.judge(Path("/data"), 100 * MIB))
