"""API tokens: make one, see it once, revoke it."""

import secrets
from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.tokens import commands, queries
from tenants.office.tokens.forms import DAYS_CHOICES, DAYS_DEFAULT, OVERLAP_HOURS, read_token
from webapp.access.door import person_may, scopes_of_use
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Conflict, Invalid
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_tokens", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


def whose() -> UUID | None:
    """Return None for those who see everybody's tokens, else the person that looks."""
    everybody = person_may(Permission.TOKENS_TOKENS_ADMINISTER)
    return None if everybody else g.person.id


@bp.get("/tokens")
@requires(Permission.TOKENS_TOKENS_READ)
def list_tokens() -> Response:
    """List tokens."""
    return _page()


@bp.post("/tokens")
@requires(Permission.TOKENS_TOKENS_WRITE, confirm=True)
def create_token() -> Response:
    """Make a token and show it, once: the answer is the page itself, so that the secret is in no address."""
    values, draft = read_token(request.form)
    try:
        whole = commands.create_token(
            session=g.db,
            actor=g.actor,
            at=g.at,
            token_id=secrets.token_hex(8),
            secret=services().new_secret(),
            useful=scopes_of_use(),
            within=commands.Bounds(),
            draft=draft,
        )
    except (Invalid, Conflict) as error:
        return _page(status=422, values=values, errors=field_errors(error))
    return _page(status=201, made=whole)


@bp.post("/tokens/<token_id>/rotation")
@requires(Permission.TOKENS_TOKENS_WRITE, confirm=True)
def rotate_token(token_id: str) -> Response:
    """Give a token a new secret and show it, once; the old one works for a day more."""
    whole = commands.rotate_token(
        session=g.db,
        actor=g.actor,
        at=g.at,
        token_id=token_id,
        secret=services().new_secret(),
        within=commands.Bounds(),
        overlap_hours=OVERLAP_HOURS,
    )
    return _page(status=201, made=whole, rotated=queries.token(session=g.db, token_id=token_id, person_id=g.person.id))


@bp.post("/tokens/<token_id>/revocation")
@requires(Permission.TOKENS_TOKENS_WRITE)
def revoke_token(token_id: str) -> Response:
    """Revoke a token."""
    commands.revoke_token(session=g.db, actor=g.actor, at=g.at, token_id=token_id, person_id=whose())
    flash(_("The token was revoked; it no longer opens anything."), "success")
    return see_other(url_for("office_tokens.list_tokens"))


def _page(*, status: int = 200, **context: Any) -> Response:
    scopes = commands.offered(scopes_of_use())
    shown = {
        "tokens": queries.tokens(session=g.db, person_id=whose()),
        "everybody": whose() is None,
        "at": g.at,
        "scopes": scopes,
        "days_choices": DAYS_CHOICES,
        "values": {"name": "", "days": DAYS_DEFAULT, "scopes": []},
        "rotated": None,
        "person_id": g.person.id,
        "errors": {},
        "made": None,
        "api_root": f"/api/v1/t/{g.slug}",
    }
    return render("office/tokens/tokens.html", status=status, **(shown | context))
