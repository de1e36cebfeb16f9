"""/healthz and /readyz: public, for load balancers and supervisors."""

from __future__ import annotations

from litestar import HttpMethod, Router, route
from litestar.openapi.datastructures import ResponseSpec
from msgspec.structs import replace

from monitor.api.auth import PUBLIC
from monitor.api.deadline import OWN_TIME_OUTS
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import public_problems
from monitor.api.problems import MEDIA_TYPE, Problem, RequestError, advice_of, problem_of
from monitor.api.schemas import health as schemas
from monitor.domain.errors import Misconfigured, NoRoom, Unavailable
from monitor.services.workers import readiness

_METHODS = (HttpMethod.GET, HttpMethod.HEAD)
"""Some load balancers probe with HEAD."""


@route("/healthz", http_method=_METHODS, status_code=200, opt=PUBLIC, responses=public_problems())
async def healthz() -> schemas.Health:
    """Report that the process responds."""
    return schemas.Health("ok")


@route(
    "/readyz",
    http_method=_METHODS,
    status_code=200,
    opt=PUBLIC | OWN_TIME_OUTS,
    responses=public_problems()
    | {
        503: ResponseSpec(
            Problem,
            generate_examples=False,
            description="`checks` says which of postgres, redis and ticks cannot be used.",
            media_type=MEDIA_TYPE,
        )
    },
)
async def readyz(deps: Deps) -> schemas.Readiness:
    """Report whether Postgres, Redis and the tick store respond, and may be used as needed.

    Each bucket of the tick store is read and written once a minute. What is wrong with a setting is
    said in `detail`, and its dependency is "misconfigured" in `checks`.

    Where e-mails do not leave, `checks` says `"mail": "failing"` beside an answer of 200: the API
    works, and so do checks.
    """
    answers = await readiness.check(deps.reading, deps.redis, deps.tick_store, deps.tick_watch)
    checks = {name: _state(problem) for name, problem in answers.problems.items()}
    missing = {name: p for name, p in answers.problems.items() if p is not None}
    if not missing:
        mail = {"mail": "failing"} if await readiness.mail_fails(deps.reading) else {}
        return schemas.Readiness("ok", checks | mail, list(answers.remarks))
    mendable = [p for p in missing.values() if isinstance(p, (NoRoom, Misconfigured))]
    advice = sorted({advice_of(p, deps.directories) for p in mendable})
    detail = f"These dependencies are unavailable: {', '.join(missing)}."
    problem = problem_of(503, "not_ready", " ".join([detail, *advice]))
    raise RequestError(replace(problem, checks=checks))


def _state(problem: Unavailable | None) -> str:
    if problem is None:
        return "ok"
    return "misconfigured" if isinstance(problem, Misconfigured) else "unavailable"


router = Router("/", route_handlers=[healthz, readyz], tags=["health"])
