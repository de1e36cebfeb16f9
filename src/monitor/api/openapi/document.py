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
from monitor.api.problems import MEDIA_TYPE, Problem, RequestError, problem_of, title_of
from monitor.domain.errors import FieldProblem
from monitor.resources.website import draft, shown

DESCRIPTION = """
Checks websites from several regions and reports which are up, which are down, and what was not
measured.

**Keys.** Send `Authorization: Bearer mon_...`. A key with the role `read` may GET; `write` may also
change websites; `admin` may also change regions, keys and users. Without a valid key the response
is 401; if the key's role does not suffice, it is 403.

**Errors** are problem details (RFC 9457, `application/problem+json`) with a stable `code`. 400: the
request cannot be read (malformed JSON, an invalid query parameter or cursor). 422: the JSON is
well-formed, but some fields are invalid. `errors` lists all invalid fields or parameters and what
each must be. A failed request changes nothing.

**Rate limits.** If requests per key are limited, every response has the headers `RateLimit-Policy`
and `RateLimit` (requests left, seconds until the full quota is available). Requests over the limit,
and requests from an address that has sent too many wrong keys, get 429 with `Retry-After`.

**Lists** are paginated: send `next_cursor` back as `cursor`, with the same filters, until it is
null.

**Times** are RFC 3339 in UTC; durations are in seconds, response times in milliseconds.
"""

SCHEME = "bearer"
NO_KEY: list[SecurityRequirement] = [{}]
"""The security requirement of a public route."""

LOCATION = ResponseHeader(
    name="Location",
    value="",
    description="The path of the created object.",
    documentation_only=True,
    required=True,
)
"""A header of responses to POST."""

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
    408: problem_of(408, "body_stalled", "No data of the body arrived for 60 s."),
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
        431, "headers_too_large", "A request may have up to 100 headers of 16384 bytes in all."
    ),
    503: problem_of(503, "unavailable", "postgres is unavailable; try again soon."),
}


@dataclass
class NewWebsiteOperation(Operation):
    """POST /websites, with examples of its body."""

    def __post_init__(self) -> None:
        assert isinstance(self.request_body, RequestBody)
        self.request_body.content["application/json"].examples = dict(_NEW_WEBSITE)


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems of a route that needs a key: these, and those common to all such routes.

    A route that can respond with 413 reads a body, so it can time out with 408.
    """
    common = {*statuses, 401, 403, 429, 503} | ({408} if 413 in statuses else set())
    return public_problems(*common)


def public_problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The problems of a public route: these, and those common to all routes."""
    return {status: _problem(status) for status in sorted({*statuses, 414, 431})}


def _problem(status: int) -> ResponseSpec:
    return ResponseSpec(
        Problem,
        generate_examples=False,
        description=title_of(status),
        media_type=MEDIA_TYPE,
        examples=[Example(summary=_EXAMPLES[status].code, value=_EXAMPLES[status])],
    )


async def _replace_not_found_page(response: Response[Any]) -> Response[Any]:
    """Respond to unknown paths below /schema with a problem instead of Litestar's page."""
    if response.status_code == HTTPStatus.NOT_FOUND:
        raise RequestError.of(404, "not_found", "Nothing matches the given URI.")
    return response


def config(page: SchemaPage) -> OpenAPIConfig:
    """The document as JSON and YAML, and a page at /schema that shows it.

    The page loads its script from a public CDN; the document itself is self-contained.
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
                    description="An API key, `mon_...`, with the role that the route requires or a "
                    "higher one: `read`, `write`, `admin`.",
                )
            }
        ),
        tags=[
            Tag("websites", "The monitored websites and how they are checked."),
            Tag("regions", "The places that checks run from."),
            Tag("keys", "API keys and the audit log."),
            Tag("users", "People who sign in."),
            Tag("monitor", "Results: latest statuses, time series and downtimes."),
            Tag("health", "Health of this process and its dependencies, and metrics."),
        ],
        openapi_router=Router(
            "/schema",
            route_handlers=[],
            include_in_schema=False,
            opt=PUBLIC,
            after_request=_replace_not_found_page,
        ),
        render_plugins=[
            page,
            JsonRenderPlugin(),
            YamlRenderPlugin(path=["/openapi.yml", "/openapi.yaml"]),
        ],
    )


def name_roles(app: Litestar) -> None:
    """Add the required role of every route to the document.

    For a scheme other than OAuth2, the names in a security requirement are roles (OpenAPI 3.1,
    "Security Requirement Object"). They are read from where the guard reads them, so document and
    guard cannot differ.
    """
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                role = needed_role(handler)
                handler.security = NO_KEY if role is None else [{SCHEME: [role.value]}]
