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
from monitor.domain.errors import NoRoom
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
            description="`checks` says which of postgres, redis and ticks do not respond.",
            media_type=MEDIA_TYPE,
        )
    },
)
async def readyz(deps: Deps) -> schemas.Readiness:
    """Report whether Postgres, Redis and the tick store respond.

    Where e-mails do not leave, `checks` says `"mail": "failing"` beside an answer of 200: the API
    works, and so do checks.
    """
    problems = await readiness.check(deps.reading, deps.redis, deps.tick_store)
    checks = {
        name: "ok" if problem is None else "unavailable" for name, problem in problems.items()
    }
    missing = {name: problem for name, problem in problems.items() if problem is not None}
    if not missing:
        mail = {"mail": "failing"} if await readiness.mail_fails(deps.reading) else {}
        return schemas.Readiness("ok", checks | mail)
    full = {advice_of(p, deps.directories) for p in missing.values() if isinstance(p, NoRoom)}
    detail = f"These dependencies are unavailable: {', '.join(missing)}."
    problem = problem_of(503, "not_ready", " ".join([detail, *sorted(full)]))
    raise RequestError(replace(problem, checks=checks))


router = Router("/", route_handlers=[healthz, readyz], tags=["health"])
