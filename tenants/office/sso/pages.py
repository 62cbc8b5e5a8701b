"""Single sign-on of a workspace: which provider, and whether it is the only way in."""

from typing import Any

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.sso import commands
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Invalid
from webapp.sso.rules import READY
from webapp.web.addresses import outside
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other

bp = Blueprint("office_sso", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)

CALLBACK = "/sign-in/callback"


@bp.get("/single-sign-on")
@requires(Permission.MEMBERS_MEMBERS_READ)
def show() -> Response:
    """Show the provider."""
    return _page()


@bp.post("/single-sign-on")
@requires(Permission.MEMBERS_OWNERS_WRITE, confirm=True)
def set_provider() -> Response:
    """Set the provider up."""
    values = {
        name: request.form.get(name, "").strip() for name in ("kind", "name", "issuer", "client_id", "client_secret")
    }
    kind = READY.get(values["kind"], ("", ""))
    values["name"], values["issuer"] = values["name"] or kind[0], values["issuer"] or kind[1]
    draft = commands.ProviderDraft(**values, is_only_way=request.form.get("is_only_way") == "1")
    try:
        commands.set_provider(session=g.db, actor=g.actor, at=g.at, draft=draft)
    except Invalid as error:
        return _page(status=422, values={**values, "is_only_way": draft.is_only_way}, errors=field_errors(error))
    flash(_("Saved. Try it now: open the workspace through the provider."), "success")
    return see_other(url_for("office_sso.show"))


@bp.post("/single-sign-on/removal")
@requires(Permission.MEMBERS_OWNERS_WRITE, confirm=True)
def remove_provider() -> Response:
    """Take the provider away."""
    commands.remove_provider(session=g.db, actor=g.actor, at=g.at)
    flash(_("Single sign-on was taken away; members sign in with their own passwords and passkeys."), "success")
    return see_other(url_for("office_sso.show"))


def _page(*, status: int = 200, **context: Any) -> Response:
    found = commands.provider(session=g.db)
    values = (
        {"kind": "oidc", "name": "", "issuer": "", "client_id": "", "is_only_way": False}
        if found is None
        else {
            "kind": found.kind,
            "name": found.name,
            "issuer": found.issuer,
            "client_id": found.client_id,
            "is_only_way": g.tenant.sso_only,
        }
    )
    shown = {
        "provider": found,
        "kinds": [("oidc", _("Any provider (OpenID Connect)")), *((key, one[0]) for key, one in READY.items())],
        "values": values,
        "errors": {},
        "callback": outside(CALLBACK),
        "try_it": url_for("sso.start_of_workspace", workspace=g.slug),
    }
    return render("office/sso/single_sign_on.html", status=status, **(shown | context))
