"""The OpenAPI document: what the framework collects, and what it cannot know: headers, refusals, examples."""

import inspect
import re
import threading
from collections.abc import Callable
from typing import Any

from flask import Flask
from pydantic import BaseModel
from werkzeug.routing import Rule

from webapp.web.contract import IDEMPOTENCY_KEY, IF_MATCH, Contract, contract_of

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
    "500": "Something went wrong on our side; `request_id` names it in the log. Nothing was changed.",
    "503": "Something that is needed does not answer. Nothing was changed; a repeat may go through.",
}
"""Answers that every operation may give, each a problem document (RFC 9457)."""
REFUSALS = COMMON | {
    "409": "The present state does not allow it.",
    "412": "It was changed in the meantime.",
    "428": "`If-Match` is missing.",
}
TEXT: dict[str, Any] = {"schema": {"type": "string"}}
HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {**TEXT, "required": True, "description": "The number of this request in the log and the trail."},
    "RateLimit-Policy": {**TEXT, "description": "How many calls a token may make in a window, in seconds."},
    "RateLimit": {**TEXT, "description": "How many calls are left (`r`) and for how many seconds (`t`)."},
    "Retry-After": {"schema": {"type": "integer"}, "description": "Seconds to wait before a repeat."},
    "ETag": {**TEXT, "required": True, "description": "The version, to be sent as If-Match or If-None-Match."},
    "Location": {**TEXT, "description": "Where what was made, or is being made, is found."},
    "Link": {**TEXT, "description": "The next page of a list, or where to read of a call's end."},
    "Allow": {**TEXT, "required": True, "description": "The methods that the address takes."},
    "WWW-Authenticate": {**TEXT, "required": True, "description": "How to sign in."},
    "Idempotency-Replayed": {**TEXT, "description": "`true` when the answer is that of an earlier request."},
    "Deprecation": {**TEXT, "required": True, "description": "Since when the call is given up (RFC 9745)."},
    "Sunset": {**TEXT, "required": True, "description": "When the call goes (RFC 8594)."},
}
"""Headers of answers, by name."""
MORE = {
    "200": ("Link",),
    "201": ("Location",),
    "202": ("Location",),
    "401": ("WWW-Authenticate",),
    "405": ("Allow",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}
"""Headers that answers of one status carry besides."""
PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}

MAKING = threading.RLock()
"""The first requests after a start come together, and the framework's document is changed while it is made ours."""


def description(app: Flask) -> dict[str, Any]:
    """Return the OpenAPI document, the same for everybody; made once."""
    with MAKING:
        made = app.extensions.get("openapi document")
        if made is None:
            made = app.extensions["openapi document"] = _described(app)
    return made  # type: ignore[no-any-return]


def _described(app: Flask) -> dict[str, Any]:
    told: dict[str, Any] = app.api_doc  # type: ignore[attr-defined]  # flask-openapi3's application has it
    told["servers"] = [{"url": "/", "description": "This installation."}]
    told["components"]["headers"] = HEADERS
    told["components"]["responses"] = {
        status: {"description": text, "content": PROBLEM, "headers": _headers(status, Contract())}
        for status, text in REFUSALS.items()
    }
    views = {
        (path_of(rule), method.lower()): rule for rule in app.url_map.iter_rules() for method in rule.methods or ()
    }
    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            view = app.view_functions[views[path, method].endpoint]
            contract = contract_of(view)
            _describe_permission(operation, getattr(view, "permission", None))
            _describe_request(operation, contract, taken_by(view))
            _describe_answers(method, operation, contract)
    _give_examples(told["components"]["schemas"])
    return told


def _describe_permission(operation: dict[str, Any], permission: Any) -> None:
    """Name the scope that a token needs for a call, and the permission that its member needs."""
    if permission is not None:
        operation["security"] = [{"token": [permission.scope]}]
        operation["x-permission"] = permission.value


def taken_by(view: Callable[..., Any]) -> type[BaseModel] | None:
    """Return the shape of what a call takes as its body."""
    said = inspect.get_annotations(inspect.unwrap(view))
    return said.get("body") or said.get("form")


def _give_examples(schemas: dict[str, Any]) -> None:
    """Put the examples of fields back, which the framework leaves out."""
    waiting: list[type[BaseModel]] = [BaseModel]
    while waiting:
        for shape in waiting.pop().__subclasses__():
            waiting.append(shape)
            described = schemas.get(shape.__name__, {}).get("properties", {})
            for name, field in shape.model_fields.items():
                if field.examples and name in described:
                    described[name]["examples"] = field.examples


def path_of(rule: Rule) -> str:
    """Return the address of a rule as the description writes it."""
    return re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)


def _describe_request(operation: dict[str, Any], contract: Contract, taken: type[BaseModel] | None) -> None:
    """Add the headers that a call takes and an example of what it sends; say whether it comes to an end."""
    parameters = operation.setdefault("parameters", [])
    if contract.key:
        parameters.append({**IDEMPOTENCY_KEY, "required": contract.key == "required"})
    if contract.takes_version:
        parameters.append(IF_MATCH)
    if contract.end is not None:
        operation["deprecated"] = True
    body = operation.get("requestBody", {})
    if contract.body_optional:
        body["required"] = False
    extra = taken.model_config.get("json_schema_extra") if taken is not None else None
    examples = extra.get("examples", []) if isinstance(extra, dict) else []
    for content in body.get("content", {}).values():
        content["examples"] = {f"example {n}": {"value": one} for n, one in enumerate(examples, 1)}


def _describe_answers(method: str, operation: dict[str, Any], contract: Contract) -> None:
    """Say of every operation how it refuses, with problem documents, and which headers its answers carry."""
    answers = operation["responses"]
    refusals = set(COMMON)
    if contract.takes_version:
        refusals |= {"412", "428"}
    if method != "get":
        refusals.add("409")
    for status in {*refusals, *(status for status in answers if re.fullmatch(r"[45]\d\d", status))}:
        answers[status] = {"$ref": f"#/components/responses/{status}"}
    if contract.gives_version and method == "get":
        answers["304"] = {"description": "Nothing has changed since the version that `If-None-Match` names."}
    for status in [status for status, answer in answers.items() if "$ref" not in answer]:
        answers[status]["headers"] = _headers(status, contract)


def _headers(status: str, contract: Contract) -> dict[str, Any]:
    """Describe the headers of an answer."""
    carried = ["X-Request-Id", "RateLimit-Policy", "RateLimit", *MORE.get(status, ())]
    if status in {"200", "201", "304"} and contract.gives_version:
        carried.append("ETag")
    if status in {"200", "201", "202", "204"} and contract.key:
        carried.append("Idempotency-Replayed")
    if contract.end is not None:
        carried += ["Deprecation", "Sunset", "Link"]
    return {name: {"$ref": f"#/components/headers/{name}"} for name in carried}
