"""Who asks? The browser's session cookie or an API token, read once per request."""

from datetime import datetime, timedelta
from functools import wraps
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from flask import Flask, Response, abort, current_app, g, redirect, request
from flask_babel import gettext as _
from itsdangerous import BadData, URLSafeSerializer

from webapp.access.guard import View
from webapp.identity import commands, queries
from webapp.identity.interrupted import signed_out, to_sign_in, too_old
from webapp.identity.parcel import claim_forms
from webapp.identity.queries import Bearer, PersonView
from webapp.identity.rules import hash_secret, is_within, parse_token
from webapp.kernel.actor import Actor, Via
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import N_, DomainError
from webapp.web.problem import answer_status, is_api
from webapp.web.render import frame, see_other
from webapp.web.state import services
from webapp.web.unit import open_unit

DEVICE_SECONDS = 365 * 24 * 3600


class WrongNetwork(DomainError):
    """A token was sent from an address that is in none of its networks."""

    code = "token_network"
    status = 403
    title = N_("You may not do this")
    message = N_("This token does not work from %(address)s. Its owner named the networks that it works from.")


def cookie_name() -> str:
    """Return the session cookie's name: `__Host-` where TLS is certain."""
    return "__Host-comptoir" if services().settings.secure else "comptoir"


def set_cookie(response: Response, secret: str) -> None:
    """Hand the session's secret to the browser."""
    settings = services().settings
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=settings.session_absolute_seconds,
        secure=settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def clear_cookie(response: Response) -> None:
    """Take the session's secret from the browser."""
    response.delete_cookie(cookie_name(), secure=services().settings.secure, httponly=True, samesite="Lax")


def device_cookie_name() -> str:
    """Return the name of the cookie by which an account knows a browser that it signed in from."""
    return "__Host-comptoir-device" if services().settings.secure else "comptoir-device"


def remember_device(response: Response, person_id: UUID) -> None:
    """Let the account know this browser; it opens nothing, but strangers' guesses do not slow it down."""
    settings = services().settings
    mark = _device_marks().dumps([str(person_id), services().new_secret()[:16]])
    response.set_cookie(
        device_cookie_name(),
        mark,
        max_age=DEVICE_SECONDS,
        secure=settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def known_device(person_id: UUID) -> str:
    """Return the mark of this browser if the account knows it, else an empty text."""
    try:
        whose, mark = _device_marks().loads(request.cookies.get(device_cookie_name(), ""))
    except (BadData, ValueError):
        return ""
    return str(mark) if whose == str(person_id) else ""


def _device_marks() -> URLSafeSerializer:
    return URLSafeSerializer(services().settings.secret_key, salt="device")


def surround() -> None:
    """Fill the frame of a full page of the platform, as the composition root says."""
    if request.headers.get("HX-Request-Type") != "partial":
        current_app.extensions["surroundings"](frame())


def recognise_session() -> PersonView | None:
    """Find the person of the session cookie; the transaction is bound to the platform afterwards."""
    session = open_unit()
    bind_platform(session)
    secret = request.cookies.get(cookie_name(), "")
    at = services().clock()
    g.at = at
    idle = timedelta(seconds=services().settings.session_idle_seconds)
    found = (
        queries.person_by_session(session=session, secret_hash=hash_secret(secret), at=at, idle=idle)
        if secret
        else None
    )
    if found is None:
        return None
    person, g.session_id, seen_at = found
    commands.touch_session(session=session, session_id=g.session_id, seen_at=seen_at, at=at)
    remember(person, via="session")
    return person


def recognise_token() -> Bearer | None:
    """Find who stands behind the Authorization header; the transaction is bound to the platform afterwards.

    Raises WrongNetwork.
    """
    session = open_unit()
    bind_platform(session)
    g.at = services().clock()
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    parts = parse_token(text.strip()) if scheme.lower() == "bearer" else None
    if parts is None:
        return None
    found = queries.bearer(session=session, token_id=parts.id, secret_hash=parts.secret_hash, at=g.at)
    if found is not None:
        if not is_within(request.remote_addr or "", found.networks):
            raise WrongNetwork(address=request.remote_addr or "")
        g.networks = found.networks
        commands.touch_token(session=session, token_id=found.token_id, used_at=found.used_at, at=g.at)
        remember(found.person, via="token")
    return found


def remember(person: PersonView, *, via: Via) -> None:
    """Keep the person for the rest of the request: pages, commands and logs name the same actor."""
    g.person = person
    g.actor = Actor(
        person_id=person.id,
        label=person.email,
        via=via,
        request_id=g.get("request_id", ""),
        source_address=request.remote_addr or "",
    )
    frame().person = person
    if via != "token":
        claim_forms(person.id)
    structlog.contextvars.bind_contextvars(person_id=str(person.id))


def safe_next(target: str | None) -> str:
    """Return the local path to go on to; never another site."""
    parts = urlsplit(target or "/")
    local = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return target if target and local and "\\" not in target else "/"


def begin_session(person_id: UUID, target: str, *, instead: Response | None = None) -> Response:
    """Open a new session and go on: the one of this browser ends, and the account knows the browser now.

    `instead` is the answer when there is something to see before one goes on.
    """
    at, secret = services().clock(), services().new_secret()
    end_present_session(at)
    commands.open_session(
        session=g.db,
        actor=g.actor,
        at=at,
        session_id=services().new_id(),
        secret=secret,
        person_id=person_id,
        life=timedelta(seconds=services().settings.session_absolute_seconds),
        user_agent=request.headers.get("User-Agent", ""),
    )
    response = instead or see_other(safe_next(target))
    set_cookie(response, secret)
    remember_device(response, person_id)
    return response


def end_present_session(at: datetime) -> None:
    """End the session whose cookie came along, so that nobody goes on with a secret that was planted."""
    planted = request.cookies.get(cookie_name(), "")
    idle = timedelta(seconds=services().settings.session_idle_seconds)
    found = queries.person_by_session(session=g.db, secret_hash=hash_secret(planted), at=at, idle=idle)
    if found is not None:
        commands.revoke_session(session=g.db, actor=g.actor, at=at, person_id=found[0].id, session_id=found[1])


def anonymous(via: Via = "link") -> Actor:
    """Return the actor of a request before anybody is known."""
    return Actor(
        person_id=Actor.system("").person_id,
        label="",
        via=via,
        request_id=g.get("request_id", ""),
        source_address=request.remote_addr or "",
    )


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
        surround()
        return view(*args, **kwargs)

    guarded.public = False  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def operator_only(view: View) -> View:
    """Let only operators of the installation in; to everyone else the page does not exist."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        person = recognise_session()
        if person is None:
            return ask_to_sign_in()
        if not person.is_operator:
            abort(404)
        surround()
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
