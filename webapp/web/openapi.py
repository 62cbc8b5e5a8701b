"""The description of the JSON API: a document for programs and a page for people, both made from the application."""

import json
import re
import threading
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request

from webapp.web.headers import UNSAFE_METHODS
from webapp.web.problem import is_api
from webapp.web.render import render

COMMON = {
    "400": "The request cannot be understood.",
    "401": "A valid token is missing.",
    "403": "The member, or the token's scopes, may not do this.",
    "404": "There is nothing here, or nothing that you may see.",
    "405": "The address does not accept that method.",
    "413": "The request is too large.",
    "415": "The content is of another kind than described.",
    "422": "Some of what was sent cannot be accepted; `errors` point at the fields.",
    "429": "Too many requests; `Retry-After` says when to try again.",
}
"""Answers that every operation may give, each a problem document (RFC 9457)."""
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

_making = threading.RLock()
"""The first requests after a start come together, and the framework's document is changed while it is made ours."""

bp = Blueprint("api_docs", __name__, url_prefix="/api/v1")


@bp.get("/openapi.json")
def document() -> Response:
    """Give the OpenAPI document."""
    response = jsonify(description(current_app))
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    return response


@bp.get("/docs")
def docs() -> Response:
    """Show the operations by their rooms, without scripts and without the internet."""
    told = description(current_app)
    rooms: dict[str, list[dict[str, Any]]] = {}
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            entry = {"method": method.upper(), "path": path, **operation}
            rooms.setdefault(operation.get("tags", ["other"])[0], []).append(entry)
    return render("api/docs.html", info=told["info"], rooms=rooms, schemas=told["components"]["schemas"])


@bp.before_app_request
def readable() -> None:
    """Refuse what is not of the described kind (415) or is no JSON (400), before anybody reads it as nothing."""
    if request.method not in UNSAFE_METHODS or not is_api() or request.url_rule is None:
        return
    if not (request.content_length or request.headers.get("Transfer-Encoding")):
        return
    kinds = _kinds(current_app).get((request.url_rule.rule, request.method), set())
    if kinds and request.mimetype not in kinds:
        abort(415, f"Send {' or '.join(sorted(kinds))}.")
    if request.mimetype == "application/json":
        try:
            json.loads(request.get_data(cache=True), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            abort(400, "The body is not JSON.")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _kinds(app: Flask) -> dict[tuple[str, str], set[str]]:
    """Return the kinds of content that each operation takes, by the rule of its address and its method."""
    made = app.extensions.get("content kinds")
    if made is not None:
        return made  # type: ignore[no-any-return]
    with _making:
        described = description(app)["paths"]
        made = app.extensions["content kinds"] = {
            (rule.rule, method): set(
                described.get(path, {}).get(method.lower(), {}).get("requestBody", {}).get("content", {})
            )
            for rule in app.url_map.iter_rules()
            for path in [re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)]
            for method in rule.methods or ()
        }
    return made  # type: ignore[no-any-return]


for view in (document, docs):
    view.public = True  # type: ignore[attr-defined]  # read by identity's check of declarations


def description(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document, the same for everybody; made once."""
    with _making:
        made = app.extensions.get("openapi document")
        if made is None:
            made = app.extensions["openapi document"] = _described(app)
    return made  # type: ignore[no-any-return]


def _described(app: Flask) -> dict[str, Any]:
    told: dict[str, Any] = app.api_doc  # type: ignore[attr-defined]  # flask-openapi3's application has it
    told["servers"] = [{"url": "/", "description": "This installation."}]
    for methods in told["paths"].values():
        for method, operation in methods.items():
            _describe_answers(method, operation)
    return told


def _describe_answers(method: str, operation: dict[str, Any]) -> None:
    """Say of every operation how it refuses: with problem documents."""
    answers = operation["responses"]
    for status in [status for status in answers if re.fullmatch(r"[45]\d\d", status)]:
        answers[status] = {"description": COMMON.get(status, "It was refused."), "content": PROBLEM}
    for status, text in COMMON.items():
        answers.setdefault(status, {"description": text, "content": PROBLEM})
    if method in {"put", "patch", "delete"}:
        for status, text in (("412", "It was changed in the meantime."), ("428", "`If-Match` is missing.")):
            answers.setdefault(status, {"description": text, "content": PROBLEM})
    if method != "get":
        answers.setdefault("409", {"description": "The present state does not allow it.", "content": PROBLEM})
