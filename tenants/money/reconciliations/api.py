"""JSON API of reconciliations: an account compared with a statement of its bank."""

from typing import Any

from flask import Response, g, jsonify

from tenants.door import api_room
from tenants.idempotency import once
from tenants.money.accounts import queries as accounts
from tenants.money.accounts.shown import keep_account, keep_within
from tenants.money.reconciliations import commands, queries
from tenants.money.reconciliations.presentation import draft_in, found_reconciliation, reconciliation_out
from tenants.money.reconciliations.queries import ReconciliationView
from tenants.money.reconciliations.rules import Adjustment
from tenants.money.reconciliations.shapes import (
    AccountPath,
    CompletionIn,
    ReconciliationList,
    ReconciliationOut,
    ReconciliationPath,
    ReconciliationQuery,
    StatementIn,
)
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import NotFound
from webapp.web.contract import promises
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_reconciliations", __name__, tag="reconciliations")
keep_within(bp, "reconciliation_id", lambda key: queries.account_of(session=g.db, reconciliation_id=key))


def _made(view: ReconciliationView) -> tuple[Any, int, str]:
    return reconciliation_out(view), 201, f"/api/v1/t/{g.slug}/reconciliations/{view.id}"


def _currency(account_id: int) -> str:
    currency = accounts.currencies_of(session=g.db, ids=[account_id]).get(account_id)
    if currency is None:
        raise NotFound
    return currency


@bp.get(
    "/accounts/<int:account_id>/reconciliations",
    responses={200: ReconciliationList},
    operation_id="listReconciliations",
    summary="List an account's reconciliations",
)
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def list_reconciliations(path: AccountPath, query: ReconciliationQuery) -> Response:
    """List an account's reconciliations, newest first."""
    _currency(path.account_id)
    purpose = f"reconciliations/{path.account_id}"
    position = read_cursor(purpose, query.cursor)
    before_id = position[0] if position else None
    rows = queries.reconciliations(session=g.db, account_id=path.account_id, limit=query.limit + 1, before_id=before_id)
    page, cursor = cut(rows, query.limit, purpose, lambda row: [row.id])
    return answer_page([reconciliation_out(row) for row in page], cursor)


@bp.post(
    "/accounts/<int:account_id>/reconciliations",
    responses={201: ReconciliationOut},
    operation_id="beginReconciliation",
    summary="Begin to reconcile an account",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
@promises(key="optional")
def begin(path: AccountPath, body: StatementIn) -> Response:
    """Begin to compare an account with a statement; cleared entries up to its day are ticked already."""

    def act() -> tuple[Any, int, str]:
        draft = draft_in(body, _currency(path.account_id))
        view = commands.begin(session=g.db, actor=g.actor, at=g.at, account_id=path.account_id, draft=draft)
        return _made(view)

    return once(act, required=False)


@bp.get(
    "/reconciliations/<int:reconciliation_id>",
    responses={200: ReconciliationOut},
    operation_id="getReconciliation",
    summary="Get a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def get_reconciliation(path: ReconciliationPath) -> Response:
    """One reconciliation with what is left."""
    return jsonify(reconciliation_out(found_reconciliation(path.reconciliation_id)))


@bp.put(
    "/reconciliations/<int:reconciliation_id>",
    responses={200: ReconciliationOut},
    operation_id="correctReconciliation",
    summary="Correct a statement's day or balance",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def correct(path: ReconciliationPath, body: StatementIn) -> Response:
    """Correct how the statement ends, while it is compared."""
    draft = draft_in(body, found_reconciliation(path.reconciliation_id).currency)
    view = commands.correct(session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id, draft=draft)
    return jsonify(reconciliation_out(view))


@bp.delete(
    "/reconciliations/<int:reconciliation_id>",
    responses={204: None},
    operation_id="dropReconciliation",
    summary="Give a reconciliation up",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def give_up(path: ReconciliationPath) -> tuple[str, int]:
    """Forget a reconciliation that is not finished; entries stay as they are."""
    commands.give_up(session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id)
    return "", 204


@bp.post(
    "/reconciliations/<int:reconciliation_id>/completion",
    responses={201: ReconciliationOut},
    operation_id="finishReconciliation",
    summary="Finish a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
@promises(key="optional")
def finish(path: ReconciliationPath, body: CompletionIn) -> Response:
    """Close what is ticked, once nothing is left; or book what is left against the account that is named."""

    def act() -> tuple[Any, int, str]:
        other = body.adjustment_account_id
        adjustment = None if other is None else Adjustment(other, body.adjustment_description)
        if other is not None:
            keep_account(other)
        view = commands.finish(
            session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id, adjustment=adjustment
        )
        return _made(view)

    return once(act, required=False)


@bp.post(
    "/reconciliations/<int:reconciliation_id>/undoing",
    responses={201: ReconciliationOut},
    operation_id="undoReconciliation",
    summary="Undo a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_UNDO)
@promises(key="optional")
def undo(path: ReconciliationPath) -> Response:
    """Open the entries of the newest reconciliation again; it stays on record."""

    def act() -> tuple[Any, int, str]:
        view = commands.undo(session=g.db, actor=g.actor, at=g.at, reconciliation_id=path.reconciliation_id)
        return _made(view)

    return once(act, required=False)
