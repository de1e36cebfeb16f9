"""The OpenAPI document, served at /schema."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar import Litestar, Response, Router
from litestar.datastructures import ResponseHeader
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    Operation,
    RequestBody,
    SecurityRequirement,
    SecurityScheme,
    Tag,
)
from litestar.routes import HTTPRoute

from monitor import __version__
from monitor.api.auth import PUBLIC, needed_role
from monitor.api.openapi.page import SchemaPage
from monitor.api.problems import MEDIA_TYPE, Problem, RequestError, problem_of
from monitor.domain.errors import FieldProblem
from monitor.resources.website import draft, shown

DESCRIPTION = """
Watches websites from several regions, says what is down, and says what it did not measure.

**Keys.** Send `Authorization: Bearer mon_...`. A key of the role `read` may GET, `write` may also
change websites, `admin` may also change regions and keys. Without a valid key the answer is 401,
with one of too low a role 403.

**Errors** are problem details (RFC 9457, `application/problem+json`) with a stable `code`. 400: the
request cannot be read (broken JSON, a bad query parameter or cursor). 422: the JSON is fine, but
fields of it are not; `errors` names each one. Nothing is changed by a request that fails.

**Limits.** Where the requests of a key are limited, every answer to it has `RateLimit-Policy` and
`RateLimit` (requests left, seconds until all are back); beyond that, and after too many wrong keys
from one address, the answer is 429 with `Retry-After`.

**Lists** come in pages: send `next_cursor` back as `cursor`, with the same filters, until it is
null.

**Times** are RFC 3339 in UTC; durations are in seconds, response times in milliseconds.
"""

SCHEME = "bearer"
NO_KEY: list[SecurityRequirement] = [{}]
"""The security of a route that needs no key."""

LOCATION = ResponseHeader(
    name="Location", value="", description="Its path.", documentation_only=True, required=True
)
"""The header of an answer to a POST."""

_NEW_WEBSITE = {
    "smallest": Example(summary="A URL is enough", value={"url": "https://example.com/"}),
    "every option": Example(
        summary="Every option",
        value=shown(draft({"url": "https://example.com/health"}))
        | {
            "name": "Example, health",
            "regions": ["europe"],
            "check_frequency": 60,
            "request_timeout": 10,
            "http_method": "POST",
            "request_headers": {"Accept": "application/json"},
            "request_body": "{}",
            "expected_status_codes": [204, "300-399"],
            "alert_emails": ["ops@example.com"],
            "external_id": "shop-1",
        },
    ),
}

_EXAMPLES: dict[int, Problem] = {
    400: problem_of(
        400, "invalid_json", "The body is not JSON in UTF-8: Input data was truncated."
    ),
    401: problem_of(401, "unauthenticated", "This API key is not valid."),
    403: problem_of(403, "forbidden", "This needs an API key of the role write; yours is read."),
    404: problem_of(404, "website_not_found", "There is no website with this id."),
    408: problem_of(408, "body_stalled", "Nothing of the body came for 60 s."),
    409: problem_of(
        409,
        "external_id_taken",
        "Another website has this external_id.",
        [FieldProblem("external_id", "Another website has this external_id.")],
    ),
    413: problem_of(413, "body_too_large", "Entity is too large."),
    414: problem_of(414, "query_too_long", "The query string is longer than 4096 bytes."),
    415: problem_of(415, "unsupported_media_type", "Send the body as `application/json`."),
    422: problem_of(
        422,
        "invalid_fields",
        "check_frequency: must be a whole number from 30 to 86400",
        [FieldProblem("check_frequency", "must be a whole number from 30 to 86400")],
    ),
    429: problem_of(
        429, "too_many_requests", "This API key may make 6000 requests a minute; wait a little."
    ),
    431: problem_of(
        431, "headers_too_large", "At most 100 headers and 16384 bytes of them are read."
    ),
    503: problem_of(503, "unavailable", "postgres does not answer at the moment; try again soon."),
}


@dataclass
class NewWebsiteOperation(Operation):
    """POST /websites, with examples of its body."""

    def __post_init__(self) -> None:
        assert isinstance(self.request_body, RequestBody)
        self.request_body.content["application/json"].examples = dict(_NEW_WEBSITE)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems a route may answer with, those of every route with a key among them.

    One that reads a whole body refuses what is too large, and what does not come in time.
    """
    every = {*statuses, 401, 403, 429, 503} | ({408} if 413 in statuses else set())
    return every_ones(*every)


def every_ones(*statuses: int) -> dict[int, ResponseSpec]:
    """These, and the problems that any request may meet."""
    return {status: _problem(status) for status in sorted({*statuses, 414, 431})}


def _problem(status: int) -> ResponseSpec:
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=HTTPStatus(status).phrase,
        media_type=MEDIA_TYPE,
        examples=[Example(summary=_EXAMPLES[status].code, value=_EXAMPLES[status])],
    )


async def _no_pages_of_its_own(response: Response[Any]) -> Response[Any]:
    """The framework answers unknown paths below /schema with a page; this API with a problem."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise RequestError.of(404, "not_found", "Nothing matches the given URI.")
    return response


def config(page: SchemaPage) -> OpenAPIConfig:
    """The document as JSON and YAML, and a page at /schema that draws it.

    The page loads its script from a public server; the document itself needs nobody.
    """
    return OpenAPIConfig(
        title="monitor",
        version=__version__,
        description=DESCRIPTION,
        use_handler_docstrings=True,
        components=Components(
            security_schemes={
                SCHEME: SecurityScheme(
                    type="http",
                    scheme="bearer",
                    description="An API key, `mon_...`, of the role that the route names or one "
                    "above it: `read`, `write`, `admin`.",
                )
            }
        ),
        tags=[
            Tag("websites", "What is watched, and how."),
            Tag("regions", "Places that checks run from."),
            Tag("keys", "Who may ask, and who changed what."),
            Tag("monitor", "What was measured: latest statuses, series, downtimes."),
            Tag("health", "Whether this process is there, and what it stands on."),
        ],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            opt=PUBLIC,
            after_request=_no_pages_of_its_own,
        ),
        render_plugins=[
            page,
            JsonRenderPlugin(),
            YamlRenderPlugin(path=["/openapi.yml", "/openapi.yaml"]),
        ],
    )


def name_roles(app: Litestar) -> None:
    """Have the document say for every route which role its key needs.

    As OpenAPI 3.1 has it ("Security Requirement Object"): the names beside a scheme that is not
    OAuth2 are roles. They come from what the guard reads, so the two cannot differ.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                role = needed_role(handler)
                handler.security = NO_KEY if role is None else [{SCHEME: [role.value]}]
