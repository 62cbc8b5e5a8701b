"""The description of the JSON API: a document for programs and a page for people, both made from the application."""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, request
from flask_babel import gettext as _

from webapp.web.description import MAKING, REFUSALS, description, path_of
from webapp.web.headers import UNSAFE_METHODS
from webapp.web.problem import is_api
from webapp.web.render import render

View = TypeVar("View", bound=Callable[..., Any])
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
            answers = {status: one for status, one in operation["responses"].items() if status not in REFUSALS}
            entry = {"method": method.upper(), "path": path, **operation, "answers": answers}
            entry["refusals"] = sorted(operation["responses"].keys() & REFUSALS)
            rooms.setdefault(operation.get("tags", ["other"])[0], []).append(entry)
    return render(
        "api/docs.html",
        info=told["info"],
        rooms=rooms,
        schemas=told["components"]["schemas"],
        refusals=REFUSALS,
        origin=request.host_url.rstrip("/"),
        written=written,
    )


def written(value: Any) -> str:
    """Return an example as a person would write it."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def reads_itself(view: View) -> View:
    """Mark a call that refuses by itself what it cannot read, so that its body is parsed once."""
    view.reads_itself = True  # type: ignore[attr-defined]
    return view


@bp.before_app_request
def readable() -> None:
    """Refuse what is not of the described kind (415) or is no JSON (400), before anybody reads it as nothing."""
    if request.method not in UNSAFE_METHODS or not is_api() or request.url_rule is None:
        return
    if not (request.content_length or request.headers.get("Transfer-Encoding")):
        return
    if getattr(current_app.view_functions[request.url_rule.endpoint], "reads_itself", False):
        return
    kinds = _kinds(current_app).get((request.url_rule.rule, request.method), set())
    if kinds and request.mimetype not in kinds:
        abort(415, _("Send %(kinds)s.", kinds=" / ".join(sorted(kinds))))
    if request.mimetype == "application/json":
        try:
            json.loads(request.get_data(cache=True), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            abort(400, _("The body is not JSON."))


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _kinds(app: Flask) -> dict[tuple[str, str], set[str]]:
    """Return the kinds of content that each operation takes, by the rule of its address and its method."""
    made = app.extensions.get("content kinds")
    if made is not None:
        return made  # type: ignore[no-any-return]
    with MAKING:
        described = description(app)["paths"]
        made = app.extensions["content kinds"] = {
            (rule.rule, method): set(
                described.get(path, {}).get(method.lower(), {}).get("requestBody", {}).get("content", {})
            )
            for rule in app.url_map.iter_rules()
            for path in [path_of(rule)]
            for method in rule.methods or ()
        }
    return made  # type: ignore[no-any-return]


for view in (document, docs):
    view.public = True  # type: ignore[attr-defined]  # read by identity's check of declarations
