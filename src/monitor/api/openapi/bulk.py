"""OpenAPI descriptions of streamed bodies, which Litestar cannot derive."""

from __future__ import annotations

from dataclasses import dataclass

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    Operation,
    Reference,
    RequestBody,
    Schema,
)
from litestar.openapi.spec.enums import OpenAPIType

from monitor.api.schemas import bulk
from monitor.api.schemas.sla import SlaPage
from monitor.api.schemas.website import ExportedWebsite

NDJSON = "application/x-ndjson"
CSV = "text/csv"

_LINES = '{"url": "https://example.com/", "external_id": "1"}\n{"url": "https://example.org/"}\n'

OUTCOMES = ResponseSpec(
    bulk.LineOutcome,
    generate_examples=False,
    description="One JSON object per line.",
    media_type=NDJSON,
)
WEBSITES = ResponseSpec(
    ExportedWebsite,
    generate_examples=False,
    description="One JSON object per line, or CSV with a header row.",
    media_type=NDJSON,
)
SLA = ResponseSpec(
    SlaPage,
    generate_examples=False,
    description="A page as JSON, or all of it as CSV with a header row.",
)


@dataclass
class ImportOperation(Operation):
    """POST /websites/bulk, whose body is streamed."""

    def __post_init__(self) -> None:
        line = Reference(ref="#/components/schemas/NewWebsite")
        self.request_body = RequestBody(
            content={
                NDJSON: OpenAPIMediaType(
                    schema=line, examples={"lines": Example("Two websites", value=_LINES)}
                )
            },
            description="One JSON object per line, as for POST /websites, optionally with an `id`.",
            required=True,
        )


@dataclass
class ExportOperation(Operation):
    """GET /websites/export and GET /sla, which respond in one of two formats, one of them CSV."""

    def __post_init__(self) -> None:
        assert self.responses is not None
        success = self.responses["200"]
        assert isinstance(success, OpenAPIResponse)
        assert success.content is not None
        success.content[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
