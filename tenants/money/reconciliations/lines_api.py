"""JSON API of the entries of a reconciliation: list and tick them."""

from datetime import date

from flask import Response, g, jsonify

from tenants.door import api_room
from tenants.money.accounts.shown import keep_within
from tenants.money.reconciliations import commands, queries
from tenants.money.reconciliations.presentation import found_reconciliation, line_out
from tenants.money.reconciliations.shapes import LineList, LineQuery, ReconciliationPath, TicksIn, TicksOut
from tenants.schemas import money_out
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.web.pagination import answer_page, cut, read_cursor

bp = api_room("api_reconciliation_lines", __name__, tag="reconciliations")
keep_within(bp, "reconciliation_id", lambda key: queries.account_of(session=g.db, reconciliation_id=key))


@bp.get(
    "/reconciliations/<int:reconciliation_id>/entries",
    responses={200: LineList},
    operation_id="listReconciliationEntries",
    summary="List the entries of a reconciliation",
)
@requires(Permission.LEDGER_RECONCILIATIONS_READ)
def list_lines(path: ReconciliationPath, query: LineQuery) -> Response:
    """Entries that may be ticked while it is open; afterwards those that were."""
    view = found_reconciliation(path.reconciliation_id)
    purpose = f"reconciliation/{view.id}"
    position = read_cursor(purpose, query.cursor)
    before = (date.fromisoformat(position[0]), int(position[1])) if position else None
    rows = queries.lines(session=g.db, view=view, limit=query.limit + 1, before=before)
    page, cursor = cut(rows, query.limit, purpose, lambda line: [line.day.isoformat(), line.entry_id])
    return answer_page([line_out(line, view.currency) for line in page], cursor)


@bp.post(
    "/reconciliations/<int:reconciliation_id>/ticks",
    responses={200: TicksOut},
    operation_id="tickEntries",
    summary="Tick entries",
)
@requires(Permission.LEDGER_RECONCILIATIONS_WRITE)
def tick(path: ReconciliationPath, body: TicksIn) -> Response:
    """Tick entries as seen on the statement, or take the ticks away; to repeat it changes nothing."""
    changed = commands.tick(
        session=g.db,
        actor=g.actor,
        at=g.at,
        reconciliation_id=path.reconciliation_id,
        entry_ids=body.entry_ids,
        ticked=body.ticked,
    )
    view = found_reconciliation(path.reconciliation_id)
    left = queries.difference(view, queries.figures(session=g.db, view=view))
    return jsonify(changed=changed, difference=money_out(left, view.currency))
