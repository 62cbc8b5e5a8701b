"""The address of a person: is it theirs, and change it with a yes from both mailboxes."""

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from webapp.identity import addresses, links, mailbox
from webapp.identity.door import anonymous, recognise_session
from webapp.identity.gate import confirmed, public, signed_in
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.limits import limit_sign_in
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("addresses", __name__)


@bp.get("/profile/email")
@signed_in
def address() -> Response:
    """Show the address, whether it is proved, and a change that waits."""
    return _page()


@bp.post("/profile/email")
@signed_in
@confirmed
@limit_sign_in
def ask_to_change() -> Response:
    """Ask both mailboxes to agree to another address."""
    new = request.form.get("email", "").replace("\0", "").strip()
    try:
        addresses.ask_to_change(
            session=g.db,
            actor=g.actor,
            at=g.at,
            change_id=services().new_id(),
            job_id=services().new_id(),
            person_id=g.person.id,
            old=g.person.email,
            new=new,
            secrets=(services().new_secret(), services().new_secret()),
        )
    except Invalid as error:
        return _page(status=422, email=new, errors=field_errors(error))
    flash(_("Look into both mailboxes: the address changes when both have agreed."), "info")
    return see_other(url_for("addresses.address"))


@bp.post("/profile/email/withdrawal")
@signed_in
def withdraw() -> Response:
    """Keep the present address."""
    addresses.withdraw_change(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id)
    flash(_("Your address stays as it is."), "success")
    return see_other(url_for("addresses.address"))


@bp.post("/profile/email/verification")
@signed_in
@limit_sign_in
def ask_to_verify() -> Response:
    """Send a link that proves the address."""
    mailbox.ask_for_link(
        session=g.db, actor=g.actor, at=g.at, job_id=services().new_id(), email=g.person.email, purpose="verify"
    )
    flash(_("A mail with a link is on its way."), "info")
    return see_other(url_for("addresses.address"))


@bp.get("/email-verification/<secret>")
@public
def verification(secret: str) -> Response:
    """Offer to prove the address: a button, so that a mail scanner does not do it."""
    recognise_session()
    links.person_of_link(session=g.db, at=g.at, secret=secret, purpose="verify")
    return render("identity/confirm_email.html", action=url_for("addresses.verify", secret=secret), change=None)


@bp.post("/email-verification/<secret>")
@public
@limit_sign_in
def verify(secret: str) -> Response:
    """Note that the address is theirs."""
    recognise_session()
    person_id = links.use_mailed_link(session=g.db, at=g.at, secret=secret, purpose="verify")
    addresses.note_verified(session=g.db, actor=g.get("actor") or anonymous(), at=g.at, person_id=person_id)
    return _done(_("Thank you. This address is confirmed."))


@bp.get("/email-confirmation/<secret>")
@public
def confirmation(secret: str) -> Response:
    """Ask a mailbox whether the change of address is wanted."""
    recognise_session()
    change, _side = addresses.change_of_link(session=g.db, at=g.at, secret=secret)
    return render("identity/confirm_email.html", action=url_for("addresses.confirm", secret=secret), change=change)


@bp.post("/email-confirmation/<secret>")
@public
@limit_sign_in
def confirm(secret: str) -> Response:
    """Say yes for one mailbox."""
    recognise_session()
    actor = g.get("actor") or anonymous()
    waiting = addresses.confirm_change(session=g.db, actor=actor, at=g.at, secret=secret)
    if waiting is None:
        return _done(_("The address was changed. Sign in with the new one from now on."))
    return _done(_("Thank you. Now the other mailbox: the address changes when both have agreed."))


def _done(said: str) -> Response:
    flash(said, "success")
    return see_other(url_for("addresses.address") if g.get("person") else url_for("identity.sign_in"))


def _page(*, status: int = 200, email: str = "", errors: dict[str, str] | None = None) -> Response:
    return render(
        "identity/email.html",
        status=status,
        verified_at=addresses.verified_at(session=g.db, person_id=g.person.id),
        change=addresses.open_change(session=g.db, at=g.at, person_id=g.person.id),
        email=email,
        errors=errors or {},
    )
