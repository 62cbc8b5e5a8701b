"""How an export is given, by a page and by the API."""

from uuid import UUID

from flask import Response, g
from flask_babel import gettext as _

from tenants.office.exports import commands
from webapp.backups.exports import pieces
from webapp.web.state import services


def given(export_id: UUID) -> Response:
    """Give an export as a file, read piece by piece."""
    found = commands.give(
        session=g.db, actor=g.actor, at=g.at, export_id=export_id, workspace=g.slug, what=_("All of the workspace")
    )
    content = pieces(database=services().database, tenant_id=g.tenant.id, export_id=export_id)
    name = f"{g.slug}-{found.created_at:%Y%m%dT%H%M%SZ}.zip"
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-store"}
    answer = Response(content, mimetype="application/zip", headers=headers)
    answer.content_length = found.size_bytes
    return answer
