"""What a person says of rows: keep, merge, skip, a category. And the counts that follow."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.rules import CATEGORIES
from tenants.money.imports import commands
from tenants.money.imports.models import ImportRow
from tenants.money.imports.refusals import RowNotDecidable
from tenants.money.imports.rules import DECISIONS_MAX, Decision, State
from webapp.audit.commands import record
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid

_ANEW = "reason = CASE reason WHEN 'skipped_before' THEN 'near_match' ELSE reason END"
"""What was skipped for an earlier decision is from now on what this one makes of it."""
_DECIDE = {
    Decision.KEEP: """
        UPDATE import_row SET state = 'new', decided_by = :by, {anew}
        WHERE {rows} AND match_entry_id IS NOT NULL AND state IN ('doubtful', 'skipped', 'merged')
    """,
    Decision.MERGE: """
        UPDATE import_row SET state = 'merged', decided_by = :by, {anew}
        WHERE {rows} AND match_entry_id IS NOT NULL
            AND (state IN ('doubtful', 'skipped') OR (state = 'new' AND reason = 'near_match'))
    """,
    Decision.SKIP: """
        UPDATE import_row SET state = 'skipped', decided_by = :by
        WHERE {rows} AND state IN ('doubtful', 'merged', 'wrong', 'new')
    """,
    Decision.REOPEN: """
        UPDATE import_row SET decided_by = NULL, {anew},
            state = CASE WHEN match_entry_id IS NOT NULL THEN 'doubtful'
            WHEN reason IS NOT NULL THEN 'wrong' ELSE 'new' END
        WHERE {rows} AND decided_by IS NOT NULL AND state IN ('new', 'skipped', 'merged')
    """,
}
_NAMED = "import_id = :id AND position = ANY (CAST(:positions AS integer[]))"
_ALL_DOUBTFUL = "import_id = :id AND state = 'doubtful'"
_ALL_WRONG = "import_id = :id AND state = 'wrong'"


def decide(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    import_id: int,
    decision: Decision,
    positions: Collection[int] | None,
    of: str = "doubtful",
) -> int:
    """Keep, merge or skip rows (or take that back) and return how many.

    `positions` None means every row that is `of` the state doubtful or wrong.
    Raises NotFound, NotNow, RowNotDecidable, Invalid.
    """
    if positions is not None and not 1 <= len(positions) <= DECISIONS_MAX:
        raise Invalid(
            errors=(FieldError("positions", "count", N_("Name 1 to %(maximum)s rows."), {"maximum": DECISIONS_MAX}),)
        )
    commands.locked_in(session, import_id, {State.REVIEW})
    rows = _NAMED if positions is not None else _ALL_WRONG if of == "wrong" else _ALL_DOUBTFUL
    query = text(_DECIDE[decision].format(rows=rows, anew=_ANEW))
    values: dict[str, Any] = {"id": import_id, "by": actor.person_id}
    if positions is not None:
        values["positions"] = list(positions)
    if decision is Decision.REOPEN:
        values.pop("by")
    changed: int = session.execute(query, values).rowcount  # type: ignore[attr-defined]  # an UPDATE has a row count
    if not changed:
        raise RowNotDecidable
    recount(session=session, import_id=import_id, at=at)
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.decided",
        object_type="import",
        object_id=import_id,
        difference={
            "decision": (None, decision.value),
            "rows": (None, changed),
            "positions": (None, sorted(positions)[:100] if positions is not None else of),
        },
    )
    return changed


def categorise(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    import_id: int,
    positions: Collection[int] | None,
    category_id: int | None,
) -> int:
    """Give rows a category, or (None) the one that is suggested for each; return how many rows took it.

    `positions` None means every row that has a suggestion. Raises NotFound, NotNow, Invalid (category_id).
    """
    commands.locked_in(session, import_id, {State.REVIEW})
    query = update(ImportRow).where(ImportRow.import_id == import_id, ImportRow.state.in_(["new", "doubtful"]))
    if positions is not None:
        query = query.where(ImportRow.position.in_(list(positions)[:DECISIONS_MAX]))
    if category_id is None:
        query = query.where(ImportRow.suggested_id.is_not(None), ImportRow.category_id.is_(None))
        query = query.values(category_id=ImportRow.suggested_id)
    else:
        category = account_queries.account(session=session, account_id=category_id)
        if category is None or category.kind not in CATEGORIES or category.closed_on is not None or positions is None:
            unknown = N_("Choose an income or expense account of this workspace.")
            raise Invalid(errors=(FieldError("category_id", "unknown", unknown),))
        query = query.where(ImportRow.currency == category.currency).values(category_id=category_id)
    changed: int = session.execute(query).rowcount  # type: ignore[attr-defined]  # an UPDATE has a row count
    if not changed and category_id is not None:
        other = N_("The category is kept in another currency than these rows.")
        raise Invalid(errors=(FieldError("category_id", "currency", other),))
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.categorised",
        object_type="import",
        object_id=import_id,
        difference={"category_id": (None, category_id or "suggested"), "rows": (None, changed)},
    )
    return changed


_RECOUNT = text("""
    UPDATE import i SET changed_at = :at, rows_duplicate = c.duplicate, rows_doubtful = c.doubtful,
        rows_wrong = c.wrong, rows_ignored = c.ignored, rows_skipped = c.skipped, rows_merged = c.merged,
        rows_new = c.total - c.others, rows_total = c.total - c.ignored
    FROM (
        SELECT count(*) AS total, count(*) FILTER (WHERE state <> 'new') AS others,
            count(*) FILTER (WHERE state = 'duplicate') AS duplicate,
            count(*) FILTER (WHERE state = 'doubtful') AS doubtful, count(*) FILTER (WHERE state = 'wrong') AS wrong,
            count(*) FILTER (WHERE state = 'ignored') AS ignored, count(*) FILTER (WHERE state = 'skipped') AS skipped,
            count(*) FILTER (WHERE state = 'merged') AS merged
        FROM import_row WHERE import_id = :id
    ) c
    WHERE i.id = :id
    RETURNING i.rows_total, i.rows_new, i.rows_doubtful, i.rows_wrong
""")


def recount(*, session: Session, import_id: int, at: datetime) -> tuple[int, int, int, int]:
    """Count the rows of an import by what becomes of them; return (rows, new, doubtful, wrong)."""
    row = session.execute(_RECOUNT, {"id": import_id, "at": at}).one()
    return row[0], row[1], row[2], row[3]
