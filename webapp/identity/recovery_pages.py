"""Sign in by mail, and a new password by mail: pages that never tell whether an account exists."""

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from webapp.identity import addresses, links, lockout, mailbox, passwords, queries, tokens
from webapp.identity.cookies import asked_cookie_name, remember_asking
from webapp.identity.door import anonymous, begin_session, recognise_session, remember
from webapp.identity.factors import has_second_factor
from webapp.identity.gate import first_page, public
from webapp.identity.password_rules import length_min
from webapp.identity.rules import is_email
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.limits import limit_sign_in
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("recovery", __name__)


@bp.get("/sign-in-by-mail")
@public
def sign_in_by_mail() -> Response:
    """Show where a link to sign in can be asked for."""
    return render("identity/ask_by_mail.html", purpose="magic", email="", errors={})


@bp.post("/sign-in-by-mail")
@public
@limit_sign_in
def post_sign_in_by_mail() -> Response:
    """Send a link to sign in to whoever has this address; only this browser can use it."""
    secret = request.cookies.get(asked_cookie_name(), "") or services().new_secret()
    response = _ask("magic", browser=secret)
    remember_asking(response, secret, int(mailbox.LIVES["magic"].total_seconds()))
    return response


@bp.get("/password-reset")
@public
def password_reset() -> Response:
    """Show where a link to a new password can be asked for."""
    return render("identity/ask_by_mail.html", purpose="reset", email="", errors={})


@bp.post("/password-reset")
@public
@limit_sign_in
def post_password_reset() -> Response:
    """Send a link to a new password to whoever has this address."""
    return _ask("reset")


def _ask(purpose: str, *, browser: str = "") -> Response:
    """Queue the mail; whether there is somebody to get it is found out by the job, after the answer."""
    recognise_session()
    email = request.form.get("email", "").replace("\0", "").strip()
    if not is_email(email):
        errors = {"email": _("This is not an e-mail address.")}
        return render("identity/ask_by_mail.html", status=422, purpose=purpose, email=email, errors=errors)
    mailbox.ask_for_link(
        session=g.db,
        actor=anonymous(),
        at=g.at,
        job_id=services().new_id(),
        email=email,
        purpose=purpose,
        browser=browser,
    )
    return see_other(url_for("recovery.sent", purpose=purpose))


@bp.get("/mail-sent/<any(magic, reset):purpose>")
@public
def sent(purpose: str) -> Response:
    """Say where to look now, in the same words for everybody."""
    return render("identity/mail_sent.html", purpose=purpose)


@bp.get("/sign-in-by-mail/<secret>")
@public
def mailed_link(secret: str) -> Response:
    """Offer to sign in: a button, so that a mail scanner does not use the link up."""
    recognise_session()
    try:
        links.person_of_link(session=g.db, at=g.at, secret=secret, purpose="magic", browser=_asked())
    except links.OtherBrowser as error:
        return render("identity/use_mailed_link.html", status=error.status, secret=secret, is_elsewhere=True)
    return render("identity/use_mailed_link.html", secret=secret, is_elsewhere=False)


@bp.post("/sign-in-by-mail/<secret>")
@public
@limit_sign_in
def use_mailed_link(secret: str) -> Response:
    """Use the link up and sign in."""
    recognise_session()
    person_id = links.use_mailed_link(session=g.db, at=g.at, secret=secret, purpose="magic", browser=_asked())
    g.pop("session_id", None)
    person = queries.people(session=g.db, ids={person_id})[person_id]
    remember(person, via="link")
    addresses.note_verified(session=g.db, actor=g.actor, at=g.at, person_id=person_id)
    lockout.forget(session=g.db, email=person.email)
    response = begin_session(person_id, first_page(person_id))
    response.delete_cookie(asked_cookie_name(), secure=services().settings.secure, httponly=True, samesite="Lax")
    return response


@bp.get("/password-reset/<secret>")
@public
def new_password(secret: str) -> Response:
    """Show the form of a new password."""
    recognise_session()
    return _new_password_page(secret, _whose(secret))


@bp.post("/password-reset/<secret>")
@public
@limit_sign_in
def post_new_password(secret: str) -> Response:
    """Set the new password; every session ends, and tokens if that is wished. Sign in with it then, as always."""
    recognise_session()
    person_id = _whose(secret)
    person = queries.people(session=g.db, ids={person_id})[person_id]
    g.actor = replace(anonymous(), person_id=person.id)
    try:
        passwords.set_password(
            session=g.db,
            actor=g.actor,
            at=g.at,
            person_id=person_id,
            email=person.email,
            name=person.name,
            password=request.form.get("password", ""),
            has_second_factor=has_second_factor(session=g.db, person_id=person_id),
        )
    except Invalid as error:
        return _new_password_page(secret, person_id, status=422, errors=field_errors(error))
    links.use_mailed_link(session=g.db, at=g.at, secret=secret, purpose="reset")
    links.spend_links(session=g.db, at=g.at, person_id=person_id, purposes=("magic",))
    addresses.note_verified(session=g.db, actor=g.actor, at=g.at, person_id=person_id)
    lockout.forget(session=g.db, email=person.email)
    if request.form.get("tokens"):
        tokens.revoke_tokens_of(session=g.db, actor=g.actor, at=g.at, person_id=person_id)
    flash(_("The password was changed. Sign in with it now."), "success")
    return see_other(url_for("identity.sign_in"))


def _asked() -> str:
    return request.cookies.get(asked_cookie_name(), "")


def _whose(secret: str) -> UUID:
    return links.person_of_link(session=g.db, at=g.at, secret=secret, purpose="reset")


def _new_password_page(
    secret: str, person_id: UUID, *, status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    return render(
        "identity/new_password.html",
        status=status,
        secret=secret,
        email=queries.people(session=g.db, ids={person_id})[person_id].email,
        tokens_count=tokens.living_tokens(session=g.db, person_id=person_id, at=g.at),
        length_min=length_min(has_second_factor=has_second_factor(session=g.db, person_id=person_id)),
        errors=errors or {},
    )
