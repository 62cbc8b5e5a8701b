"""The page on which an account is shared with single members, with all accounts below it."""

from typing import Any
from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.money.accounts.names import spoken
from tenants.money.accounts.sharing import MAY, day_end, share, shares_of
from tenants.money.accounts.shown import known_account
from tenants.office.access import commands, queries
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import Conflict, Invalid, NotFound
from webapp.web.fields import field_errors
from webapp.web.render import render, see_other

bp = Blueprint("money_sharing", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/accounts/<int:account_id>/sharing")
@requires(Permission.ACCESS_ROLES_READ)
def show_sharing(account_id: int) -> Response:
    """Show with whom an account is shared, and the form to share it."""
    return _page(account_id)


@bp.post("/accounts/<int:account_id>/sharing")
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def share_account(account_id: int) -> Response:
    """Share an account with a member until a day's end (UTC)."""
    values = {name: request.form.get(name, "").strip() for name in ("person_id", "may", "until", "note")}
    try:
        share(
            account_id,
            person_id=_uuid(values["person_id"]),
            may=values["may"],
            until=day_end(values["until"]),
            note=values["note"],
        )
    except (Invalid, Conflict) as error:
        return _page(account_id, status=422, values=values, errors=field_errors(error))
    flash(_("The account is shared from now on."), "success")
    return see_other(url_for("money_sharing.show_sharing", account_id=account_id))


@bp.post("/accounts/<int:account_id>/sharing/<uuid:access_grant_id>/removal")
@requires(Permission.ACCESS_GRANTS_WRITE, confirm=True)
def end_sharing(account_id: int, access_grant_id: UUID) -> Response:
    """Stop sharing before its end."""
    if access_grant_id not in {one.grant.id for one in shares_of(known_account(account_id))}:
        raise NotFound
    commands.revoke_grant(session=g.db, actor=g.actor, at=g.at, grant_id=access_grant_id)
    flash(_("The account is no longer shared with this member."), "success")
    return see_other(url_for("money_sharing.show_sharing", account_id=account_id))


def _page(
    account_id: int, *, status: int = 200, values: dict[str, str] | None = None, errors: dict[str, str] | None = None
) -> Response:
    account = spoken(known_account(account_id))
    members = queries.members(session=g.db)
    shown: dict[str, Any] = {"person_id": "", "may": "see", "until": "", "note": ""}
    return render(
        "money/accounts/sharing.html",
        status=status,
        account=account,
        shares=shares_of(account),
        members=members,
        names={one.person_id: one.name or one.email for one in members},
        may_words={name: _(words) for name, (words, _permissions) in MAY.items()},
        values=shown | (values or {}),
        errors=errors or {},
    )


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
