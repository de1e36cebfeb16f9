"""/healthz and /readyz: for load balancers and supervisors, without a key."""

from __future__ import annotations

from litestar import HttpMethod, Router, route
from litestar.openapi.datastructures import ResponseSpec
from msgspec.structs import replace

from monitor.api.auth import PUBLIC
from monitor.api.dependencies import Deps
from monitor.api.openapi.document import every_ones
from monitor.api.problems import MEDIA_TYPE, Problem, RequestError, problem_of
from monitor.api.schemas import health as schemas
from monitor.services.workers import readiness

_ASKED_WITH = (HttpMethod.GET, HttpMethod.HEAD)
"""Probes of load balancers may ask without wanting a body."""


@route("/healthz", http_method=_ASKED_WITH, status_code=200, opt=PUBLIC, responses=every_ones())
async def healthz() -> schemas.Health:
    """The process lives."""
    return schemas.Health("ok")


@route(
    "/readyz",
    http_method=_ASKED_WITH,
    status_code=200,
    opt=PUBLIC,
    responses=every_ones()
    | {
        503: ResponseSpec(
            Problem,
            generate_examples=False,
            description="`checks` says which of postgres, redis and ticks do not answer.",
            media_type=MEDIA_TYPE,
        )
    },
)
async def readyz(deps: Deps) -> schemas.Readiness:
    """Whether Postgres, Redis and the tick store answer."""
    ready = await readiness.check(deps.reading, deps.redis, deps.tick_store)
    checks = {name: "ok" if answers else "unavailable" for name, answers in ready.items()}
    if all(ready.values()):
        return schemas.Readiness("ok", checks)
    missing = ", ".join(name for name, answers in ready.items() if not answers)
    problem = problem_of(503, "not_ready", f"These do not answer: {missing}.")
    raise RequestError(replace(problem, checks=checks))


router = Router("/", route_handlers=[healthz, readyz], tags=["health"])
