"""What is left of a workspace for those who owned it: the certificate of its erasure."""

from datetime import datetime
from uuid import UUID

from flask import Blueprint, Response, g

from webapp.backups import erasures
from webapp.identity.gate import signed_in
from webapp.web.render import render

bp = Blueprint("erasures", __name__, url_prefix="/erasures")


@bp.get("/<uuid:erasure_id>")
@signed_in
def show(erasure_id: UUID) -> Response:
    """Show what was erased and when."""
    found = erasures.erased(session=g.db, erasure_id=erasure_id, person_id=g.person.id, at=g.at)
    said = found.said
    return render("platform/erasure.html", erasure=found, said=said, at=datetime.fromisoformat(said["at"]))


@bp.get("/<uuid:erasure_id>/certificate")
@signed_in
def download(erasure_id: UUID) -> Response:
    """Give the certificate as a file, as it was signed."""
    found = erasures.erased(session=g.db, erasure_id=erasure_id, person_id=g.person.id, at=g.at)
    name = f"erasure-{found.said['before']['slug']}.json"
    headers = {"Content-Disposition": f"attachment; filename={name}", "Cache-Control": "no-store"}
    return Response(found.certificate, mimetype="application/json", headers=headers)
