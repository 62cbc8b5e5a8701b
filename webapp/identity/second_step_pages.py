"""The page of the second step of a sign-in."""

from dataclasses import replace

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from webapp.identity import queries
from webapp.identity.attempts import guessing
from webapp.identity.cookies import known_device
from webapp.identity.door import anonymous, begin_session, remember
from webapp.identity.gate import first_page, public, surround
from webapp.identity.halfway import Halfway, end_halfway
from webapp.identity.interrupted import offer_again
from webapp.identity.lockout import TooManyAttempts
from webapp.identity.parcel import unseal
from webapp.identity.passwords import SignInRefused
from webapp.identity.recovery import use_recovery_code
from webapp.identity.second_step import (
    half_cookie_name,
    present_halfway,
    second_step_page,
)
from webapp.identity.totp import use_code
from webapp.kernel.db import bind_platform
from webapp.web.limits import limit_sign_in
from webapp.web.render import see_other
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

bp = Blueprint("second_step", __name__)


@bp.get("/sign-in/second-step")
@public
def ask() -> Response:
    """Ask for the second factor."""
    half = _halfway()
    return _too_late() if half is None else second_step_page(half.person_id, half.target)


@bp.post("/sign-in/second-step")
@public
@limit_sign_in
def show() -> Response:
    """Look at the second factor and open the session."""
    half = _halfway()
    if half is None:
        return _too_late()
    parcel = request.form.get("parcel", "")
    g.actor = anonymous("session")
    close_unit(commit=True)
    try:
        with guessing(half.email, device=f"second step {known_device(half.person_id)}"):
            _use(half)
    except SignInRefused:
        error = _("This code does not open it. A code of the app counts once; wait for the next and type that one.")
        return _again(half, parcel, 422, error)
    except TooManyAttempts as refusal:
        response = _again(half, parcel, 429, _(refusal.text, **refusal.params))
        response.headers["Retry-After"] = str(refusal.params["seconds"])
        return response
    bind_platform(open_unit())
    remember(queries.people(session=g.db, ids={half.person_id})[half.person_id], via="session")
    return complete(half, parcel)


def complete(half: Halfway, sealed: str) -> Response:
    """Open the session that both steps were for, and go on with what was typed before."""
    end_halfway(session=g.db, secret=request.cookies.get(half_cookie_name(), ""))
    parcel = unseal(sealed, half.person_id) if sealed else None
    surround()
    target = first_page(half.person_id) if half.target == "/" else half.target
    instead = offer_again(parcel) if parcel else None
    response = begin_session(half.person_id, target, instead=instead, second_factor=True)
    response.delete_cookie(half_cookie_name(), secure=services().settings.secure, httponly=True, samesite="Lax")
    return response


def _use(half: Halfway) -> None:
    """Use up what was typed, committed before the session is opened.

    Raises SignInRefused.
    """
    session, at = open_unit(), services().clock()
    bind_platform(session)
    recovery_code = request.form.get("recovery_code", "").strip()
    if recovery_code:
        actor = replace(g.actor, person_id=half.person_id)
        is_right = use_recovery_code(session=session, actor=actor, at=at, person_id=half.person_id, code=recovery_code)
    else:
        typed = request.form.get("code", "")
        is_right = use_code(session=session, at=at, keys=services().keys, person_id=half.person_id, code=typed)
    close_unit(commit=is_right)
    if not is_right:
        raise SignInRefused


def _again(half: Halfway, parcel: str, status: int, error: str) -> Response:
    bind_platform(open_unit())
    return second_step_page(half.person_id, half.target, parcel=parcel, status=status, error=error)


def _halfway() -> Halfway | None:
    bind_platform(open_unit())
    return present_halfway(services().clock())


def _too_late() -> Response:
    flash(_("That took longer than 10 minutes, or began in another browser. Please sign in once more."), "info")
    return see_other(url_for("identity.sign_in"))
