"""Passkeys: what browsers ask for them, signing in with one, and those of a person on the security page."""

from uuid import UUID

from flask import Blueprint, Response, abort, flash, g, request, url_for
from flask_babel import gettext as _

from webapp.identity import passkeys, queries
from webapp.identity.ceremony import answered, asked, asked_for_new, new_challenge, site
from webapp.identity.door import anonymous, begin_session, recognise_session, remember, safe_next
from webapp.identity.gate import confirmed, first_page, public, signed_in, surround
from webapp.identity.interrupted import offer_again
from webapp.identity.parcel import unseal
from webapp.identity.security import after_new_factor, security_page
from webapp.kernel.db import bind_platform
from webapp.kernel.errors import DomainError, Invalid
from webapp.web.fields import field_errors
from webapp.web.limits import limit_sign_in, limiter, network
from webapp.web.render import render, see_other
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

bp = Blueprint("passkeys", __name__)

CHALLENGES = "120/minute"
"""For one network: every sign-in page that a browser opens asks for one."""


@bp.post("/passkeys/challenge/<purpose>")
@public
@limiter.limit(CHALLENGES, key_func=network)
def challenge(purpose: str) -> Response:
    """Tell a browser what to ask a passkey: to sign in, or to confirm who sits before it."""
    if purpose == "sign_in":
        bind_platform(open_unit())
        return asked([], new_challenge(purpose, None))
    person = recognise_session() if purpose == "confirmation" else None
    if person is None:
        abort(404)
    allowed = passkeys.credential_ids(session=g.db, person_id=person.id)
    return asked(allowed, new_challenge(purpose, person.id))


@bp.post("/sign-in/passkey")
@public
@limit_sign_in
def sign_in() -> Response:
    """Open a session for whoever's passkey answered: the device and its PIN, finger or face are two factors."""
    bind_platform(open_unit())
    target, sealed = safe_next(request.form.get("next")), request.form.get("parcel", "")
    g.actor = anonymous("session")
    try:
        answer = answered("credential", "sign_in", None)
        person_id = passkeys.use_passkey(session=g.db, actor=g.actor, at=services().clock(), answer=answer, site=site())
    except passkeys.PasskeyRefused as error:
        # The mark of a copied passkey stays, although the answer is a refusal.
        close_unit(commit=isinstance(error, passkeys.PasskeyCopied))
        said = _(error.text)
        return render("identity/sign_in.html", status=error.status, next=target, email="", error=said, parcel=sealed)
    remember(queries.people(session=g.db, ids={person_id})[person_id], via="session")
    parcel = unseal(sealed, person_id) if sealed else None
    surround()
    target = first_page(person_id) if target == "/" else target
    return begin_session(person_id, target, instead=offer_again(parcel) if parcel else None, second_factor=True)


@bp.post("/profile/security/passkeys/challenge")
@signed_in
@confirmed
def new_passkey() -> Response:
    """Tell a browser how to make a passkey for the person."""
    known = passkeys.credential_ids(session=g.db, person_id=g.person.id)
    return asked_for_new(known, new_challenge("registration", g.person.id))


@bp.post("/profile/security/passkeys")
@signed_in
@confirmed
def add_passkey() -> Response:
    """Keep the passkey that the browser has made."""
    name = request.form.get("name", "").strip()
    try:
        answer = answered("credential", "registration", g.person.id)
        passkeys.add_passkey(
            session=g.db,
            actor=g.actor,
            at=g.at,
            passkey_id=services().new_id(),
            person_id=g.person.id,
            name=name or _("Passkey"),
            answer=answer,
            site=site(),
        )
    except Invalid as error:
        return security_page(status=422, errors=field_errors(error), name=name)
    except DomainError as error:
        return security_page(status=422, errors={"form": _(error.text, **error.params)}, name=name)
    flash(_("The passkey is set up. With it you sign in without a password."), "success")
    return after_new_factor("passkey")


@bp.post("/profile/security/passkeys/<uuid:passkey_id>/name")
@signed_in
def rename(passkey_id: UUID) -> Response:
    """Give a passkey another name."""
    name = request.form.get("name", "").strip()
    try:
        passkeys.rename_passkey(
            session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, passkey_id=passkey_id, name=name
        )
    except Invalid as error:
        return security_page(status=422, errors=field_errors(error))
    flash(_("Saved."), "success")
    return see_other(url_for("security.overview"))


@bp.post("/profile/security/passkeys/<uuid:passkey_id>/removal")
@signed_in
@confirmed
def remove(passkey_id: UUID) -> Response:
    """Let a passkey open nothing any more."""
    passkeys.remove_passkey(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, passkey_id=passkey_id)
    flash(_("The passkey was removed here. Remove it from your device too, so that it is not offered."), "success")
    return see_other(url_for("security.overview"))
