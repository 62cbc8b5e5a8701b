"""JSON API of imports: the formats that are known, upload, follow, give up."""

import hashlib
from datetime import datetime
from typing import Any

from flask import Response, g, jsonify, request

from tenants.idempotency import once
from tenants.money.accounts.shown import keep_account, kept_ids
from tenants.money.imports import commands, queries, receiving
from tenants.money.imports.answers import accepted, imports_room, whole_import
from tenants.money.imports.presentation import import_out
from tenants.money.imports.readers.csv_formats import FORMATS
from tenants.money.imports.shapes import FormatList, ImportList, ImportOut, ImportPath, ImportQuery, UploadIn
from tenants.schemas import WorkspacePath
from webapp.access.door import ask
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = imports_room("api_imports", __name__)


@bp.get("/formats", responses={200: FormatList}, operation_id="listFormats", summary="List statement formats")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_formats(path: WorkspacePath) -> Response:
    """Every format that is recognised; files are told apart by what they hold, not by their names."""
    data = [{"code": code, "kind": code} for code in ("csv", "xlsx", "ofx", "qif", "mt940", "camt")]
    data += [{"code": one.code, "kind": "csv"} for one in FORMATS]
    return answer_page(data, None)


@bp.get("/imports", responses={200: ImportList}, operation_id="listImports", summary="List imports")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_imports(path: WorkspacePath, query: ImportQuery) -> Response:
    """List imports, newest first; balances are left to the single import."""
    position = read_cursor("imports", query.cursor)
    before = (datetime.fromisoformat(position[0]), int(position[1])) if position else None
    found = queries.imports(session=g.db, limit=query.limit + 1, before=before, within=kept_ids())
    page, cursor = cut(found, query.limit, "imports", lambda one: [one.created_at.isoformat(), one.id])
    data = [import_out(one, g.at) | {"balances": []} for one in page]
    return answer_page(data, cursor)


@bp.post("/imports", responses={202: ImportOut}, operation_id="createImport", summary="Upload a statement")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def create_import(path: WorkspacePath, form: UploadIn) -> Response:
    """Upload a statement file; the work is done by a job. Follow `Location` until the state is review or published."""
    upload_file = request.files.get("file")
    if upload_file is None:
        raise Invalid(errors=(FieldError("file", "missing", N_("Choose the statement's file.")),))
    if form.publish == "auto":
        ask(Permission.IMPORTS_IMPORTS_PUBLISH)
    upload = receiving.Upload(form.account_id, upload_file.filename or "", form.format, form.publish == "auto")

    keep_account(form.account_id)

    def act() -> tuple[Any, int, str]:
        import_id = receiving.receive(
            session=g.db,
            actor=g.actor,
            at=g.at,
            new_id=services().new_id,
            upload=upload,
            content=receiving.pieces(upload_file.stream.read),
            bytes_max=services().settings.upload_bytes_max,
        )
        return accepted(import_id)

    return once(act, required=False, content=_seen(upload, upload_file.stream), sealed=True)


def _seen(upload: receiving.Upload, stream: Any) -> bytes | None:
    """Return what identifies an upload, for its Idempotency-Key."""
    if "Idempotency-Key" not in request.headers:
        return None
    digest = hashlib.sha256(repr(upload).encode("utf-8", "surrogatepass"))
    for chunk in receiving.pieces(stream.read):
        digest.update(chunk)
    stream.seek(0)
    return digest.digest()


@bp.get("/imports/<int:import_id>", responses={200: ImportOut}, operation_id="getImport", summary="Get an import")
@requires(Permission.IMPORTS_IMPORTS_READ)
def get_import(path: ImportPath) -> Response:
    """Where an import is, its counts, and what the file states of balances."""
    return jsonify(whole_import(path.import_id))


@bp.delete("/imports/<int:import_id>", responses={204: None}, operation_id="deleteImport", summary="Cancel an import")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def delete_import(path: ImportPath) -> tuple[str, int]:
    """Give an import up before it is published; its record stays, as cancelled."""
    commands.cancel(session=g.db, actor=g.actor, at=g.at, import_id=path.import_id)
    return "", 204
