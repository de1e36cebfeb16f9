"""Which names the system's hosts file has."""

import os

from monitor.probes.net.hosts_file import HostsFile


def test_every_name_of_a_line_counts_whatever_its_case(tmp_path):
    path = tmp_path / "hosts"
    path.write_text(
        "127.0.0.1 localhost Box\n\n# 10.0.0.1 gone\n::1\tsix.test # note.test\n10.0.0.9"
    )
    assert HostsFile(path).names() == {"localhost", "box", "six.test"}


def test_a_change_is_noticed(tmp_path):
    # given
    path = tmp_path / "hosts"
    path.write_text("10.0.0.1 a.test\n")
    hosts = HostsFile(path)
    assert hosts.names() == {"a.test"}
    # when
    path.write_text("10.0.0.1 b.test\n")
    os.utime(path, ns=(1, 1))
    # then
    assert hosts.names() == {"b.test"}


def test_without_a_file_there_are_no_names(tmp_path):
    assert HostsFile(tmp_path / "none").names() == set()
