"""How streams of lines stand in the OpenAPI document: the framework knows only whole bodies."""

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
from monitor.api.schemas.website import ExportedWebsite

NDJSON = "application/x-ndjson"
CSV = "text/csv"

_LINES = '{"url": "https://example.com/", "external_id": "1"}\n{"url": "https://example.org/"}\n'

OUTCOMES = ResponseSpec(
    bulk.LineOutcome,
    generate_examples=False,
    description="A JSON object a line.",
    media_type=NDJSON,
)
WEBSITES = ResponseSpec(
    ExportedWebsite,
    generate_examples=False,
    description="A JSON object a line, or a header and a row each.",
    media_type=NDJSON,
)


@dataclass
class ImportOperation(Operation):
    """POST /websites/bulk, whose body is read as it comes."""

    def __post_init__(self) -> None:
        line = Reference(ref="#/components/schemas/NewWebsite")
        self.request_body = RequestBody(
            content={
                NDJSON: OpenAPIMediaType(
                    schema=line, examples={"lines": Example("Two websites", value=_LINES)}
                )
            },
            description="A JSON object a line, as for POST /websites; an `id` may be in it.",
            required=True,
        )


@dataclass
class ExportOperation(Operation):
    """GET /websites/export, which answers in one of two forms."""

    def __post_init__(self) -> None:
        assert self.responses is not None
        answer = self.responses["200"]
        assert isinstance(answer, OpenAPIResponse)
        assert answer.content is not None
        answer.content[CSV] = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
