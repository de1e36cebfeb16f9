"""/metrics: metrics of the installation and this process, for Prometheus."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from prometheus_client import CollectorRegistry

from monitor.api.auth import READ
from monitor.api.deadline import OWN_TIME_OUTS
from monitor.api.metrics.installation import InstallationMetrics
from monitor.api.openapi.document import problems
from monitor.metrics import prometheus
from monitor.services.workers.installation import InstallationReader

# Litestar adds the charset.
_MEDIA_TYPE = prometheus.CONTENT_TYPE.removesuffix("; charset=utf-8")


@get("/metrics", opt=READ | OWN_TIME_OUTS, media_type=_MEDIA_TYPE, responses=problems(400))
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Get metrics in Prometheus text format 0.0.4. Prometheus sends the key as its credentials.

    `monitor_region_*`, `monitor_queue_*` and similar metrics describe the installation and are the
    same from every API process; `monitor_http_*` and `process_*` describe the process that
    responds. The installation is read at most every 5 s.
    """
    installation: InstallationReader = request.app.state.installation
    registry = CollectorRegistry()
    registry.register(InstallationMetrics(await installation.read()))
    own: CollectorRegistry = request.app.state.metrics
    body = prometheus.text(registry) + prometheus.text(own)
    return Response(body, media_type=_MEDIA_TYPE)


router = Router("/", route_handlers=[metrics], tags=["health"])
