"""Sign in and out, the first operator's link, the profile, the list of sessions."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from flask import Blueprint, Response, flash, g, redirect, request, url_for
from flask_babel import gettext as _

from webapp.identity import commands, queries
from webapp.identity.door import anonymous, clear_cookie, public, recognise_session, remember, set_cookie, signed_in
from webapp.identity.rules import hash_secret
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import DomainError, Invalid
from webapp.web.limits import limit_sign_in
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

bp = Blueprint("identity", __name__)


def safe_next(target: str | None) -> str:
    """Return the local path to go on to; never another site."""
    parts = urlsplit(target or "/")
    local = not parts.scheme and not parts.netloc and parts.path.startswith("/") and not parts.path.startswith("//")
    return target if target and local and "\\" not in target else "/"


def begin_session(person_id: UUID, target: str) -> Response:
    """Open a new session (the old one ends) and go on."""
    at, secret = services().clock(), services().new_secret()
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
    response = see_other(safe_next(target))
    set_cookie(response, secret)
    return response


@bp.get("/sign-in")
@public
def sign_in() -> Response:
    """Show the sign-in form."""
    if recognise_session() is not None:
        return redirect(safe_next(request.args.get("next")))  # type: ignore[return-value]
    return render("identity/sign_in.html", next=safe_next(request.args.get("next")), email="", error=None)


@bp.post("/sign-in")
@public
@limit_sign_in
def post_sign_in() -> Response:
    """Check address and password and open a session."""
    email = request.form.get("email", "").strip()
    target = safe_next(request.form.get("next"))
    session = open_unit()
    bind_platform(session)
    stored = queries.password_hash(session=session, email=email)
    close_unit(commit=True)
    try:
        person_id = commands.verify_password(stored=stored, password=request.form.get("password", ""))
    except commands.SignInRefused as error:
        return render("identity/sign_in.html", status=422, next=target, email=email, error=_(error.text))
    session = open_unit()
    bind_platform(session)
    person = queries.people(session=session, ids={person_id})[person_id]
    remember(person, via="session")
    return begin_session(person_id, target)


@bp.post("/sign-out")
@signed_in
def sign_out() -> Response:
    """End this browser's session."""
    commands.revoke_session(
        session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, session_id=g.session_id,
    )
    response = see_other(url_for("identity.sign_in"))
    clear_cookie(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@bp.get("/first-operator/<secret>")
@public
def first_operator(secret: str) -> Response:
    """Show the form that makes the first operator."""
    session = open_unit()
    bind_platform(session)
    usable = queries.usable_link(
        session=session, secret_hash=hash_secret(secret), purpose="first_operator", at=services().clock(),
    )
    if not usable:
        raise commands.LinkSpent
    return render("identity/first_operator.html", secret=secret, values={}, errors={})


@bp.post("/first-operator/<secret>")
@public
@limit_sign_in
def post_first_operator(secret: str) -> Response:
    """Make the first operator and sign them in."""
    session = open_unit()
    bind_platform(session)
    at = services().clock()
    values = {name: request.form.get(name, "").strip() for name in ("email", "name")}
    g.actor = anonymous()
    try:
        commands.use_link(session=session, at=at, secret=secret, purpose="first_operator")
        person_id = commands.add_person(
            session=session,
            actor=g.actor,
            at=at,
            person_id=services().new_id(),
            password=request.form.get("password", ""),
            is_operator=True,
            **values,
        )
    except commands.LinkSpent:
        raise
    except DomainError as error:
        return render("identity/first_operator.html", status=422, secret=secret, values=values,
                      errors=field_errors(error))
    remember(queries.people(session=session, ids={person_id})[person_id], via="link")
    return begin_session(person_id, "/")


def field_errors(error: DomainError) -> dict[str, str]:
    """Return translated messages by field; a refusal without fields stands under `form`."""
    if isinstance(error, Invalid) and error.errors:
        return {item.field: _(item.message, **item.params) for item in error.errors}
    return {"form": _(error.text, **error.params)}


@bp.get("/sign-in/<secret>")
@public
def sign_in_link(secret: str) -> Response:
    """Offer to use a one-time sign-in link: a button, so that a mail scanner does not use it up."""
    return render("identity/sign_in_link.html", secret=secret)


@bp.post("/sign-in/<secret>")
@public
@limit_sign_in
def post_sign_in_link(secret: str) -> Response:
    """Use a one-time sign-in link up."""
    session = open_unit()
    bind_platform(session)
    at = services().clock()
    person_id = commands.use_link(session=session, at=at, secret=secret, purpose="sign_in")
    if person_id is None:
        raise commands.LinkSpent
    remember(queries.people(session=session, ids={person_id})[person_id], via="link")
    return begin_session(person_id, "/")


@bp.get("/profile")
@signed_in
def profile() -> Response:
    """Show name, language, theme, density."""
    return render("identity/profile.html", values=g.person, errors={})


@bp.post("/profile")
@signed_in
def post_profile() -> Response:
    """Change them."""
    values: dict[str, Any] = {
        name: request.form.get(name, getattr(g.person, name)) for name in ("name", "language", "theme", "density")
    }
    try:
        commands.change_preferences(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, **values)
    except Invalid as error:
        return render("identity/profile.html", status=422, values=values, errors=field_errors(error))
    flash(_("Saved."), "success")
    return see_other(url_for("identity.profile"))


@bp.get("/profile/sessions")
@signed_in
def sessions() -> Response:
    """List where the person is signed in."""
    found = queries.sessions(session=g.db, person_id=g.person.id, at=g.at)
    return render("identity/sessions.html", sessions=found, current_id=g.session_id)


@bp.post("/profile/sessions/<uuid:session_id>/revocation")
@signed_in
def revoke_session(session_id: UUID) -> Response:
    """End one of them."""
    commands.revoke_session(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, session_id=session_id)
    flash(_("The session has ended."), "success")
    return see_other(url_for("identity.sessions"))
