"""The page that asks to confirm who sits before it, and what it leads to."""

from flask import Blueprint, Response, g, request
from flask_babel import gettext as _

from webapp.identity import passwords, queries
from webapp.identity.attempts import guessing
from webapp.identity.ceremony import answered, site
from webapp.identity.confirmation import confirm_page
from webapp.identity.door import recognise_session, safe_next
from webapp.identity.gate import ask_to_sign_in, signed_in, surround
from webapp.identity.lockout import TooManyAttempts
from webapp.identity.onward import carried, go_on
from webapp.identity.parcel import Parcel
from webapp.identity.passkeys import PasskeyCopied, PasskeyRefused, use_passkey
from webapp.identity.totp import use_code
from webapp.kernel.db import bind_platform
from webapp.web.limits import limit_sign_in
from webapp.web.state import services
from webapp.web.unit import close_unit, open_unit

bp = Blueprint("confirmation", __name__)


@bp.get("/confirmation")
@signed_in
def ask() -> Response:
    """Ask who sits before the page that was asked for."""
    return confirm_page(None, target=safe_next(request.args.get("next")), second="second" in request.args)


ask.is_way_out = True  # type: ignore[attr-defined] # also for a session that opens one workspace alone


@bp.post("/confirmation")
@signed_in
@limit_sign_in
def confirm() -> Response:
    """Look at what confirms, give the session a new secret, and go on with what was wanted."""
    parcel = carried()
    target = safe_next(request.form.get("confirm_to"))
    code = request.form.get("confirm_code", "").strip()
    if request.form.get("confirm_passkey"):
        return _by_passkey(parcel, target)
    try:
        if code:
            _by_code(code)
        else:
            _by_password()
    except passwords.SignInRefused as error:
        wrong = _("This code does not open it. A code of the app counts once; wait for the next and type that one.")
        return _again(parcel, target, error.status, wrong if code else _("This is not your password. Try again."))
    except (passwords.SignInBusy, TooManyAttempts) as error:
        return _again(parcel, target, error.status, _(error.text, **error.params))
    return go_on(parcel, target, means="app" if code else "password", second_factor=bool(code))


def _by_passkey(parcel: Parcel | None, target: str) -> Response:
    try:
        answer = answered("confirm_passkey", "confirmation", g.person.id)
        use_passkey(session=g.db, actor=g.actor, at=g.at, answer=answer, site=site(), person_id=g.person.id)
    except PasskeyRefused as error:
        # The mark of a copied passkey stays, although the answer is a refusal.
        close_unit(commit=isinstance(error, PasskeyCopied))
        return _again(parcel, target, error.status, _(error.text))
    return go_on(parcel, target, means="passkey", second_factor=True)


def _by_password() -> None:
    stored = queries.password_hash(session=g.db, email=g.person.email)
    close_unit(commit=True)
    with guessing(g.person.email, device=str(g.session_id)):
        passwords.verify_password(stored=stored, password=request.form.get("confirm_password", ""))


def _by_code(code: str) -> None:
    close_unit(commit=True)
    with guessing(g.person.email, device=str(g.session_id)):
        bind_platform(open_unit())
        is_right = use_code(session=g.db, at=g.at, keys=services().keys, person_id=g.person.id, code=code)
        close_unit(commit=is_right)
        if not is_right:
            raise passwords.SignInRefused


def _again(parcel: Parcel | None, target: str, status: int, error: str) -> Response:
    if recognise_session() is None:
        return ask_to_sign_in()
    surround()
    second = "confirm_second" in request.form
    return confirm_page(parcel, target=target, status=status, error=error, second=second)
