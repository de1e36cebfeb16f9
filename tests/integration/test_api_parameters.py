"""Every parameter of every route, as the OpenAPI document has them: what is refused is named, and
the answer says what is allowed."""

import pytest

NOBODY = "00000000-0000-7000-8000-000000000000"
BODIES = {
    "application/json": b"{}",
    "application/x-ndjson": b"",
}


def _types(document, schema):
    """The schemas of which a value may have any, without null, each with the bounds of all."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    choices = schema.get("oneOf") or schema.get("allOf") or [{}]
    bounds = {name: value for name, value in schema.items() if name not in ("oneOf", "allOf")}
    found = [one for each in choices for one in (_types(document, each) if each else [{}])]
    return [bounds | one for one in found if one.get("type") != "null"]


def _refused_values(schema):
    """Values that the document rules out."""
    if "enum" in schema:
        return ["x", ""]
    if schema["type"] == "boolean":
        return ["perhaps", ""]
    if schema["type"] == "integer":
        return [schema.get("minimum", 0) - 1, schema["maximum"] + 1, "x", "", "1.5", "9" * 3000]
    if schema.get("format") in ("uuid", "date-time"):
        return ["x"]
    return ["a" * (schema["maxLength"] + 1)] + [""] * (schema.get("minLength", 0) > 0)


async def _operations(api):
    document = (await api.client(None).get("/schema/openapi.json")).json()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield document, path, method.upper(), operation


async def _ask(api, path, method, operation, query):
    """The answer to an operation on something that does not exist."""
    content_type = next(iter(operation.get("requestBody", {}).get("content", {})), None)
    more = {}
    if content_type is not None:
        more = {"content": BODIES[content_type], "headers": {"Content-Type": content_type}}
    for one in operation.get("parameters", []):
        if one["in"] == "path":
            value = "nowhere" if one["name"] == "name" else NOBODY
            path = path.replace(f"{{{one['name']}}}", value)
    return await api.request(method, path, params=query, **more)


async def test_a_refused_parameter_is_named_with_what_is_allowed(api):
    tried = set()
    async for document, path, method, operation in _operations(api):
        for one in operation.get("parameters", []):
            if one["in"] != "query":
                continue
            for value in _refused_values(*_types(document, one["schema"])):
                answer = await _ask(api, path, method, operation, {one["name"]: value})
                case = (method, path, one["name"], str(value)[:20], answer.text)
                assert (answer.status_code, answer.json()["code"]) == (400, "invalid_query"), case
                (error,) = answer.json()["errors"]
                assert error["field"] == one["name"], case
                assert error["message"].startswith(("must ", "is not ")), case
                assert answer.json()["detail"] == f"{error['field']}: {error['message']}", case
                tried.add((method, path, one["name"]))
    assert len(tried) >= 40


async def test_a_path_that_names_nothing_is_not_a_parameter_to_correct(api):
    async for _, path, method, operation in _operations(api):
        names = [p["name"] for p in operation.get("parameters", []) if p["in"] == "path"]
        for name in names:
            wrong = path.replace(f"{{{name}}}", "%00" if name == "name" else "x")
            answer = await _ask(api, wrong, method, operation, {})
            assert answer.status_code in (404, 422), (method, wrong, answer.text)


async def test_all_refused_parameters_are_named_at_once(api):
    query = {"limit": "x", "q": "", "status": "broken", "paused": "perhaps"}
    refused = await api.get("/websites", params=query, expect=400)
    assert {e["field"]: e["message"] for e in refused["errors"]} == {
        "limit": "must be a whole number from 1 to 1000",
        "q": "must be a string of 1 to 255 characters",
        "status": "must be one of pending, up, down, paused, unknown",
        "paused": "must be true or false",
    }
    for error in refused["errors"]:
        assert f"{error['field']}: {error['message']}" in refused["detail"]


@pytest.mark.parametrize(
    ("path", "field", "message"),
    [
        ("/audit?key=x", "key", "must be a UUID"),
        ("/audit?since=x", "since", "must be a time with its offset, like 2026-11-24T10:00:00Z"),
        ("/websites/export?format=xml", "format", "must be one of ndjson, csv"),
        (f"/monitor/{NOBODY}?days=401", "days", "must be a whole number from 1 to 400"),
        ("/websites?limit=1&limit=2", "limit", "is given twice"),
        ("/websites?colour=red", "colour", "is not a parameter of this route"),
    ],
)
async def test_what_is_allowed_is_said_by_type(api, path, field, message):
    refused = await api.get(path, expect=400)
    assert refused["errors"] == [{"field": field, "message": message}]
    assert refused["detail"] == f"{field}: {message}"
