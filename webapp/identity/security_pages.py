"""How a person shows who they are, on one page: password, passkeys, the app, recovery codes, sessions."""

import secrets

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _
from itsdangerous import BadData, URLSafeTimedSerializer

from webapp.identity import recovery, sessions, totp
from webapp.identity.codes import RECOVERY_CODES, address_for_apps, new_totp_secret
from webapp.identity.factors import factors_of
from webapp.identity.gate import confirmed, signed_in
from webapp.identity.qr import drawing
from webapp.identity.security import after_new_factor, security_page, show_new_codes
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("security", __name__)

SETTING_UP_SECONDS = 3600
ISSUER = "Comptoir"


@bp.get("/profile/security")
@signed_in
def overview() -> Response:
    """Show how the person signs in, and where they are signed in."""
    return security_page()


@bp.get("/profile/security/app")
@signed_in
@confirmed
def new_app() -> Response:
    """Show a new secret to share with an app; nothing is kept until the app has made the right code."""
    return _app_page(new_totp_secret(secrets.choice))


@bp.post("/profile/security/app")
@signed_in
@confirmed
def add_app() -> Response:
    """Keep the secret, once a code shows that the app has it."""
    try:
        secret = str(_shared().loads(request.form.get("shared", ""), max_age=SETTING_UP_SECONDS))
    except BadData:
        flash(_("That took longer than an hour, or began in another window. Here is a new code to scan."), "info")
        return see_other(url_for("security.new_app"))
    try:
        totp.add_app(
            session=g.db,
            actor=g.actor,
            at=g.at,
            keys=services().keys,
            person_id=g.person.id,
            secret=secret,
            code=request.form.get("code", ""),
        )
    except Invalid as error:
        return _app_page(secret, status=422, errors=field_errors(error))
    flash(_("The app is set up. It is asked for when you sign in with a password."), "success")
    return after_new_factor("app")


@bp.post("/profile/security/app/removal")
@signed_in
@confirmed
def remove_app() -> Response:
    """Let the app's codes open nothing any more."""
    totp.remove_app(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id)
    flash(_("The app was removed; its codes open nothing any more."), "success")
    return see_other(url_for("security.overview"))


@bp.post("/profile/security/recovery-codes")
@signed_in
@confirmed
def make_codes() -> Response:
    """Make ten new recovery codes and show them, once; those before them open nothing any more."""
    return show_new_codes()


@bp.post("/profile/security/recovery-codes/file")
@signed_in
@confirmed
def codes_file() -> Response:
    """Hand the codes that are shown to the browser as a file; only codes that are this person's are written."""
    typed = request.form.getlist("codes")[:RECOVERY_CODES]
    mine = recovery.known_codes(session=g.db, person_id=g.person.id, codes=typed)
    head = _("Recovery codes of %(email)s for Comptoir. Each works once.", email=g.person.email)
    response = Response("\r\n".join([head, "", *mine, ""]), content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="comptoir-recovery-codes.txt"'
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.post("/profile/security/sessions/revocation")
@signed_in
def revoke_others() -> Response:
    """End every session of the person but this one."""
    sessions.revoke_sessions(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, but=g.session_id)
    flash(_("Every other session has ended."), "success")
    return see_other(url_for("security.overview"))


def _app_page(secret: str, *, status: int = 200, errors: dict[str, str] | None = None) -> Response:
    return render(
        "identity/app.html",
        status=status,
        shared=_shared().dumps(secret),
        secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        drawing=drawing(address_for_apps(secret, email=g.person.email, issuer=ISSUER)),
        former_since=factors_of(session=g.db, person_id=g.person.id).app_since,
        errors=errors or {},
    )


def _shared() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(services().settings.secret_key, salt=f"app of {g.person.id}")
