"""The workspace's own export: everything in it as files that any program reads, made by a job, kept for seven days."""

from uuid import UUID

from flask import Blueprint, Response, flash, g, request, url_for
from flask_babel import gettext as _

from tenants.door import PAGES_PREFIX, guard_room
from tenants.office.exports import commands
from tenants.office.exports.answers import given
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.backups.exports import ask
from webapp.web.render import render, see_other
from webapp.web.state import services

bp = Blueprint("office_exports", __name__, url_prefix=PAGES_PREFIX)
guard_room(bp)


@bp.get("/exports")
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT)
def list_exports() -> Response:
    """List the exports that are kept."""
    found = commands.exports(session=g.db, at=g.at)
    moving = any(one.state == "making" for one in found)
    return render(
        "office/exports/exports.html",
        exports=found,
        poll_href=url_for("office_exports.list_exports") if moving else None,
    )


@bp.post("/exports")
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT, confirm=True)
def make_export() -> Response:
    """Let an export be made."""
    ask(
        session=g.db,
        actor=g.actor,
        at=g.at,
        export_id=services().new_id(),
        with_xml=request.form.get("xml") == "yes",
    )
    flash(_("The export is being made. It stays here for seven days."), "success")
    return see_other(url_for("office_exports.list_exports"))


@bp.get("/exports/<uuid:export_id>/file")
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT, confirm=True)
def download_export(export_id: UUID) -> Response:
    """Give an export as a file."""
    return given(export_id)
