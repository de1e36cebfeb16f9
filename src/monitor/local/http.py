"""Requests to the stack's own API: small JSON over loopback, never through a proxy."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

_TIMEOUT_S = 5.0
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not bound to


class Response(Struct, frozen=True):
    """An HTTP status (0 without a response) and the JSON body ({} where it is not an object)."""

    status: int
    body: Mapping[str, Any]


class LocalApi:
    """The API on this machine. Calls block: run them in a thread next to an event loop.

    ``host``: the address that the API listens on. If that is every address, loopback is used.
    """

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host = _LOOPBACK.get(host, host)
        self._port = port
        self._key = key

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Response:
        """Send one request. Never raises for errors of the server or the network."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json"}
        payload = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, payload, headers)
            response = connection.getresponse()
            return Response(response.status, _json(response.read()))
        except (OSError, http.client.HTTPException):
            return Response(0, {})
        finally:
            connection.close()


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
