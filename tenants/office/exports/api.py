"""JSON API of the workspace's own export."""

from typing import Any, Literal
from uuid import UUID

from flask import Response, g, jsonify, make_response
from pydantic import BaseModel, ConfigDict, Field

from tenants.door import api_room
from tenants.office.exports import commands
from tenants.office.exports.answers import given
from tenants.schemas import Body, Instant, WorkspacePath, instant
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.backups.exports import ExportView, ask
from webapp.web.state import services

bp = api_room("api_exports", __name__, tag="workspace")


class ExportIn(Body):
    """An export to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"xml": False}]})

    xml: bool = Field(False, description="Write every table as XML too.")


class ExportOut(BaseModel):
    """One export; its job has the same id."""

    id: UUID
    xml: bool
    state: Literal["making", "ready", "failed"]
    created_by: UUID
    created_at: Instant
    expires_at: Instant
    size_bytes: int | None
    sha256: str | None


class ExportsOut(BaseModel):
    """The exports that are kept, newest first."""

    data: list[ExportOut]


class ExportPath(WorkspacePath):
    """One export of a workspace."""

    export_id: UUID


def export_out(one: ExportView) -> dict[str, Any]:
    """Write an export for JSON."""
    return {
        "id": str(one.id),
        "xml": one.with_xml,
        "state": one.state,
        "created_by": str(one.created_by),
        "created_at": instant(one.created_at),
        "expires_at": instant(one.expires_at),
        "size_bytes": one.size_bytes,
        "sha256": one.sha256,
    }


@bp.get("/exports", responses={200: ExportsOut}, operation_id="listExports", summary="List exports of the workspace")
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT)
def list_exports(path: WorkspacePath) -> Response:
    """List exports that are kept, newest first: at most five, for seven days each."""
    return jsonify(data=[export_out(one) for one in commands.exports(session=g.db, at=g.at)])


@bp.post("/exports", responses={202: ExportOut}, operation_id="makeExport", summary="Make an export of the workspace")
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT)
def make_export(path: WorkspacePath, body: ExportIn) -> Response:
    """Let a job make an export: JSON lines, CSV, statement files, the trail with its proof; 409 while one is made."""
    made = ask(session=g.db, actor=g.actor, at=g.at, export_id=services().new_id(), with_xml=body.xml)
    return make_response(jsonify(export_out(made)), 202)


@bp.get("/exports/<uuid:export_id>", responses={200: ExportOut}, operation_id="getExport", summary="Get an export")
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT)
def get_export(path: ExportPath) -> Response:
    """One export: whether it is ready, and until when it is kept."""
    return jsonify(export_out(commands.export(session=g.db, at=g.at, export_id=path.export_id)))


@bp.get(
    "/exports/<uuid:export_id>/file",
    responses={
        200: {
            "description": "The archive.",
            "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        },
        409: {"description": "It is still being made."},
    },
    operation_id="downloadExport",
    summary="Download an export",
)
@requires(Permission.WORKSPACE_WORKSPACE_EXPORT)
def download_export(path: ExportPath) -> Response:
    """Give an export that is ready as a zip; that it was given is an event."""
    return given(path.export_id)
