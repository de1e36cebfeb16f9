"""A process's own /metrics: a small HTTP server on a thread that never keeps the process alive.

Each process of `dramatiq --processes N` has a port of its own and so is a target of its own to
Prometheus: nothing is shared between them, and a process that dies takes all it had with it.
"""

from __future__ import annotations

import errno
import io
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from monitor.runtime.logging import get_logger

log = get_logger(__name__)

PORTS = 64
_SILENT_FOR_S = 10
_TEXT = [("Content-Type", "text/plain; charset=utf-8")]

WsgiApp = Callable[..., Any]


class MetricsServer:
    """Serves a registry on the first free port of ``PORTS`` from ``port`` on."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self._registry = registry
        self._host = host
        self._port = port
        self._server: ThreadingWSGIServer | None = None

    def start(self) -> None:
        """Begin to serve. If no port is free, log that: the process works without metrics."""
        try:
            self._server = self._bind()
        except OSError as error:
            log.error("metrics.not_served", host=self._host, port=self._port, error=str(error))  # noqa: TRY400 - its trace says no more
            return
        serving = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        serving.start()
        log.info("metrics.served", host=self._host, port=self._server.server_port)

    def stop(self) -> None:
        """Release the port."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _bind(self) -> ThreadingWSGIServer:
        for port in range(self._port, self._port + PORTS):
            try:
                return _server(self._registry, self._host, port)
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
        last = self._port + PORTS - 1
        raise OSError(errno.EADDRINUSE, f"all ports from {self._port} to {last} are taken")


def _server(registry: CollectorRegistry, host: str, port: int) -> ThreadingWSGIServer:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    of_family = type("_Server", (_Server,), {"address_family": family})
    app = _only_metrics(make_wsgi_app(registry))
    return make_server(host, port, app, server_class=of_family, handler_class=_Handler)


def _only_metrics(app: WsgiApp) -> WsgiApp:
    """The same application on /metrics, and 404 everywhere else: it would answer on any path."""

    def routed(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", _TEXT)
            return [b"There is only /metrics here.\n"]
        try:
            return app(environ, start_response)
        except Exception as error:
            log.exception("metrics.request_failed", error=type(error).__name__)
            start_response("500 Internal Server Error", _TEXT)
            return [b"The metrics could not be collected; the log says why.\n"]

    return routed


class _Server(ThreadingWSGIServer):
    block_on_close = False

    def server_bind(self) -> None:
        """Without looking up the host's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment] # a str by its socket's family
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the library's signature
        error = sys.exception()
        log.info("metrics.request_failed", error=type(error).__name__)


class _Handler(WSGIRequestHandler):
    timeout = _SILENT_FOR_S

    def handle(self) -> None:
        """Handle one request. A client that stays silent is no news."""
        with suppress(TimeoutError):
            super().handle()

    def get_stderr(self) -> Any:
        """Nowhere: the library writes tracebacks there for clients that go away."""
        return io.StringIO()

    def address_string(self) -> str:
        """Without looking up the caller's name."""
        return str(self.client_address[0])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's signature
        """Scrapes are not news."""
