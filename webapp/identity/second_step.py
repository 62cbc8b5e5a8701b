"""The second step of a sign-in: asked in the browser that took the first, which may nothing until then."""

from datetime import datetime
from uuid import UUID

from flask import Response, g, request, url_for

from webapp.identity.factors import factors_of
from webapp.identity.halfway import LIFE, Halfway, begin_halfway, halfway_of
from webapp.web.render import render, see_other
from webapp.web.state import services


def half_cookie_name() -> str:
    """Return the name of the cookie that binds the second step to the browser of the first."""
    return "__Host-comptoir-half" if services().settings.secure else "comptoir-half"


def ask_second_step(person_id: UUID, target: str) -> Response:
    """Remember the first step and ask for the second; what was typed when a session ended stays on the page."""
    secret, at = services().new_secret(), services().clock()
    begin_halfway(session=g.db, at=at, secret=secret, person_id=person_id, target=target)
    parcel = request.form.get("parcel", "")
    response = second_step_page(person_id, target, parcel=parcel) if parcel else see_other(url_for("second_step.ask"))
    response.set_cookie(
        half_cookie_name(),
        secret,
        max_age=int(LIFE.total_seconds()),
        secure=services().settings.secure,
        httponly=True,
        samesite="Lax",
        path="/",
    )
    return response


def present_halfway(at: datetime) -> Halfway | None:
    """Return whose second step this browser is to show."""
    secret = request.cookies.get(half_cookie_name(), "")
    return halfway_of(session=g.db, at=at, secret=secret) if secret else None


def second_step_page(person_id: UUID, target: str, *, parcel: str = "", error: str = "", status: int = 200) -> Response:
    """Show what the person can show besides the password."""
    shown = factors_of(session=g.db, person_id=person_id)
    return render("identity/second_step.html", status=status, factors=shown, target=target, parcel=parcel, error=error)
