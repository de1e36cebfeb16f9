"""Checks made before every route: size, parameter names and media type."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
from litestar import Request
from litestar.params import QueryParameter

from monitor.api.deadline import follow_route
from monitor.api.parameters import query_name
from monitor.api.problems import RequestError
from monitor.domain.errors import BadQuery, BodyStalled, FieldProblem
from monitor.domain.outcome import printable
from monitor.resources.encodings import CHARSETS, as_utf8

MAX_BODY_BYTES = 1024 * 1024
MAX_QUERY_BYTES = 4096
BODY_S = 30.0
"""How long reading a whole body may take. Streamed bodies have another limit."""

AnyRequest = Request[Any, Any, Any]


async def check_request(request: AnyRequest) -> None:
    """Refuse requests that no route accepts. Raises RequestError and BadQuery."""
    follow_route(request.route_handler.opt)
    _check_query(request)
    streamed = request.route_handler.opt.get("body")
    if streamed is not None:
        _check_media_type(request, streamed)
    if "data" in request.route_handler.parsed_fn_signature.parameters:
        _check_media_type(request, "application/json")
        if not await _whole_body(request):
            raise RequestError.of(400, "invalid_json", "The body is empty; send a JSON object.")


async def _whole_body(request: AnyRequest) -> bytes:
    try:
        async with asyncio.timeout(BODY_S):
            return await request.body()
    except TimeoutError:
        raise BodyStalled(f"The body did not arrive within {BODY_S:g} s.") from None


def _check_query(request: AnyRequest) -> None:
    if len(request.scope["query_string"]) > MAX_QUERY_BYTES:
        detail = f"The query string is longer than {MAX_QUERY_BYTES} bytes."
        raise RequestError.of(414, "query_too_long", detail)
    if request.route_handler.opt.get("public"):
        return
    parameters = request.route_handler.parsed_fn_signature.parameters
    names = {
        query_name(p) for p in parameters.values() if isinstance(p.kwarg_definition, QueryParameter)
    }
    counts = Counter(name for name, _ in request.query_params.multi_items())
    problems = [
        FieldProblem(
            printable(name),
            "is given twice" if name in names else "is not a parameter of this route",
        )
        for name, count in counts.items()
        if count > 1 or name not in names
    ]
    if problems:
        raise BadQuery(problems[:50])


def _check_media_type(request: AnyRequest, needed: str) -> None:
    media_type, options = request.content_type
    charset = options.get("charset", "utf-8").lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if media_type.lower() != needed or charset not in CHARSETS or encoding != "identity":
        detail = f"Send the body as `Content-Type: {needed}`, in UTF-8 or UTF-16, not compressed."
        raise RequestError.of(415, "unsupported_media_type", detail)


def decode_json(body: bytes) -> object:
    """Decode a JSON body (RFC 8259), also with a byte order mark or in UTF-16.

    Raises RequestError 400 if it is malformed.
    """
    try:
        return msgspec.json.decode(as_utf8(body))
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise RequestError.of(
            400, "invalid_json", f"The body is not JSON in UTF-8: {printable(reason)}."
        ) from error
