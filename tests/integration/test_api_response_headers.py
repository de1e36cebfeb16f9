"""What every answer has, whoever makes it; what browsers may do; and what is told of errors."""

import base64
import hashlib
import re
from uuid import UUID

import httpx
import pytest
from structlog.testing import capture_logs

from monitor.api.app import create_app
from monitor.api.headers import cors_config
from monitor.api.middleware import ResponseHeaders
from monitor.domain.access import Role
from monitor.services.workers import regions
from support.api import assert_problem

STATUS_PAGE = "https://status.example"


async def _answers(api, monkeypatch):
    """An answer of every kind there is: {what: answer}."""

    async def broken(*_args):
        raise RuntimeError("secret detail")

    nobody, admin = api.client(None), api.client(Role.ADMIN)
    json = {"headers": {"Content-Type": "application/json"}}
    return {
        "public": await nobody.get("/healthz"),
        "head": await nobody.head("/healthz"),
        "document": await nobody.get("/schema/openapi.json"),
        "yaml": await nobody.get("/schema/openapi.yml"),
        "list": await admin.get("/websites"),
        "created": await admin.post("/regions", json={"name": "europe"}),
        "empty": await admin.delete("/regions/europe"),
        "stream": await admin.get("/websites/export"),
        "metrics": await admin.get("/metrics"),
        "stranger": await nobody.get("/websites"),
        "forbidden": await api.client(Role.READ).delete("/regions/europe"),
        "unknown path": await nobody.get("/<script>"),
        "unknown page": await nobody.get("/schema/<script>"),
        "method": await admin.put("/websites"),
        "broken body": await admin.post("/websites", content=b"{", **json),
        "too large": await admin.post("/websites", content=b" " * 2_000_000, **json),
        "long query": await admin.get("/websites?q=" + "x" * 5000),
        "many headers": await nobody.get("/healthz", headers={f"x-{n}": "" for n in range(101)}),
        "options": await admin.options("/websites"),
        "error": (monkeypatch.setattr(regions, "page", broken), await admin.get("/regions"))[1],
    }


async def test_every_response_has_the_security_headers(api, monkeypatch):
    for what, answer in (await _answers(api, monkeypatch)).items():
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff", what
        assert headers["cache-control"] == "no-store", what
        assert headers["referrer-policy"] == "no-referrer", what
        assert headers["x-frame-options"] == "DENY", what
        assert headers["cross-origin-resource-policy"] == "same-origin", what
        policy = "default-src 'none'; frame-ancestors 'none'"
        assert headers.get_list("content-security-policy") == [policy], what
        assert not headers.get("content-type", "").startswith("text/html"), what
        assert "server" not in headers, what
        assert not [h for h in headers if h.startswith("access-control")], what
        assert "vary" not in headers, what
        if answer.status_code >= 400:
            assert_problem(answer)
            assert "<script>" not in answer.text


async def test_docs_page_csp_allows_only_its_scripts(api):
    page = await api.client(None).get("/schema")
    policy = dict(
        part.split(" ", 1) for part in page.headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["connect-src"] == "'self'"
    # every script: inline by its digest, else by its address and Subresource Integrity
    inline = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    loaded = re.findall(r'<script src="([^"]+)" integrity="(sha384-[^"]{64})"', page.text)
    assert page.text.count("<script") == len(inline) + len(loaded)
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in inline]
    allowed = [*(url for url, _ in loaded), *(f"'sha256-{d}'" for d in digests)]
    assert policy["script-src"].split() == allowed
    (style,) = re.findall(
        r'<link rel="stylesheet" href="([^"]+)" integrity="sha384-[^"]{64}"', page.text
    )
    assert policy["style-src"].split() == [style, "'unsafe-inline'"]
    assert not re.search(r"\son\w+=|javascript:", page.text)
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"


def _client(api, *origins):
    app = create_app(api.deps, cors_origins=origins)
    headers = {"Authorization": f"Bearer {api.keys[Role.READ]}"}
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers)


def _preflight(origin, method="GET"):
    return {
        "Origin": origin,
        "Access-Control-Request-Method": method,
        "Access-Control-Request-Headers": "authorization",
    }


async def test_cors_allows_configured_origins(api):
    async with _client(api, STATUS_PAGE, "http://localhost:3000") as client:
        # given what a browser asks first, without the key
        client.headers.pop("Authorization")
        asked = await client.options("/websites", headers=_preflight(STATUS_PAGE))
        # then
        assert (asked.status_code, asked.content) == (204, b"")
        assert asked.headers["access-control-allow-origin"] == STATUS_PAGE
        assert "PATCH" in asked.headers["access-control-allow-methods"]
        # names of headers have no case (RFC 9110, section 5.1)
        headers = asked.headers["access-control-allow-headers"].lower().split(", ")
        assert {"authorization", "content-type", "idempotency-key"} <= set(headers)
        assert asked.headers["access-control-max-age"] == "600"
        assert "access-control-allow-credentials" not in asked.headers
        # and what is answered, good or bad, may be read
        for path in ("/healthz", "/websites", "/nothing"):
            answer = await client.get(path, headers={"Origin": STATUS_PAGE})
            assert answer.headers["access-control-allow-origin"] == STATUS_PAGE
            assert answer.headers["vary"] == "Origin"
            assert "Location" in answer.headers["access-control-expose-headers"]
        # an answer of ours before the framework too
        many = {f"x-{n}": "" for n in range(101)}
        answer = await client.get("/healthz", headers={"Origin": STATUS_PAGE, **many})
        assert answer.status_code == 431
        assert answer.headers["access-control-allow-origin"] == STATUS_PAGE
        assert answer.headers.get_list("vary") == ["Origin"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "https://status.example.evil.example", "http://status.example",
     "https://status.example:8443", "https://sub.status.example", "HTTPS://STATUS.EXAMPLE",
     "https://statusxexample", "*", ""],
)  # fmt: skip
async def test_cors_refuses_other_origins(api, origin):
    for named in ([STATUS_PAGE], []):
        async with _client(api, *named) as client:
            asked = await client.options("/websites", headers=_preflight(origin))
            assert asked.status_code == 403  # OPTIONS needs an admin's key
            answer = await client.get("/websites", headers={"Origin": origin})
            for got in (asked, answer):
                assert not [h for h in got.headers if h.startswith("access-control")]


async def test_error_response_carries_the_logged_request_id(api, monkeypatch):
    async def broken(*_args):
        raise RuntimeError("secret detail")

    monkeypatch.setattr(regions, "page", broken)
    with capture_logs() as lines:
        first = await api.request("GET", "/regions", expect=500)
        second = await api.request("GET", "/regions", expect=500)
    logged = [x["error_id"] for x in lines if x["event"] == "api.internal_error"]
    told = [a.json()["instance"] for a in (first, second)]
    assert told == [f"urn:uuid:{UUID(error_id)}" for error_id in logged]
    assert len(set(told)) == 2
    assert logged[0] in first.json()["detail"]
    assert "secret" not in first.text


async def test_an_error_outside_the_framework_is_a_problem_too():
    async def broken(_scope, _receive, _send):
        raise RuntimeError("secret detail")

    headers = ResponseHeaders(cors_config([STATUS_PAGE]), "default-src 'self'")
    transport = httpx.ASGITransport(headers.wrap(broken))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        with capture_logs() as lines:
            answer = await client.get("/", headers={"Origin": STATUS_PAGE})
    problem = assert_problem(answer)
    assert (answer.status_code, problem["code"]) == (500, "internal_error")
    assert problem["instance"].endswith(lines[0]["error_id"])
    assert "secret" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == STATUS_PAGE
    assert "Retry-After" in answer.headers["access-control-expose-headers"]
