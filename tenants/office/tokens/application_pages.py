"""Registered programs: which ones people of the workspace may let act for them."""

import secrets
from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.tokens import applications, commands
from webapp.access.door import scopes_of_use
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_applications", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/applications")
@requires(Permission.TOKENS_TOKENS_READ)
def list_applications() -> Response:
    """List registered programs."""
    return _page()


@bp.post("/applications")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def register_application() -> Response:
    """Register a program and show its secret, once."""
    uris = request.form.get("redirect_uris", "")
    values: dict[str, Any] = {
        "name": request.form.get("name", "").strip(),
        "redirect_uris": uris,
        "scopes": request.form.getlist("scopes"),
        "is_public": request.form.get("is_public") == "1",
    }
    draft = applications.ApplicationDraft(
        values["name"], tuple(uris.split()), frozenset(values["scopes"]), values["is_public"]
    )
    client_id, secret = f"app_{secrets.token_hex(12)}", services().new_secret()
    try:
        applications.register_application(
            session=g.db,
            actor=g.actor,
            at=g.at,
            client_id=client_id,
            secret=secret,
            useful=scopes_of_use(),
            within=commands.Bounds(),
            draft=draft,
        )
    except Invalid as error:
        return _page(status=422, values=values, errors=field_errors(error))
    return _page(status=201, made_id=client_id, made_secret="" if draft.is_public else secret)


@bp.post("/applications/<client_id>/disablement")
@requires(Permission.TOKENS_TOKENS_ADMINISTER, confirm=True)
def disable_application(client_id: str) -> Response:
    """Disable a program for good."""
    applications.disable_application(session=g.db, actor=g.actor, at=g.at, client_id=client_id)
    flash(_("The program is disabled; what people granted it has ended."), "success")
    return see_other(url_for("office_applications.list_applications"))


def _page(*, status: int = 200, **context: Any) -> Response:
    scopes = commands.offered(scopes_of_use())
    shown = {
        "applications": applications.applications(session=g.db),
        "scopes": scopes,
        "values": {"name": "", "redirect_uris": "", "scopes": [], "is_public": False},
        "errors": {},
        "made_id": "",
        "made_secret": "",
    }
    return render("office/tokens/applications.html", status=status, **(shown | context))
