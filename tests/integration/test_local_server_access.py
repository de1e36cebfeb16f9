"""Who reaches the embedded PostgreSQL: whoever runs it and root, and nothing is opened for it."""

import os
import shutil
import signal
import stat
import subprocess

import psycopg
import pytest

from monitor.domain.errors import MonitorError
from monitor.local import server_programs
from monitor.local.directory import DataDirectory
from monitor.local.postgres import EmbeddedPostgres
from monitor.local.server_user import NOBODY
from support.places import server_directory

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="another user's processes need root")


@pytest.fixture
def place():
    with server_directory("monitor-access-") as made:
        yield made


@pytest.fixture
def server(place):
    started = EmbeddedPostgres(place / "data")
    yield started
    started.stop()


def _modes(folder):
    return {path: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.parents)}


def _psql_as_nobody(server):
    """What a process of that user reaches, if it gets as far as the socket."""
    server.sockets.chmod(0o777)
    return subprocess.run(
        [server_programs.reachable(server.directory) / "psql", server.url(), "-Atc", "SELECT 42"],
        user=NOBODY, group=NOBODY, extra_groups=[], cwd="/", capture_output=True, text=True,
        env={}, check=False,
    )  # fmt: skip


@as_root
def test_a_process_of_the_servers_user_is_not_let_in(server):
    # given
    server.start()
    # when
    refused = _psql_as_nobody(server)
    # then
    assert refused.returncode != 0
    assert "Peer authentication failed" in refused.stderr


@as_root
def test_a_database_that_trusted_everyone_is_closed_and_goes_on_working(server):
    # given: as versions before made it
    server.start()
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS x")
    server.stop()
    (server.directory / "pg_hba.conf").write_text("local all all trust\n")
    # when
    server.start()
    # then
    with psycopg.connect(server.url()) as connection:
        assert connection.execute("SELECT x FROM kept").fetchone() == (42,)
    assert _psql_as_nobody(server).returncode != 0


@as_root
def test_a_closed_folder_stays_closed_and_a_place_that_works_is_named(place):
    # given
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    before = _modes(closed)
    server = EmbeddedPostgres(closed / "within" / "data")
    # when
    with pytest.raises(MonitorError, match=rf"{closed} is closed .* MONITOR_DATA_DIR=/\w+"):
        server.start()
    # then
    assert _modes(closed) == before
    assert list(closed.iterdir()) == []


@as_root
def test_folders_made_for_the_data_can_be_passed_through_and_nothing_else_changes(place):
    # given
    before = _modes(place)
    # when
    with DataDirectory(place / "new" / "data").lock():
        server = EmbeddedPostgres(place / "new" / "data" / "postgres")
        server.start()
        server.stop()
    # then
    assert _modes(place) == before
    for folder in (place / "new", place / "new" / "data"):
        assert (folder.owner(), stat.S_IMODE(folder.stat().st_mode)) == ("root", 0o711)
    assert stat.S_IMODE(server.directory.stat().st_mode) == 0o700


@as_root
def test_programs_that_cannot_be_reached_are_copied_once(place, server, monkeypatch):
    # given: a virtual environment in root's own folder
    wheel = server_programs.installed()
    closed = place / "roots"
    closed.mkdir(mode=0o700)
    for name in (wheel.name, f"{wheel.name}.libs"):
        shutil.copytree(wheel.with_name(name), closed / name, symlinks=True)
    monkeypatch.setattr(server_programs, "installed", lambda: closed / wheel.name)
    # when
    server.start()
    psycopg.connect(server.url()).close()
    made = server_programs.reachable(server.directory)
    # then
    assert made.is_relative_to(place / "data-programs")
    assert (made / "postgres").owner() == "root"
    assert len(list((place / "data-programs").iterdir())) == 1


def test_a_lock_file_whose_number_is_another_processs_by_now_holds_nobody_up(server):
    # given: a server that was killed, whose number goes to a process of the same user
    server.start()
    os.kill(server.child.pid, signal.SIGKILL)
    server.stop()
    lock = server.directory / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"], user=server.user) as other:
        lines = lock.read_text().splitlines(keepends=True)
        lock.write_text("".join([f"{other.pid}\n", *lines[1:]]))
        try:
            with pytest.raises(MonitorError, match="did not start"):
                server.start()
            # when
            server.discard_lock_file()
            # then
            server.start()
            psycopg.connect(server.url()).close()
        finally:
            other.kill()
