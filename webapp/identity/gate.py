"""Who may pass to a page of the platform, and what others are answered."""

from functools import wraps
from typing import Any, cast
from uuid import UUID

import structlog
from flask import Flask, Response, abort, current_app, redirect, request
from flask_babel import gettext as _

from webapp.access.guard import View
from webapp.identity.confirmation import need_confirmation
from webapp.identity.door import keep_within, recognise_session
from webapp.identity.interrupted import signed_out, to_sign_in, too_old
from webapp.web.problem import answer_status, is_api
from webapp.web.render import frame


def surround() -> None:
    """Fill the frame of a full page of the platform, as the composition root says."""
    if request.headers.get("HX-Request-Type") != "partial":
        current_app.extensions["surroundings"](frame())


def first_page(person_id: UUID) -> str:
    """Return where a person who was headed nowhere goes after signing in, as the composition root says."""
    return cast("str", current_app.extensions["first_page"](person_id))


def ask_to_sign_in() -> Response:
    """Send a browser to the sign-in page and back here afterwards; tell a program that it is unknown.

    A form that was sent is answered by the sign-in form itself, which keeps what was typed.
    """
    if is_api():
        return answer_status(
            401,
            code="unauthenticated",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if request.method not in {"GET", "HEAD"}:
        return signed_out()
    target = to_sign_in()
    if request.headers.get("HX-Request") == "true":
        response = Response(status=401)
        response.headers["HX-Redirect"] = target
        return response
    return cast("Response", redirect(target, 303))


def refuse_form(reason: str) -> Response:
    """Answer a form without a valid token: one of ours that is too old is offered again, any other is refused."""
    structlog.get_logger().warning("request.csrf_refused", reason=reason)
    if not is_api() and request.headers.get("HX-Request") != "true":
        person = recognise_session()
        if person is not None:
            surround()
        answer = too_old(person)
        if answer is not None:
            return answer
    return answer_status(
        403,
        code="csrf",
        detail=_("The form is too old or was not ours. Go back, reload the page, send it again."),
    )


def signed_in(view: View) -> View:
    """Let only people with a live session into a page of the platform."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if recognise_session() is None:
            return ask_to_sign_in()
        if not getattr(guarded, "is_way_out", False):
            keep_within(None)
        surround()
        _confirm_if_declared()
        return view(*args, **kwargs)

    guarded.public = False  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def confirmed(view: View) -> View:
    """Declare, beside `signed_in` or `operator_only`, that who asks must have shown it within the last 10 minutes."""
    view.confirm = True  # type: ignore[attr-defined]
    return view


def _confirm_if_declared() -> None:
    if getattr(current_app.view_functions[request.endpoint or ""], "confirm", False):
        need_confirmation()


def operator_only(view: View) -> View:
    """Let only operators of the installation in; to everyone else the page does not exist."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        person = recognise_session()
        if person is None:
            return ask_to_sign_in()
        keep_within(None)
        if not person.is_operator:
            abort(404)
        surround()
        _confirm_if_declared()
        return view(*args, **kwargs)

    guarded.public = False  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def public(view: View) -> View:
    """Declare that a page of the platform is for everyone."""
    view.public = True  # type: ignore[attr-defined]
    return view


def check_declarations(app: Flask) -> None:
    """Refuse to start when a page says neither who may see it nor that everyone may."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if rule.endpoint == "static" or hasattr(view, "public") or hasattr(view, "permission"):
            continue
        raise RuntimeError(f"{rule.endpoint} ({rule.rule}) declares neither a permission nor that it is public")
