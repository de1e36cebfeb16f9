"""The OpenAPI document: every route, reference and problem; and it agrees with the checks."""

import json
from dataclasses import dataclass, field

import msgspec
import pytest

from monitor import __version__
from monitor.api.app import create_app
from monitor.api.schemas import key as schemas_keys
from monitor.api.schemas import region as schemas_regions
from monitor.api.schemas import website as schemas
from monitor.resources import key as key_fields
from monitor.resources import region as region_fields
from monitor.resources import website as website_fields
from monitor.services.access.rate_limits import RateLimits


@dataclass
class _Nothing:
    pool: None = None
    reading: None = None
    redis: None = None
    clock: None = None
    limits: RateLimits = field(default_factory=RateLimits)
    directories: dict = field(default_factory=dict)


@pytest.fixture(scope="module")
def app():
    return create_app(_Nothing())


@pytest.fixture(scope="module")
def document(app):
    return msgspec.to_builtins(app.openapi_schema.to_schema())


def _operations(document):
    return [(p, m, op) for p, item in document["paths"].items() for m, op in item.items()]


def test_every_route_and_method_appears(app, document):
    routes = {
        (route.path_format, method.lower())
        for route in app.routes
        for method in route.methods
        if method != "OPTIONS" and not route.path.startswith("/schema")
    }
    assert {(p, m) for p, m, _ in _operations(document)} == routes
    assert len(routes) >= 28


def test_every_operation_is_described_and_named_once(document):
    operations = [op for _, _, op in _operations(document)]
    assert document["openapi"].startswith("3.")
    assert len({op["operationId"] for op in operations}) == len(operations)
    assert all(op["description"] and op["tags"] for op in operations)
    assert {t for op in operations for t in op["tags"]} == {t["name"] for t in document["tags"]}


def test_every_reference_leads_somewhere(document):
    text = json.dumps(document)
    references = {part.split('"')[0] for part in text.split('"$ref": "#/components/schemas/')[1:]}
    assert references
    assert references == references & document["components"]["schemas"].keys()


def test_every_error_is_a_problem(document):
    for path, method, op in _operations(document):
        errors = {int(s) for s in op["responses"] if int(s) >= 400}
        for status in errors:
            content = op["responses"][str(status)]["content"]
            schema = content["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}, (path, method, status)
            assert len(content) == 1
        if op["security"] != [{}]:
            assert {400, 401, 403, 429, 503} <= errors, (path, method)
        if "requestBody" in op:
            streamed = "application/x-ndjson" in op["requestBody"]["content"]
            assert {415, 422} | (set() if streamed else {413}) <= errors
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.parametrize(
    ("described", "checks"),
    [
        (schemas.NewWebsite, website_fields._CHECKS["http"]),
        (schemas.WebsiteChange, website_fields._ANY_CHECKS),
        (schemas_regions.NewRegion, region_fields._CHECKS),
        (schemas_keys.NewKey, key_fields._NEW),
        (schemas_keys.Rotation, key_fields._ROTATION),
    ],
)
def test_what_is_described_is_what_is_checked(described, checks):
    assert set(described.__struct_fields__) == set(checks)


def test_the_described_defaults_are_the_defaults():
    # given a website of which only the URL was sent
    made = website_fields.draft(website_fields.new_website({"url": "http://a/"}))
    described = schemas.NewWebsite(url="http://a/")
    # when all described defaults are sent
    sent = website_fields.draft(website_fields.new_website(msgspec.to_builtins(described)))
    # then
    assert sent == made


def test_the_examples_are_accepted(document):
    post = document["paths"]["/websites"]["post"]
    for example in post["requestBody"]["content"]["application/json"]["examples"].values():
        assert website_fields.new_website(example["value"])
    assert post["responses"]["201"]["headers"]["Location"]["schema"] == {"type": "string"}


async def test_it_is_served_without_a_key_as_json_yaml_and_page(api):
    client = api.client(None)
    served = await client.get("/schema/openapi.json")
    assert served.json()["info"]["title"] == "monitor"
    assert served.json()["info"]["version"] == __version__
    yaml = await client.get("/schema/openapi.yml")
    assert "/websites/{website_id}:" in yaml.text
    page = await client.get("/schema")
    assert page.headers["content-type"].startswith("text/html")
    assert 'url: "schema/openapi.json"' in page.text
