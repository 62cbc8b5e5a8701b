"""JSON API of an import's rows: list, correct, decide, categorise, settle what was left."""

from typing import Any

from flask import Response, g, jsonify

from tenants.idempotency import once
from tenants.money.imports import corrections, decisions, queries, reversal
from tenants.money.imports.answers import after, csv_answer, decided, found_import, imports_room
from tenants.money.imports.presentation import row_out
from tenants.money.imports.shapes import (
    CategoryIn,
    DecisionIn,
    ImportOut,
    ImportPath,
    LeftIn,
    RowIn,
    RowList,
    RowOut,
    RowPath,
    RowQuery,
)
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.contract import promises
from webapp.web.limits import moves_money
from webapp.web.pagination import answer_page, cut, read_cursor

bp = imports_room("api_import_rows", __name__)


@bp.get("/imports/<int:import_id>/rows", responses={200: RowList}, operation_id="listImportRows", summary="List rows")
@requires(Permission.IMPORTS_IMPORTS_READ)
def list_rows(path: ImportPath, query: RowQuery) -> Response:
    """List the rows of the file in its order, each with its line, its raw text and, where there is one, the reason."""
    purpose = f"import-rows/{path.import_id}/{query.state or ''}"
    position = read_cursor(purpose, query.cursor)
    found = queries.rows(
        session=g.db,
        view=found_import(path.import_id),
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
    return csv_answer(found_import(path.import_id), query.state)


@bp.get(
    "/imports/<int:import_id>/rows/<int:position>",
    responses={200: RowOut},
    operation_id="getImportRow",
    summary="Get a row",
)
@requires(Permission.IMPORTS_IMPORTS_READ)
def get_row(path: RowPath) -> Response:
    """One row."""
    return jsonify(_row(path))


def _row(path: RowPath) -> dict[str, Any]:
    found = queries.row(session=g.db, view=found_import(path.import_id), position=path.position)
    if found is None:
        raise NotFound
    return row_out(found)


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
    return jsonify(_row(path))


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
    said = {"decision": body.decision, "positions": body.positions, "of": body.of}
    return after(decisions.decide, decided, path.import_id, **said)


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
    said = {"positions": body.positions, "category_id": body.category_id}
    return after(decisions.categorise, decided, path.import_id, **said)


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
        return _row(path), 200, ""

    return once(act, required=False, sealed=True)


@bp.post(
    "/imports/<int:import_id>/settlement",
    responses={200: ImportOut},
    operation_id="settleLeftRows",
    summary="Keep or reverse all that an undone import left",
)
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
@moves_money
@promises(key="optional")
def settle_all_left(path: ImportPath, body: LeftIn) -> Response:
    """Keep or reverse the entries that stayed, at most 200 in a call; what cannot be reversed goes on waiting."""
    return after(reversal.settle_all_left, decided, path.import_id, reverse_it=body.decision == "reverse")
