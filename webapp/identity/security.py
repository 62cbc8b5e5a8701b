"""The page on which a person sees how they sign in, and what follows when a factor is added to it."""

import secrets

from flask import Response, g, request, url_for

from webapp.identity import queries, recovery, sessions
from webapp.identity.codes import new_recovery_codes
from webapp.identity.cookies import set_cookie
from webapp.identity.door import safe_next
from webapp.identity.factors import factors_of
from webapp.identity.onward import confirmed_by
from webapp.web.render import render, see_other


def security_page(*, status: int = 200, errors: dict[str, str] | None = None, name: str = "") -> Response:
    """Show the page of security; `errors` and `name` are those of a passkey that was not kept."""
    return render(
        "identity/security.html",
        status=status,
        errors=errors or {},
        name=name,
        is_needed="needed" in request.args,
        onward=safe_next(f"/t/{request.args.get('needed', '')}/"),
        factors=factors_of(session=g.db, person_id=g.person.id),
        sessions=queries.sessions(session=g.db, person_id=g.person.id, at=g.at),
        current_id=g.session_id,
    )


def after_new_factor(means: str) -> Response:
    """Note that the new factor was shown, under a new secret of the session; make recovery codes where there are none.

    Every other session of the person goes on under a new secret too, and without the second factor.
    """
    sessions.ask_for_renewal(session=g.db, person_id=g.person.id)
    secret = confirmed_by(means, second_factor=True)
    left = factors_of(session=g.db, person_id=g.person.id).recovery_codes_left
    response = see_other(url_for("security.overview")) if left else show_new_codes()
    set_cookie(response, secret)
    return response


def show_new_codes() -> Response:
    """Make ten new recovery codes and show them, once."""
    codes = new_recovery_codes(secrets.choice)
    recovery.replace_codes(session=g.db, actor=g.actor, at=g.at, person_id=g.person.id, codes=codes)
    return render("identity/recovery_codes.html", status=201, codes=codes)
