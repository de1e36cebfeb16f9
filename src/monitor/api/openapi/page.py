"""The page at /schema that shows the OpenAPI document, and its Content-Security-Policy."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from litestar import Request, Router
from litestar.openapi.plugins import SwaggerRenderPlugin

_VERSION = "5.35.0"
_SCRIPT_DIGEST = "sha384-gjRm0bEPMeTmMh5jT2cHccIwCUZSTd8YC+j0d0sXw0MdGEfScduGpSyF3ZSSLkX9"
_STYLE_DIGEST = "sha384-WlYgdmXYOOBWL5apwjDEZwN+U3HmXSSu5R6V5aGxEcf7z+KuRNwBhoxKVN1i3D5I"
"""Digests of swagger-ui-dist, computed from the package: the CDN cannot serve other files
(Subresource Integrity). This matters because visitors paste API keys into this page."""

_START = """
SwaggerUIBundle({
  url: "schema/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
});
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}" integrity="{style_digest}" crossorigin="anonymous">
</head>
<body>
<noscript>This page needs JavaScript; the document itself is at schema/openapi.json.</noscript>
<div id="page"></div>
<script src="{script}" integrity="{script_digest}" crossorigin="anonymous"></script>
<script>{start}</script>
</body>
</html>
"""


class SchemaPage(SwaggerRenderPlugin):
    """Swagger UI, which reads the document from its own origin. There is no OAuth2 page."""

    def __init__(self) -> None:
        super().__init__(version=_VERSION, path="/", favicon="")

    @property
    def policy(self) -> str:
        """The Content-Security-Policy of the page (CSP Level 3).

        It allows this script, this style sheet, and requests to this API. Inline styles are
        allowed because Swagger UI sets them.
        """
        start = base64.b64encode(hashlib.sha256(_START.encode()).digest()).decode()
        return "; ".join(
            [
                "default-src 'none'",
                f"script-src {self.js_url} 'sha256-{start}'",
                f"style-src {self.css_url} 'unsafe-inline'",
                "img-src 'self' data:",
                "connect-src 'self'",
                "base-uri 'none'",
                "form-action 'none'",
                "frame-ancestors 'none'",
            ]
        )

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page as HTML."""
        del request
        return _PAGE.format(
            title=escape(openapi_schema["info"]["title"]),
            style=escape(self.css_url),
            style_digest=_STYLE_DIGEST,
            script=escape(self.js_url),
            script_digest=_SCRIPT_DIGEST,
            start=_START,
        ).encode()

    def receive_router(self, router: Router) -> None:
        """Do nothing: there are no other pages."""
