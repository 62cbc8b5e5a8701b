"""Undo of an import: its entries leave the books in one transaction; what a person touched stays, listed."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.orm import Session

from tenants.money.imports import checking, commands, suggestions
from tenants.money.imports.models import Import, ImportRow
from tenants.money.imports.refusals import RowNotDecidable
from tenants.money.imports.rules import RowState, State
from tenants.money.ledger import commands as ledger_commands
from webapp.audit.commands import record
from webapp.jobs.context import JobContext
from webapp.kernel.actor import Actor
from webapp.kernel.errors import DomainError

BATCH_ROWS = 25_000
SETTLED_MAX = 200
"""Most entries that one request keeps or reverses."""
TRIED_MAX = 1_000
"""Most entries that it looks at for those that can be reversed."""
_UNTOUCHED = """
    e.import_id = :id AND e.closed_at IS NULL
    AND (e.version = 1 OR (e.id, e.version) IN
        (SELECT * FROM unnest(CAST(:restored AS bigint[]), CAST(:versions AS integer[]))))
    AND NOT EXISTS (SELECT FROM period_closing c WHERE c.reopened_at IS NULL AND e.day BETWEEN c.starts AND c.ends)
    AND NOT EXISTS (SELECT FROM hold h WHERE h.entry_id = e.id)
"""
_OF_ROWS = f"{_UNTOUCHED} AND e.import_position BETWEEN :first AND :last"
# An entry that was deleted and put back knows its import, but no longer its row.
_PUT_BACK = f"{_UNTOUCHED} AND e.import_position IS NULL"
# Whose change was undone says again what was booked, in a later version. Found before any posting is gone.
_RESTORED = text("""
    SELECT e.id, e.version FROM entry e JOIN entry_version v ON v.entry_id = e.id AND v.version = 1
    WHERE e.import_id = :id AND e.version > 1 AND e.day = CAST(v.content->>'day' AS date)
        AND (e.description, e.counterparty, e.note) =
            (v.content->>'description', v.content->>'counterparty', v.content->>'note')
        AND e.rate IS NOT DISTINCT FROM v.content->>'rate'
        AND coalesce(to_jsonb(e.tags), '[]') = coalesce(v.content->'tags', '[]')
        AND v.content->'postings' = (
            SELECT jsonb_agg(jsonb_build_object('account_id', p.account_id, 'amount', p.amount,
                'currency', p.currency, 'memo', p.memo) ORDER BY p.position)
            FROM posting p WHERE p.entry_id = e.id)
""")
_LAST = text("SELECT coalesce(max(position), 0) FROM import_row WHERE import_id = :id")
# Whoever edits an entry at this moment is waited for; without it their entry would stay, but lose its postings.
_LOCK = "SELECT count(*) FROM (SELECT FROM entry e WHERE {which} ORDER BY e.id FOR UPDATE) AS held"
_POSTINGS = "DELETE FROM posting p USING entry e WHERE p.entry_id = e.id AND {which}"
_ENTRIES = "DELETE FROM entry e WHERE {which}"
_TAKE_OUT = [text(step.format(which=_OF_ROWS)) for step in (_LOCK, _POSTINGS, _ENTRIES)]
_TAKE_OUT_PUT_BACK = [text(step.format(which=_PUT_BACK)) for step in (_LOCK, _POSTINGS, _ENTRIES)]
_UNLEARN = text(f"""
    SELECT r.counterparty, r.description, r.category_id, -count(*)
    FROM import_row r JOIN entry e ON e.import_id = r.import_id AND e.import_position = r.position
    WHERE r.import_id = :id AND r.category_id IS NOT NULL AND {_OF_ROWS}
    GROUP BY r.counterparty, r.description, r.category_id
""")  # noqa: S608 - constants
# What stays is found first, by one look: the rows of entries that were just taken out are dead, but not gone yet, and
# a plan that looks for each row's entry would meet all of them again for each.
_STAYS = """
    WITH e AS MATERIALIZED (
        SELECT id, day, closed_at, closed_because, import_position FROM entry WHERE import_id = :id
    )
    UPDATE import_row r SET state = 'left', reason = 'left', match_entry_id = e.id,
        params = coalesce(r.params, '{{}}') || jsonb_build_object('because', CASE
            WHEN e.closed_because = 'reconciled' THEN 'left_reconciled'
            WHEN e.closed_because = 'locked' THEN 'left_locked'
            WHEN e.closed_at IS NOT NULL THEN 'left_reversed'
            WHEN EXISTS (SELECT FROM period_closing c WHERE c.reopened_at IS NULL AND e.day BETWEEN c.starts AND c.ends)
                THEN 'left_period'
            WHEN EXISTS (SELECT FROM hold h WHERE h.entry_id = e.id) THEN 'left_hold'
            ELSE 'left_changed' END)
    FROM e {row}
"""
_LEFT = text(
    _STAYS.format(row="WHERE r.import_id = :id AND r.position = e.import_position"),
)
_LEFT_PUT_BACK = text(
    _STAYS.format(
        row="""
    JOIN statement_key k ON k.entry_id = e.id
    WHERE e.import_position IS NULL AND k.import_id = :id AND r.import_id = :id
        AND r.fingerprint = k.fingerprint AND r.account_id = k.account_id
"""
    )
)
_ANY_PUT_BACK = text("SELECT EXISTS (SELECT FROM entry WHERE import_id = :id AND import_position IS NULL)")
_KEYS = text("""
    DELETE FROM statement_key k WHERE k.import_id = :id
        AND (SELECT e.import_id FROM entry e WHERE e.id = k.entry_id) IS DISTINCT FROM :id
""")
_ONE_KEY = text("""
    DELETE FROM statement_key WHERE import_id = :id AND account_id = :account AND fingerprint = :fingerprint
""")


def reverse(context: JobContext) -> None:
    """Take an import that is in the state `reversing` out of the books; a refusal puts it back to published."""
    import_id = int(context.arguments["import_id"])
    with checking.closing_on_cancel(context, import_id, State.PUBLISHED):
        try:
            with context.begin() as session:
                found = commands.lock(session, import_id)
                if found.state != State.REVERSING or found.job_id != context.claim.id:
                    return
                _reverse(session, context, found)
        except DomainError as refusal:
            with context.begin() as session:
                commands.set_state(
                    session, import_id, context.clock(), State.PUBLISHED, error_code=refusal.code, error_params={}
                )


def _reverse(session: Session, context: JobContext, found: Import) -> None:
    at, actor = context.clock(), context.actor
    commands.prepare_long_work(session)
    last: int = session.execute(_LAST, {"id": found.id}).scalar_one()
    restored = session.execute(_RESTORED, {"id": found.id}).all()
    known = {"id": found.id, "restored": [row[0] for row in restored], "versions": [row[1] for row in restored]}
    whole = known | {"first": 1, "last": last}
    learned = [(row[0], row[1], row[2], row[3]) for row in session.execute(_UNLEARN, whole)]
    with commands.judged_at_the_end(session):
        for first in range(1, last + 1, BATCH_ROWS):
            values = known | {"first": first, "last": first + BATCH_ROWS - 1}
            for step in _TAKE_OUT:
                session.execute(step, values)
            context.beat(done=min(first + BATCH_ROWS - 1, last), total=last)
        for step in _TAKE_OUT_PUT_BACK:
            session.execute(step, known)
    suggestions.learn(session=session, examples=learned)
    session.execute(_KEYS, {"id": found.id})
    left: int = session.execute(_LEFT, {"id": found.id}).rowcount  # type: ignore[attr-defined]  # an UPDATE counts
    if session.scalar(_ANY_PUT_BACK, {"id": found.id}):
        left += session.execute(_LEFT_PUT_BACK, {"id": found.id}).rowcount  # type: ignore[attr-defined]  # the same
    commands.set_state(session, found.id, at, State.REVERSED, rows_published=left)
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.reversed",
        object_type="import",
        object_id=found.id,
        difference={"state": (State.PUBLISHED.value, State.REVERSED.value), "entries": (found.rows_published, left)},
    )


def settle_left(
    *, session: Session, actor: Actor, at: datetime, import_id: int, position: int, reverse_it: bool
) -> None:
    """Keep an entry that an undone import left in the books, or reverse it by a new one.

    Raises NotFound, NotNow, RowNotDecidable and what reversing an entry raises.
    """
    commands.locked_in(session, import_id, {State.REVERSED})
    row = session.execute(_waiting(import_id).where(ImportRow.position == position)).first()
    if row is None:
        raise RowNotDecidable
    _settle(session, actor, at, import_id, row, reverse_it=reverse_it)


def settle_all_left(
    *, session: Session, actor: Actor, at: datetime, import_id: int, reverse_it: bool
) -> tuple[int, int]:
    """Keep or reverse what an undone import left, at most SETTLED_MAX entries; return how many did, and wait still.

    What cannot be reversed (a closed period, a reversal that is there) goes on waiting, and the others are reversed.
    Raises NotFound, NotNow, RowNotDecidable, and what reversing an entry raises if none of them can be.
    """
    commands.locked_in(session, import_id, {State.REVERSED})
    refusal: DomainError | None = None
    settled = 0
    for row in session.execute(_waiting(import_id).order_by(ImportRow.position).limit(TRIED_MAX)).all():
        if settled == SETTLED_MAX:
            break
        try:
            with session.begin_nested():
                _settle(session, actor, at, import_id, row, reverse_it=reverse_it)
            settled += 1
        except DomainError as error:
            refusal = refusal or error
    if not settled:
        raise refusal or RowNotDecidable
    return settled, session.scalar(select(func.count()).select_from(_waiting(import_id).subquery())) or 0


def _waiting(import_id: int) -> Select[tuple[int, int | None, int | None, bytes | None]]:
    """Select the rows of which nobody has said what becomes of the entry that stayed."""
    return select(ImportRow.position, ImportRow.match_entry_id, ImportRow.account_id, ImportRow.fingerprint).where(
        ImportRow.import_id == import_id,
        ImportRow.state == RowState.LEFT.value,
        ImportRow.reason == "left",
        ImportRow.match_entry_id.is_not(None),
    )


def _settle(session: Session, actor: Actor, at: datetime, import_id: int, row: Any, *, reverse_it: bool) -> None:
    position, entry_id, account_id, fingerprint = row
    if reverse_it:
        ledger_commands.reverse_entry(session=session, actor=actor, at=at, entry_id=entry_id, day=at.date())
        session.execute(_ONE_KEY, {"id": import_id, "account": account_id, "fingerprint": fingerprint})
    session.execute(
        update(ImportRow)
        .where(ImportRow.import_id == import_id, ImportRow.position == position)
        .values(reason="reversed" if reverse_it else "kept", decided_by=actor.person_id)
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.left_settled",
        object_type="import",
        object_id=import_id,
        difference={"position": (None, position), "entry_id": (None, entry_id), "reversed": (False, reverse_it)},
    )
