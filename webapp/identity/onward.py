"""Go on after a confirmation: to the page that was wanted, or with the form that waited for it."""

from flask import Response, g, redirect, request

from webapp.identity import sessions
from webapp.identity.cookies import set_cookie
from webapp.identity.door import recognise_session, safe_next
from webapp.identity.gate import ask_to_sign_in, surround
from webapp.identity.interrupted import offer_again
from webapp.identity.parcel import Parcel, is_secret
from webapp.web.render import see_other
from webapp.web.state import services

SAME_FORM = 307
"""The browser sends the same form once more, to where it was headed (RFC 9110, 15.4.8)."""


def go_on(
    parcel: Parcel | None, target: str, *, means: str, second_factor: bool = False, is_elsewhere: bool = False
) -> Response:
    """Note the confirmation and go on: to the page, or with the form that was kept.

    A browser that was elsewhere meanwhile has no form to send once more, and offers it.
    """
    if recognise_session() is None:
        return ask_to_sign_in()
    secret = confirmed_by(means, second_factor=second_factor)
    if parcel is None:
        response = see_other(target)
    elif parcel.files or is_elsewhere:
        surround()
        response = offer_again(parcel, is_confirmed=True)
    else:
        response = redirect(target, SAME_FORM)  # type: ignore[assignment] # werkzeug's answer is Flask's
    set_cookie(response, secret)
    return response


def confirmed_by(means: str, *, second_factor: bool) -> str:
    """Note that it was shown who sits here; return the session's new secret, for the cookie of the answer."""
    secret = services().new_secret()
    sessions.confirm_session(
        session=g.db,
        actor=g.actor,
        at=g.at,
        session_id=g.session_id,
        secret=secret,
        means=means,
        second_factor=second_factor,
    )
    return secret


def carried() -> Parcel | None:
    """Return the form that goes on afterwards; None when a page was asked for."""
    if request.form.get("confirm_kind") != "form":
        return None
    fields = tuple((name, value) for name, value in request.form.items(multi=True) if not is_secret(name))
    return Parcel(safe_next(request.form.get("confirm_to")), fields, tuple(request.form.getlist("confirm_file")))
