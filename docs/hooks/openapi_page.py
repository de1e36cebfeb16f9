"""An OpenAPI document as one Markdown page: operations by tag, objects, problems."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from typing import Any

Document = dict[str, Any]
Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/"


def page(document: Document) -> str:
    """All of it. Headings begin at the second level."""
    return "\n\n".join([*_operations(document), *_objects(document), *_problems(document)])


def _operations(document: Document) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name'].capitalize()}"
        yield tag["description"]
        for path, method, operation in _each(document):
            if operation["tags"] == [tag["name"]] and method != "head":
                yield from _operation(path, method, operation)


def _each(document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _operation(path: str, method: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method.upper()} {path}"
    yield operation["description"].strip()
    yield "\n".join(map(_wrapped, _facts(operation)))
    if operation.get("parameters"):
        yield _table(
            ("parameter", "in", "type", "meaning"),
            [_parameter(p) for p in operation["parameters"]],
        )


def _wrapped(text: str, indent: str = "  ") -> str:
    return textwrap.fill(
        text, 100, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _facts(operation: dict[str, Any]) -> Iterator[str]:
    roles = [role for scheme in operation["security"] for role in scheme.get("bearer", ())]
    yield f"- Key: {f'role `{roles[0]}`' if roles else 'none needed'}"
    if body := operation.get("requestBody"):
        yield f"- Body: {_content(body['content'])}"
    answers = {status: r for status, r in operation["responses"].items() if status < "400"}
    for status, response in answers.items():
        yield f"- Answer {status}: {_content(response.get('content', {}))}"
    errors = sorted(operation["responses"].keys() - answers.keys())
    yield f"- Errors: {', '.join(errors)}"


def _content(content: dict[str, Any]) -> str:
    kinds = [f"`{media}`, {_type(c.get('schema', {}))}" for media, c in content.items()]
    return "; or ".join(kinds) or "without a body"


def _parameter(parameter: dict[str, Any]) -> tuple[str, ...]:
    schema = parameter.get("schema", {})
    required = " (required)" if parameter.get("required") else ""
    meaning = parameter.get("description") or schema.get("description", "")
    return f"`{parameter['name']}`{required}", parameter["in"], _type(schema), meaning


def _objects(document: Document) -> Iterator[str]:
    yield "## Objects"
    for name, schema in document["components"]["schemas"].items():
        yield f"### {name} {{#object-{name.lower()}}}"
        if schema.get("description"):
            yield schema["description"].strip()
        if "enum" in schema:
            yield _wrapped(f"One of {_values(schema)}.", indent="")
        if schema.get("properties"):
            required = schema.get("required", ())
            yield _table(
                ("field", "type", "meaning"),
                [_field(n, s, n in required) for n, s in schema["properties"].items()],
            )


def _field(name: str, schema: Schema, required: bool) -> tuple[str, ...]:
    mark = " (required)" if required else ""
    return f"`{name}`{mark}", _type(schema), schema.get("description", "")


def _type(schema: Schema) -> str:
    """A type in words, with its bounds and default."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REFERENCE)
        return f"[{name}](#object-{name.lower()})"
    parts = [_plain_type(schema), *_bounds(schema)]
    if schema.get("default") is not None:
        parts.append(f"default `{_json(schema['default'])}`")
    return ", ".join(filter(None, parts))


def _plain_type(schema: Schema) -> str:
    for word in ("oneOf", "anyOf"):
        if word in schema:
            return " or ".join(dict.fromkeys(_type(s) for s in schema[word]))
    if "enum" in schema:
        return f"one of {_values(schema)}"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " or ".join(kind)
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_type(schema['additionalProperties'])}"
    return f"{kind} ({schema['format']})" if "format" in schema else str(kind)


def _bounds(schema: Schema) -> Iterator[str]:
    words = {
        "minimum": "at least {}", "maximum": "at most {}", "exclusiveMinimum": "more than {}",
        "maxLength": "at most {} characters", "maxItems": "at most {} items",
        "maxProperties": "at most {} entries",
    }  # fmt: skip
    yield from (text.format(_number(schema[w])) for w, text in words.items() if w in schema)


def _number(value: float) -> str:
    return f"{value:.15g}"


def _values(schema: Schema) -> str:
    return ", ".join(f"`{value}`" for value in schema["enum"])


def _json(value: object) -> str:
    return json.dumps(value) if value == "" or not isinstance(value, str) else value


def _problems(document: Document) -> Iterator[str]:
    """Every code that an operation's example names."""
    yield "## Problems"
    yield "Errors that the document gives as examples, by their `code`."
    found = {
        (status, example["value"]["code"]): example["value"]["detail"]
        for _, _, operation in reversed(list(_each(document)))
        for status, response in operation["responses"].items()
        for content in response.get("content", {}).values()
        for example in content.get("examples", {}).values()
        if status >= "400"
    }
    rows = [(f"`{code}`", status, detail) for (status, code), detail in sorted(found.items())]
    yield _table(("code", "status", "detail"), rows)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
