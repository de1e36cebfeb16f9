"""Errors as the client sees them: RFC 9457 problem details, from one table."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from litestar import Request, Response
from litestar.exceptions import HTTPException, InternalServerException, ValidationException
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from monitor.domain.errors import (
    BadQuery,
    BodyStalled,
    Busy,
    Conflict,
    FieldProblem,
    InvalidInput,
    MonitorError,
    NotFound,
    SecretsUnreadable,
    Unavailable,
)
from monitor.domain.outcome import printable
from monitor.resources.bulk_change import NotConfirmed
from monitor.resources.bulk_import import KeyReused
from monitor.runtime.logging import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5


class Problem(Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457, section 3.1). ``code`` is stable, ``detail`` is for a person.

    ``type`` is always about:blank: ``title`` is the meaning of the status (section 4.2.1), and
    ``code`` and ``errors`` are extension members (section 3.2). ``errors`` names the fields or
    query parameters at fault. ``checks``, of /readyz alone, names the unavailable dependencies.
    ``matched``, of ``count_not_confirmed`` alone, is how many websites a bulk change would affect.
    ``instance``, of ``internal_error`` alone, is the id of the error in the log.
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
    """A problem found before any service is called, or instead of a response."""

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.headers = headers or {}

    @classmethod
    def of(
        cls, status: int, code: str, detail: str, headers: dict[str, str] | None = None
    ) -> RequestError:
        """One with a status, a stable code and a sentence for a person."""
        return cls(problem_of(status, code, detail), headers)


TABLE: tuple[tuple[type[MonitorError], int, str], ...] = (
    (BadQuery, 400, "invalid_query"),
    (InvalidInput, 422, "invalid_fields"),
    (NotFound, 404, ""),
    (Conflict, 409, ""),
    (KeyReused, 422, "idempotency_key_reused"),
    (BodyStalled, 408, "body_stalled"),
    (Unavailable, 503, "unavailable"),
    (SecretsUnreadable, 503, "secrets_unreadable"),
    (Busy, 503, "busy"),
)
"""Our errors, first match: status and code. The code is empty if the error has its own."""

_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
}
"""Codes for the statuses that the framework responds with by itself."""


def response(problem: Problem, headers: dict[str, str] | None = None) -> Response[Problem]:
    """A problem as a response."""
    return Response(
        problem, status_code=problem.status, media_type=MEDIA_TYPE, headers=headers or {}
    )


def to_response(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """The response to any exception. Unforeseen ones are logged, and their details not shown."""
    if isinstance(error, RequestError):
        return response(error.problem, error.headers)
    if isinstance(error, ValidationException):
        return response(_bad_parameters(error))
    if _is_disconnect(error):
        log.info("api.client_disconnected", route=request.scope.get("path_template"))
        return response(problem_of(400, "bad_request", "The body ended before it was whole."))
    if isinstance(error, HTTPException) and error.status_code in _CODES:
        status = error.status_code
        return response(problem_of(status, _CODES[status], _meaning(status)), error.headers)
    for kind, status, code in TABLE:
        if isinstance(error, kind):
            return _ours(error, status, code)
    return response(unforeseen(error, request.scope.get("path_template")))


def unforeseen(error: Exception, route: str | None) -> Problem:
    """The problem of an unforeseen error: logged in full, and referred to by the id in the log."""
    error_id = uuid4()
    log.error("api.internal_error", error_id=str(error_id), route=route, exc_info=error)
    detail = f"Something went wrong here. It has been logged as {error_id}."
    problem = problem_of(500, "internal_error", detail)
    return replace(problem, instance=f"urn:uuid:{error_id}")


def _is_disconnect(error: Exception) -> bool:
    """Whether the client disconnected before its body was read; only the message tells."""
    return isinstance(error, InternalServerException) and "disconnected" in error.detail


def problem_of(
    status: int, code: str, detail: str, errors: list[FieldProblem] | UnsetType = UNSET
) -> Problem:
    """A problem whose title is the phrase of its status."""
    title = HTTPStatus(status).phrase
    return Problem(title=title, status=status, detail=detail, code=code, errors=errors)


def _ours(error: MonitorError, status: int, code: str) -> Response[Problem]:
    headers: dict[str, str] = {}
    errors: list[FieldProblem] | UnsetType = UNSET
    detail = str(error)
    if isinstance(error, InvalidInput):
        errors = error.problems
    elif isinstance(error, Conflict) and error.field is not None:
        errors = [FieldProblem(error.field, str(error))]
    elif isinstance(error, Unavailable):
        log.warning("api.unavailable", dependency=error.dependency, error=str(error))
        detail = f"{error.dependency} does not answer at the moment; try again soon."
        headers["Retry-After"] = str(RETRY_AFTER_S)
    elif isinstance(error, SecretsUnreadable):
        log.error("api.secrets_unreadable")
    elif isinstance(error, Busy):
        headers["Retry-After"] = str(RETRY_AFTER_S)
    code = code or str(getattr(error, "code"))  # noqa: B009 - the table knows that it has one
    problem = problem_of(status, code, detail, errors)
    if isinstance(error, NotConfirmed):
        problem = replace(problem, matched=error.matched)
    return response(problem, headers)


def _bad_parameters(error: ValidationException) -> Problem:
    """Query parameters that the framework could not read."""
    details = error.extra if isinstance(error.extra, list) else []
    errors = [
        FieldProblem(str(e.get("key", "query")), printable(str(e.get("message", ""))))
        for e in details
    ]
    return problem_of(400, "invalid_query", "A query parameter cannot be read.", errors)


def _meaning(status: int) -> str:
    return f"{HTTPStatus(status).description or HTTPStatus(status).phrase}."
