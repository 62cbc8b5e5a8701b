"""Calls that a page of another site makes from a browser (Fetch standard, CORS): closed unless the workspace names it.

Only the JSON API of a workspace ever answers, and never with cookies: a page needs a token of its own.
"""

import re
from collections.abc import Callable, Collection

from flask import Flask, Response, request

PREFLIGHT_SECONDS = 600
_API = re.compile(r"/api/v1/t/(?P<slug>[a-z][a-z0-9-]{0,39})/")
ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id, Accept-Language"
EXPOSED_HEADERS = (
    "ETag, Location, Link, Retry-After, RateLimit, RateLimit-Policy, X-Request-Id, X-RateLimit-Limit,"
    " X-RateLimit-Remaining, X-RateLimit-Reset, Deprecation, Sunset"
)
METHODS = "GET, POST, PUT, PATCH, DELETE"
NO_CONTENT = 204


def install(app: Flask, origins: Callable[[str], Collection[str]]) -> None:
    """Answer preflights and name the origin on answers; `origins` tells those that a workspace (by slug) lets in."""

    @app.before_request
    def preflight() -> Response | None:
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers and _slug():
            return Response(status=NO_CONTENT)
        return None

    @app.after_request
    def name(response: Response) -> Response:
        origin, slug = request.headers.get("Origin", ""), _slug()
        if not slug:
            return response
        response.vary.add("Origin")
        if origin and origin in origins(slug):
            headers = response.headers
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
            headers["Cross-Origin-Resource-Policy"] = "cross-origin"
            if request.method == "OPTIONS":
                headers["Access-Control-Allow-Methods"] = METHODS
                headers["Access-Control-Allow-Headers"] = ALLOWED_HEADERS
                headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
        return response


def _slug() -> str:
    match = _API.match(request.path)
    return match["slug"] if match else ""
