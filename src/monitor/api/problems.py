"""Errors as problem details (RFC 9457), mapped by one table."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from monitor.api.parameters import allowed, query_name
from monitor.domain.errors import (
    BadQuery,
    BodyStalled,
    Busy,
    Conflict,
    Contended,
    FieldProblem,
    InvalidInput,
    MonitorError,
    NoRoom,
    NotFound,
    OutcomeUnknown,
    SecretsUnreadable,
    Unavailable,
)
from monitor.domain.outcome import printable
from monitor.resources.bulk_change import NotConfirmed
from monitor.resources.bulk_import import KeyReused
from monitor.runtime.disk import fullness
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457, section 3.1). ``code`` is stable; ``detail`` is for people.

    ``type`` is always about:blank, so ``title`` is the meaning of the status (section 4.2.1).
    ``code`` and the following are extension members (section 3.2). ``errors``: the invalid fields
    or query parameters. ``checks`` (/readyz only): the state of each dependency. ``matched``
    (``count_not_confirmed`` only): how many websites the bulk change would affect. ``instance``
    (``internal_error`` only): the id of the error in the log.
    """

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldProblem] | UnsetType = UNSET
    checks: dict[str, str] | UnsetType = UNSET
    matched: int | UnsetType = UNSET
    instance: str | UnsetType = UNSET


class RequestError(MonitorError):
    """An error that carries its problem; raised by the API layer itself."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}

    @classmethod
    def of(
        cls, status: int, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> RequestError:
        """An error with a status, a stable code and a sentence for people."""
        return cls(problem_of(status, code, detail), headers)


TABLE: tuple[tuple[type[MonitorError], int, str], ...] = (
    (BadQuery, 400, "invalid_query"),
    (InvalidInput, 422, "invalid_fields"),
    (NotFound, 404, ""),
    (Conflict, 409, ""),
    (KeyReused, 422, "idempotency_key_reused"),
    (BodyStalled, 408, "body_stalled"),
    (Contended, 503, "contended"),
    (SecretsUnreadable, 503, "secrets_unreadable"),
    (Busy, 503, "busy"),
)
"""Status and code of each error; the first match counts. "" if the error has its own code."""

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}
"""Codes for the errors that Litestar raises."""


def response(problem: Problem, headers: dict[str, str] | None = None) -> Response[Problem]:
    """A problem as a response."""
    return Response(
        problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers or {}
    )


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The response to any exception. Unexpected ones are logged and their details are hidden."""
    if isinstance(error, Unavailable):
        directories = request.app.state.get("directories", {})
        error = unavailable(error, request.method, directories)
    if isinstance(error, RequestError):
        return response(error.problem, error.headers)
    if isinstance(error, ValidationException):
        return response(_bad_parameters(request, error))
    if _is_disconnect(error):
        log.info("api.client_disconnected", route=request.scope.get("path_template"))
        return response(problem_of(400, "bad_request", "The body ended before it was complete."))
    if isinstance(error, HTTPException) and error.status_code in _CODES:
        status = error.status_code
        return response(problem_of(status, _CODES[status], _meaning(status)), error.headers)
    row = next(((status, code) for kind, status, code in TABLE if isinstance(error, kind)), None)
    if row is not None and isinstance(error, MonitorError):
        return _from_table(error, *row)
    return response(unforeseen(error, request.scope.get("path_template")))


def unavailable(
    error: Unavailable, method: str, directories: Mapping[str, Path] | None = None
) -> RequestError:
    """Log that a store is unavailable, and return what to respond.

    Where nothing is asked to be changed, it does not matter whether a commit was carried out.
    """
    log.warning("api.unavailable", dependency=error.dependency, error=str(error))
    if isinstance(error, OutcomeUnknown) and is_safe(method):
        error = Unavailable(error.dependency, str(error))
    if isinstance(error, OutcomeUnknown):
        return RequestError.of(503, "outcome_unknown", error.advice)
    detail = advice_of(error, directories or {})
    return RequestError.of(503, "unavailable", detail, retry_headers())


def advice_of(error: Unavailable, directories: Mapping[str, Path]) -> str:
    """What to tell a caller, with how full the disk is where that is known.

    ``directories``: where stores on this machine keep their data.
    """
    directory = directories.get(error.dependency)
    filled = fullness(directory) if isinstance(error, NoRoom) and directory else None
    return f"{error.advice} There, {filled}." if filled else error.advice


def retry_headers() -> dict[str, str]:
    """When to try again (RFC 9110, section 10.2.3)."""
    return {"Retry-After": str(RETRY_AFTER_S)}


def is_safe(method: str) -> bool:
    """Whether requests of this method change nothing (RFC 9110, section 9.2.1)."""
    return method in {"GET", "HEAD", "OPTIONS"}


def unforeseen(error: Exception, route: str | None) -> Problem:
    """Log an unexpected error in full and return a problem that names only its id."""
    error_id = uuid4()
    log.error("api.internal_error", error_id=str(error_id), route=route, exc_info=error)
    detail = f"An internal error occurred; it was logged as {error_id}."
    problem = problem_of(500, "internal_error", detail)
    return replace(problem, instance=f"urn:uuid:{error_id}")


def _is_disconnect(error: Exception) -> bool:
    """Whether the client disconnected while its body was read; only the message says so."""
    return isinstance(error, InternalServerException) and "disconnected" in error.detail


_RENAMED = {
    413: "Request Entity Too Large",
    414: "Request-URI Too Long",
    422: "Unprocessable Entity",
}
"""Python 3.13 has the phrases of RFC 9110 here; a title does not change (RFC 9457, 3.1.3)."""


def title_of(status: int) -> str:
    """The title of a status, the same on every version of Python."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase


def problem_of(
    status: int, code: str, detail: str, errors: list[FieldProblem] | UnsetType = UNSET
) -> Problem:
    """A problem with the title of its status."""
    return Problem(title=title_of(status), status=status, detail=detail, code=code, errors=errors)


def _from_table(error: MonitorError, status: int, code: str) -> Response[Problem]:
    headers: dict[str, str] = {}
    errors: list[FieldProblem] | UnsetType = UNSET
    detail = str(error)
    if isinstance(error, InvalidInput):
        errors = error.problems
    elif isinstance(error, Conflict) and error.field is not None:
        errors = [FieldProblem(error.field, str(error))]
    elif isinstance(error, SecretsUnreadable):
        log.error("api.secrets_unreadable")
    elif isinstance(error, (Busy, Contended)):
        headers = retry_headers()
    code = code or str(getattr(error, "code"))  # noqa: B009 - as the table says
    problem = problem_of(status, code, detail, errors)
    if isinstance(error, NotConfirmed):
        problem = replace(problem, matched=error.matched)
    return response(problem, headers)


def _bad_parameters(request: Request[Any, Any, Any], error: ValidationException) -> Problem:
    """The problem for parameters that Litestar refused: which, and what is allowed."""
    parameters = request.route_handler.parsed_fn_signature.parameters
    refused = error.extra if isinstance(error.extra, list) else []
    named = [parameters[key] for one in refused if (key := one.get("key")) in parameters]
    errors = [FieldProblem(query_name(one), allowed(one)) for one in named]
    detail = str(BadQuery(errors)) if errors else printable(error.detail)
    return problem_of(400, "invalid_query", detail, errors)


def _meaning(status: int) -> str:
    return f"{HTTPStatus(status).description or title_of(status)}."
