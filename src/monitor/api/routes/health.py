"""/healthz and /readyz: public, for load balancers and supervisors."""

from __future__ import annotations

from litestar import HttpMethod, Router, route
from litestar.openapi.datastructures import ResponseSpec
from msgspec.structs import replace

from monitor.api.auth import PUBLIC
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import public_problems
from monitor.api.problems import MEDIA_TYPE, Problem, RequestError, problem_of
from monitor.api.schemas import health as schemas
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
    opt=PUBLIC,
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
    ready = await readiness.check(deps.reading, deps.redis, deps.tick_store)
    checks = {name: "ok" if responds else "unavailable" for name, responds in ready.items()}
    if all(ready.values()):
        mail = {"mail": "failing"} if await readiness.mail_fails(deps.reading) else {}
        return schemas.Readiness("ok", checks | mail)
    missing = ", ".join(name for name, responds in ready.items() if not responds)
    problem = problem_of(503, "not_ready", f"These dependencies are unavailable: {missing}.")
    raise RequestError(replace(problem, checks=checks))


router = Router("/", route_handlers=[healthz, readyz], tags=["health"])
