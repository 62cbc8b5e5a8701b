"""JSON API of imports: upload, follow, map, decide, correct, publish, undo."""

import hashlib
from datetime import datetime
from http import HTTPStatus
from typing import Any

from flask import Response, g, jsonify, request
from flask_openapi3 import APIBlueprint, Tag

from tenants.door import API_PREFIX, guard_room
from tenants.idempotency import once
from tenants.money.imports import commands, corrections, decisions, exports, queries, reversal
from tenants.money.imports.presentation import balance_out, import_out, row_out, too_large
from tenants.money.imports.readers.csv_formats import FORMATS
from tenants.money.imports.readers.mapping import Mapping, MappingError
from tenants.money.imports.refusals import MappingUnfit
from tenants.money.imports.rules import storable
from tenants.money.imports.shapes import (
    CategoryIn,
    DecisionIn,
    FormatList,
    ImportList,
    ImportOut,
    ImportPath,
    LeftIn,
    MappingIn,
    RowIn,
    RowList,
    RowOut,
    RowPath,
    RowQuery,
    UploadIn,
)
from tenants.schemas import PROBLEMS, ListQuery, Problem, WorkspacePath
from webapp.access.guard import check, requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor
from webapp.web.state import services

bp = APIBlueprint(
    "api_imports",
    __name__,
    url_prefix=API_PREFIX,
    abp_tags=[Tag(name="imports")],
    abp_responses=PROBLEMS | {413: Problem},
    abp_security=[{"token": []}],
)
guard_room(bp)
bp.register_error_handler(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large)


def _found(import_id: int) -> queries.ImportView:
    view = queries.imported(session=g.db, import_id=import_id)
    if view is None:
        raise NotFound
    return view


def _whole(import_id: int) -> dict[str, Any]:
    view = _found(import_id)
    balances = [] if view.is_working else [balance_out(one) for one in queries.balances(session=g.db, view=view)]
    return import_out(view, g.at) | {"balances": balances}


def _accepted(import_id: int) -> tuple[Any, int, str]:
    return _whole(import_id), 202, f"/api/v1/t/{g.slug}/imports/{import_id}"


@bp.get("/formats", responses={200: FormatList}, operation_id="listFormats", summary="List statement formats")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_formats(path: WorkspacePath) -> Response:
    """Every format that is recognised; files are told apart by what they hold, not by their names."""
    data = [{"code": code, "kind": code} for code in ("csv", "xlsx", "ofx", "qif", "mt940", "camt")]
    data += [{"code": one.code, "kind": "csv"} for one in FORMATS]
    return answer_page(data, None)


@bp.get("/imports", responses={200: ImportList}, operation_id="listImports", summary="List imports")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_imports(path: WorkspacePath, query: ListQuery) -> Response:
    """List imports, newest first; balances are left to the single import."""
    position = read_cursor("imports", query.cursor)
    before = (datetime.fromisoformat(position[0]), int(position[1])) if position else None
    found = queries.imports(session=g.db, limit=query.limit + 1, before=before)
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
        check(Permission.IMPORTS_IMPORTS_PUBLISH, role=g.role, scopes=g.scopes)
    upload = commands.Upload(form.account_id, upload_file.filename or "", form.format, form.publish == "auto")

    def act() -> tuple[Any, int, str]:
        import_id = commands.receive(
            session=g.db,
            actor=g.actor,
            at=g.at,
            new_id=services().new_id,
            upload=upload,
            content=commands.pieces(upload_file.stream.read),
            bytes_max=services().settings.upload_bytes_max,
        )
        return _accepted(import_id)

    return once(act, required=False, content=_seen(upload, upload_file.stream))


def _seen(upload: commands.Upload, stream: Any) -> bytes | None:
    """Return what identifies an upload, for its Idempotency-Key."""
    if "Idempotency-Key" not in request.headers:
        return None
    digest = hashlib.sha256(repr(upload).encode("utf-8", "surrogatepass"))
    for chunk in commands.pieces(stream.read):
        digest.update(chunk)
    stream.seek(0)
    return digest.digest()


@bp.get("/imports/<int:import_id>", responses={200: ImportOut}, operation_id="getImport", summary="Get an import")
@requires(Permission.IMPORTS_IMPORTS_READ)
def get_import(path: ImportPath) -> Response:
    """Where an import is, its counts, and what the file states of balances."""
    return jsonify(_whole(path.import_id))


@bp.delete("/imports/<int:import_id>", responses={204: None}, operation_id="deleteImport", summary="Cancel an import")
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def delete_import(path: ImportPath) -> tuple[str, int]:
    """Give an import up before it is published; its record stays, as cancelled."""
    commands.cancel(session=g.db, actor=g.actor, at=g.at, import_id=path.import_id)
    return "", 204


@bp.post(
    "/imports/<int:import_id>/cancellation",
    responses={202: ImportOut},
    operation_id="cancelImport",
    summary="Cancel an import",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def cancel_import(path: ImportPath) -> Response:
    """Give an import up before it is published; work that runs stops within seconds."""

    def act() -> tuple[Any, int, str]:
        commands.cancel(session=g.db, actor=g.actor, at=g.at, import_id=path.import_id)
        return _accepted(path.import_id)

    return once(act, required=False)


@bp.post(
    "/imports/<int:import_id>/retry",
    responses={202: ImportOut},
    operation_id="retryImport",
    summary="Try a given-up import again",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def retry_import(path: ImportPath) -> Response:
    """Give the work three more attempts after it was given up."""

    def act() -> tuple[Any, int, str]:
        commands.retry(session=g.db, actor=g.actor, at=g.at, import_id=path.import_id)
        return _accepted(path.import_id)

    return once(act, required=False)


@bp.get("/imports/<int:import_id>/rows", responses={200: RowList}, operation_id="listImportRows", summary="List rows")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_rows(path: ImportPath, query: RowQuery) -> Response:
    """List the rows of the file in its order, each with its line, its raw text and, where there is one, the reason."""
    purpose = f"import-rows/{path.import_id}/{query.state or ''}"
    position = read_cursor(purpose, query.cursor)
    found = queries.rows(
        session=g.db,
        view=_found(path.import_id),
        limit=query.limit + 1,
        state=query.state,
        after=int(position[0]) if position else 0,
    )
    page, cursor = cut(found, query.limit, purpose, lambda one: [one.position])
    return answer_page([row_out(one) for one in page], cursor)


@bp.get(
    "/imports/<int:import_id>/rows.csv",
    responses={200: {"description": "The rows.", "content": {"text/csv": {"schema": {"type": "string"}}}}},
    operation_id="exportImportRows",
    summary="Export rows as CSV",
)
@requires(Permission.IMPORTS_IMPORTS_READ)
def export_rows(path: ImportPath, query: RowQuery) -> Response:
    """Give the rows as CSV; text that a spreadsheet would run is marked as text."""
    return csv_answer(_found(path.import_id), query.state)


def csv_answer(view: queries.ImportView, state: str | None) -> Response:
    """Answer with the rows of an import as a CSV file."""
    body = "".join(exports.csv_rows(session=g.db, view=view, state=state))
    response = Response(body, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="import-{view.id}.csv"'
    return response


@bp.get(
    "/imports/<int:import_id>/rows/<int:position>",
    responses={200: RowOut},
    operation_id="getImportRow",
    summary="Get a row",
)
@requires(Permission.IMPORTS_IMPORTS_READ)
def get_row(path: RowPath) -> Response:
    """One row."""
    found = queries.row(session=g.db, view=_found(path.import_id), position=path.position)
    if found is None:
        raise NotFound
    return jsonify(row_out(found))


@bp.put(
    "/imports/<int:import_id>/rows/<int:position>",
    responses={200: RowOut},
    operation_id="correctImportRow",
    summary="Correct a wrong row",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def correct_row(path: RowPath, body: RowIn) -> Response:
    """Say what a row that could not be read means."""
    corrections.correct_row(
        session=g.db,
        actor=g.actor,
        at=g.at,
        import_id=path.import_id,
        position=path.position,
        typed=corrections.Correction(**body.model_dump()),
    )
    return get_row(path)


@bp.put(
    "/imports/<int:import_id>/mapping",
    responses={202: ImportOut},
    operation_id="mapImport",
    summary="Say how the file is read",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def map_import(path: ImportPath, body: MappingIn) -> tuple[Response, int, dict[str, str]]:
    """Read the file by this mapping, or in another encoding; the mapping is remembered for the account and header."""
    if body.mapping is None and body.encoding is None:
        raise Invalid(errors=(FieldError("mapping", "one_of", N_("Send a mapping or an encoding.")),))
    choose_mapping(path.import_id, body.mapping, body.encoding)
    answer, status, location = _accepted(path.import_id)
    return jsonify(answer), status, {"Location": location}


def choose_mapping(import_id: int, values: dict[str, Any] | None, encoding: str | None) -> None:
    """Pass a mapping on to the command. Raises MappingUnfit and what the command raises."""
    if not storable(values):
        raise MappingUnfit(detail="a text holds characters that cannot be stored")
    try:
        mapping = Mapping.from_dict(values) if values is not None else None
        if encoding is not None and mapping is None:
            Mapping(encoding=encoding)
    except MappingError as error:
        raise MappingUnfit(detail=str(error)) from None
    if mapping is not None and not mapping.is_complete():
        raise MappingUnfit(detail="a date, and an amount or debit and credit, are needed")
    commands.choose_mapping(
        session=g.db,
        actor=g.actor,
        at=g.at,
        new_id=services().new_id,
        import_id=import_id,
        mapping=mapping,
        encoding=encoding,
    )


@bp.post(
    "/imports/<int:import_id>/decisions",
    responses={200: ImportOut},
    operation_id="decideImportRows",
    summary="Keep, merge or skip rows",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def decide_rows(path: ImportPath, body: DecisionIn) -> Response:
    """Decide what becomes of doubtful or wrong rows."""

    def act() -> tuple[Any, int, str]:
        decisions.decide(
            session=g.db,
            actor=g.actor,
            at=g.at,
            import_id=path.import_id,
            decision=body.decision,
            positions=body.positions,
            of=body.of,
        )
        return _whole(path.import_id), 200, ""

    return once(act, required=False)


@bp.post(
    "/imports/<int:import_id>/categories",
    responses={200: ImportOut},
    operation_id="categoriseImportRows",
    summary="Categorise rows",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def categorise_rows(path: ImportPath, body: CategoryIn) -> Response:
    """Give rows a category, or accept the suggested ones."""

    def act() -> tuple[Any, int, str]:
        decisions.categorise(
            session=g.db,
            actor=g.actor,
            at=g.at,
            import_id=path.import_id,
            positions=body.positions,
            category_id=body.category_id,
        )
        return _whole(path.import_id), 200, ""

    return once(act, required=False)


@bp.post(
    "/imports/<int:import_id>/publication",
    responses={202: ImportOut},
    operation_id="publishImport",
    summary="Publish an import",
)
@requires(Permission.IMPORTS_IMPORTS_PUBLISH)
@promises(key="optional")
def publish_import(path: ImportPath) -> Response:
    """Book every new row, all or none."""

    def act() -> tuple[Any, int, str]:
        commands.request_publication(
            session=g.db, actor=g.actor, at=g.at, new_id=services().new_id, import_id=path.import_id
        )
        return _accepted(path.import_id)

    return once(act, required=False)


@bp.post(
    "/imports/<int:import_id>/reversal",
    responses={202: ImportOut},
    operation_id="reverseImport",
    summary="Undo an import",
)
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
@promises(key="optional")
def reverse_import(path: ImportPath) -> Response:
    """Take every entry of the import back out of the books; those closed or edited since are left and listed."""

    def act() -> tuple[Any, int, str]:
        commands.request_reversal(
            session=g.db, actor=g.actor, at=g.at, new_id=services().new_id, import_id=path.import_id
        )
        return _accepted(path.import_id)

    return once(act, required=False)


@bp.post(
    "/imports/<int:import_id>/rows/<int:position>/settlement",
    responses={200: RowOut},
    operation_id="settleLeftRow",
    summary="Keep or reverse what an undone import left",
)
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
@promises(key="optional")
def settle_left(path: RowPath, body: LeftIn) -> Response:
    """Keep an entry that stayed in the books, or reverse it by a new one."""

    def act() -> tuple[Any, int, str]:
        reversal.settle_left(
            session=g.db,
            actor=g.actor,
            at=g.at,
            import_id=path.import_id,
            position=path.position,
            reverse_it=body.decision == "reverse",
        )
        found = queries.row(session=g.db, view=_found(path.import_id), position=path.position)
        if found is None:
            raise NotFound
        return row_out(found), 200, ""

    return once(act, required=False)
