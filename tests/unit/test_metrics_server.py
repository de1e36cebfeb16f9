"""The server of a worker's /metrics, by itself."""

import socket
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.registry import Collector
from structlog.testing import capture_logs

from monitor.metrics import server as metrics_server
from monitor.metrics.prometheus import process_registry
from monitor.metrics.server import MetricsServer
from support.ports import free_ports


@pytest.fixture
def port():
    """The port of a server whose registry has one counter."""
    registry, first = process_registry(), free_ports(2)
    Counter("monitor_things", "Things.", registry=registry).inc()
    server = MetricsServer(registry, "127.0.0.1", first)
    server.start()
    yield first
    server.stop()


def _get(port, path="/metrics", **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.headers["Content-Type"], response.read().decode()


def test_it_speaks_the_text_format_and_openmetrics(port):
    # when
    plain_type, plain = _get(port)
    open_type, openmetrics = _get(port, Accept="application/openmetrics-text; version=1.0.0")
    # then
    assert plain_type == "text/plain; version=0.0.4; charset=utf-8"
    assert open_type.startswith("application/openmetrics-text; version=1.0.0")
    assert "monitor_things_total 1.0\n" in plain
    assert "monitor_things_total 1.0\n" in openmetrics
    assert openmetrics.endswith("# EOF\n")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/favicon.ico", "/etc/passwd"])
def test_there_is_nothing_but_metrics(port, path):
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        _get(port, path)
    caught.value.close()


def test_a_query_string_is_no_other_path(port):
    assert "monitor_things_total" in _get(port, "/metrics?x=1")[1]


def test_a_silent_caller_is_cut_off_and_holds_up_nobody(port, monkeypatch):
    # given
    assert metrics_server._Handler.timeout == 10
    monkeypatch.setattr(metrics_server._Handler, "timeout", 0.2)
    with closing(socket.create_connection(("127.0.0.1", port), timeout=10)) as silent:
        silent.sendall(b"GET /met")
        # then others are served meanwhile
        assert "monitor_things_total" in _get(port)[1]
        # and it is cut off
        assert silent.recv(1) == b""


def test_a_collector_that_fails_is_a_500_with_one_line_in_the_log(capfd):
    # given
    class Failing(Collector):
        def collect(self):
            raise ValueError("no numbers")

    registry, port = CollectorRegistry(auto_describe=False), free_ports(2)
    registry.register(Failing())
    server = MetricsServer(registry, "127.0.0.1", port)
    server.start()
    # when
    with capture_logs() as logs, pytest.raises(urllib.error.HTTPError, match="500") as caught:
        _get(port)
    caught.value.close()
    server.stop()
    # then
    assert [(e["event"], e["error"]) for e in logs] == [("metrics.request_failed", "ValueError")]
    assert "Traceback" not in capfd.readouterr().err


def test_the_next_free_port_is_taken(port):
    # given
    other = MetricsServer(CollectorRegistry(), "127.0.0.1", port)
    other.start()
    # then
    try:
        assert other._server.server_port > port
    finally:
        other.stop()
