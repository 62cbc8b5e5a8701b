"""Sign in and out, the first operator's link, the profile, the list of sessions."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, redirect, request, url_for
from flask_babel import gettext as _

from webapp.identity import links, passwords, people, queries, tokens
from webapp.identity import sessions as session_commands
from webapp.identity.attempts import guessing
from webapp.identity.confirmation import need_confirmation
from webapp.identity.cookies import clear_cookie, known_device
from webapp.identity.door import anonymous, begin_session, recognise_session, remember, safe_next
from webapp.identity.factors import has_second_factor
from webapp.identity.gate import first_page, public, signed_in, surround
from webapp.identity.interrupted import offer_again
from webapp.identity.lockout import TooManyAttempts
from webapp.identity.parcel import unseal
from webapp.identity.password_rules import is_too_short, length_min
from webapp.identity.rules import hash_secret
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import DomainError, Invalid
from webapp.web.fields import field_errors
from webapp.web.limits import limit_sign_in
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

bp = Blueprint("identity", __name__)


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
    email = request.form.get("email", "").replace("\0", "").strip()
    target = safe_next(request.form.get("next"))
    session = open_unit()
    bind_platform(session)
    stored = queries.password_hash(session=session, email=email)
    close_unit(commit=True)
    try:
        with guessing(email, device=known_device(stored[0]) if stored else ""):
            person_id = passwords.verify_password(stored=stored, password=request.form.get("password", ""))
    except (passwords.SignInRefused, passwords.SignInBusy, TooManyAttempts) as error:
        response = render(
            "identity/sign_in.html",
            status=error.status,
            next=target,
            email=email,
            error=_(error.text, **error.params),
            parcel=request.form.get("parcel", ""),
        )
        if isinstance(error, TooManyAttempts):
            response.headers["Retry-After"] = str(error.params["seconds"])
        return response
    session = open_unit()
    bind_platform(session)
    person = queries.people(session=session, ids={person_id})[person_id]
    remember(person, via="session")
    sealed = request.form.get("parcel", "")
    parcel = unseal(sealed, person_id) if sealed else None
    if sealed and parcel is None:
        flash(_("What was typed here before is not shown: it is too old, or somebody else typed it."), "info")
        return begin_session(person_id, "/")
    surround()
    target = first_page(person_id) if target == "/" else target
    has_second = has_second_factor(session=session, person_id=person_id)
    if parcel is None and is_too_short(request.form.get("password", ""), has_second_factor=has_second):
        flash(_("Your password is too short to stand alone. Choose a longer one."), "warning")
        target = url_for("identity.password")
    return begin_session(person_id, target, instead=offer_again(parcel) if parcel else None)


@bp.post("/sign-out")
@signed_in
def sign_out() -> Response:
    """End this browser's session."""
    session_commands.revoke_session(
        session=g.db,
        actor=g.actor,
        at=g.at,
        person_id=g.person.id,
        session_id=g.session_id,
    )
    response = see_other(url_for("identity.sign_in"))
    clear_cookie(response)
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


sign_out.is_way_out = True  # type: ignore[attr-defined] # also for a session that opens one workspace alone


@bp.get("/first-operator/<secret>")
@public
def first_operator(secret: str) -> Response:
    """Show the form that makes the first operator."""
    session = open_unit()
    bind_platform(session)
    usable = queries.usable_link(
        session=session,
        secret_hash=hash_secret(secret),
        purpose="first_operator",
        at=services().clock(),
    )
    if not usable:
        raise links.LinkSpent
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
        links.use_link(session=session, at=at, secret=secret, purpose="first_operator")
        person_id = people.add_person(
            session=session,
            actor=g.actor,
            at=at,
            person_id=services().new_id(),
            password=request.form.get("password", ""),
            is_operator=True,
            **values,
        )
    except links.LinkSpent:
        raise
    except DomainError as error:
        return render(
            "identity/first_operator.html", status=422, secret=secret, values=values, errors=field_errors(error)
        )
    remember(queries.people(session=session, ids={person_id})[person_id], via="link")
    return begin_session(person_id, "/")


@bp.get("/sign-in/<secret>")
@public
def sign_in_link(secret: str) -> Response:
    """Offer to use a one-time sign-in link: a button, so that a mail scanner does not use it up."""
    session = open_unit()
    bind_platform(session)
    if not queries.usable_link(
        session=session, secret_hash=hash_secret(secret), purpose="sign_in", at=services().clock()
    ):
        raise links.SignInLinkSpent
    return render("identity/sign_in_link.html", secret=secret)


@bp.post("/sign-in/<secret>")
@public
@limit_sign_in
def post_sign_in_link(secret: str) -> Response:
    """Use a one-time sign-in link up."""
    session = open_unit()
    bind_platform(session)
    at = services().clock()
    person_id = links.use_link(session=session, at=at, secret=secret, purpose="sign_in")
    if person_id is None:
        raise links.SignInLinkSpent
    remember(queries.people(session=session, ids={person_id})[person_id], via="link")
    return begin_session(person_id, first_page(person_id))


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
        people.change_preferences(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, **values)
    except Invalid as error:
        return render("identity/profile.html", status=422, values=values, errors=field_errors(error))
    flash(_("Saved."), "success")
    return see_other(url_for("identity.profile"))


@bp.get("/profile/password")
@signed_in
def password() -> Response:
    """Show the form of a new password."""
    return _password_page()


@bp.post("/profile/password")
@signed_in
@limit_sign_in
def post_password() -> Response:
    """Set a new password, once the present one was given; every session ends and this browser gets a new one."""
    stored = queries.password_hash(session=g.db, email=g.person.email)
    new = request.form.get("password", "")
    if stored is None:
        need_confirmation()
    try:
        if stored is not None:
            with guessing(g.person.email, device=str(g.session_id)):
                passwords.verify_password(stored=stored, password=request.form.get("current", ""))
        passwords.set_password(
            session=g.db,
            actor=g.actor,
            at=g.at,
            person_id=g.person.id,
            email=g.person.email,
            name=g.person.name,
            password=new,
            has_second_factor=has_second_factor(session=g.db, person_id=g.person.id),
        )
    except (passwords.SignInRefused, passwords.SignInBusy):
        return _password_page(status=422, errors={"current": _("This is not your present password.")})
    except TooManyAttempts as error:
        return _password_page(status=429, errors={"form": _(error.text, **error.params)})
    except Invalid as error:
        return _password_page(status=422, errors=field_errors(error))
    if request.form.get("tokens"):
        tokens.revoke_tokens_of(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id)
    flash(_("The password was changed. Every other session has ended."), "success")
    return begin_session(g.person.id, url_for("identity.profile"))


def _password_page(status: int = 200, errors: dict[str, str] | None = None) -> Response:
    has_password = queries.password_hash(session=g.db, email=g.person.email) is not None
    return render(
        "identity/password.html",
        status=status,
        has_password=has_password,
        tokens_count=tokens.living_tokens(session=g.db, person_id=g.person.id, at=g.at),
        length_min=length_min(has_second_factor=has_second_factor(session=g.db, person_id=g.person.id)),
        errors=errors or {},
    )


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
    session_commands.revoke_session(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, session_id=session_id)
    flash(_("The session has ended."), "success")
    return see_other(url_for("identity.sessions"))
