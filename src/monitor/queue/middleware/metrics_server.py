"""A process's own /metrics: a small HTTP server on a thread that never keeps the process alive.

Each process of `dramatiq --processes N` has a port of its own, and so each is a target of its
own to Prometheus: nothing is shared between them, and what dies with a process is all it had.
"""

from __future__ import annotations

import errno
import socket
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

from dramatiq.middleware import Middleware
from prometheus_client import CollectorRegistry

from monitor.metrics import prometheus as exposition
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

PORTS = 64
_SILENT_FOR_S = 10


class MetricsServer:
    """Serves a registry on the first free port of ``PORTS`` from ``port`` on."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._server: _Server | None = None

    def start(self) -> None:
        """Begin to serve. Where no port is free that is logged: work goes on without metrics."""
        try:
            self._server = self._bind()
        except OSError as error:
            log.error("metrics.not_served", host=self._host, port=self._port, error=str(error))  # noqa: TRY400 - its trace says no more
            return
        serving = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        serving.start()
        log.info("metrics.served", host=self._host, port=self._server.server_address[1])

    def stop(self) -> None:
        """Give the port back."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _bind(self) -> _Server:
        for port in range(self._port, self._port + PORTS):
            try:
                return _server(self._registry, self._host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        last = self._port + PORTS - 1
        raise OSError(errno.EADDRINUSE, f"all ports from {self._port} to {last} are taken")


class MetricsMiddleware(Middleware):
    """Serves while the worker works."""

    def __init__(self, server: MetricsServer) -> None:
        self._server = server

    def after_worker_boot(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._server.start()

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:  # noqa: ARG002 - Dramatiq's signature
        self._server.stop()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True  # what the last process left in TIME_WAIT is no obstacle
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the signature of the library
        error = sys.exception()
        log.info("metrics.request_failed", error=type(error).__name__)


def _server(registry: CollectorRegistry, host: str, port: int) -> _Server:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    server = type("_Server", (_Server,), {"address_family": family})
    handler = type("_Handler", (_Handler,), {"registry": registry})
    made: _Server = server((host, port), handler)
    return made


class _Handler(BaseHTTPRequestHandler):
    timeout = _SILENT_FOR_S
    registry: CollectorRegistry

    def do_GET(self) -> None:
        if urlsplit(self.path).path != "/metrics":
            self.send_error(404)
            return
        body = exposition.text(self.registry)
        self.send_response(200)
        self.send_header("Content-Type", exposition.CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
        """Scrapes are not news."""
