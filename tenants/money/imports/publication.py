"""The second half: every new row of an import becomes an entry with its postings, in one transaction, set-based.

Tables of the ledger are named in SQL here, as no row passes through Python; its triggers check every statement.
"""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from tenants.money.accounts import commands as account_commands
from tenants.money.accounts.rules import Purpose
from tenants.money.imports import account_plan, checking, commands, decisions, duplicates, suggestions
from tenants.money.imports.models import Import
from tenants.money.imports.rules import State
from tenants.money.ledger import commands as ledger_commands
from tenants.money.ledger import queries as ledger_queries
from tenants.money.ledger.content import draft_of
from webapp.audit.commands import record
from webapp.jobs.context import JobContext
from webapp.kernel.actor import Actor
from webapp.kernel.errors import DomainError, NotFound

BATCH_ROWS = 25_000
"""Rows that one statement books; between statements the job says how far it is."""

_CURRENCIES = text("""
    SELECT DISTINCT currency FROM import_row WHERE import_id = :id AND state = 'new' AND category_id IS NULL
""")
_LAST = text("SELECT coalesce(max(position), 0) FROM import_row WHERE import_id = :id")
_BOOK = text("""
    WITH staged AS MATERIALIZED (
        SELECT nextval('entry_id_seq') AS entry_id, position, day, account_id, fingerprint, amount, currency,
            counterparty, CASE WHEN description = '' THEN counterparty ELSE description END AS description, category_id
        FROM (
            SELECT r.position, r.day, r.account_id, r.fingerprint, r.amount, r.currency, r.counterparty, r.description,
                coalesce(r.category_id, p.account_id) AS category_id
            FROM import_row r
            LEFT JOIN unnest(CAST(:currencies AS text[]), CAST(:purposes AS bigint[])) AS p (currency, account_id)
                ON p.currency = r.currency
            WHERE r.import_id = :id AND r.state = 'new' AND r.position BETWEEN :first AND :last
            ORDER BY r.position
        ) AS ordered
    ), keys AS (
        INSERT INTO statement_key (account_id, fingerprint, entry_id, import_id)
        SELECT account_id, fingerprint, entry_id, :id FROM staged
    ), entries AS (
        INSERT INTO entry (id, day, description, counterparty, created_at, created_by, import_id, import_position)
        SELECT entry_id, day, description, counterparty, :at, :by, :id, position FROM staged
    )
    INSERT INTO posting (entry_id, position, day, account_id, amount, currency)
    SELECT entry_id, side, day, CASE side WHEN 1 THEN account_id ELSE category_id END,
        CASE side WHEN 1 THEN amount ELSE -amount END, currency
    FROM staged CROSS JOIN (VALUES (1), (2)) AS sides (side)
""")
_MATCHED = text("""
    SELECT count(*) FROM (
        SELECT FROM entry WHERE id IN (SELECT match_entry_id FROM import_row WHERE import_id = :id AND state = 'merged')
        ORDER BY id FOR UPDATE
    ) AS held
""")
# What was merged into an entry that was deleted or reversed since is in the books nowhere: it is booked by itself.
_UNMATCHED = text("""
    UPDATE import_row r SET state = 'new', reason = NULL, match_entry_id = NULL
    WHERE r.import_id = :id AND r.state = 'merged' AND NOT EXISTS (SELECT FROM entry e WHERE e.id = r.match_entry_id
        AND (e.closed_because IS NULL OR e.closed_because IN ('locked', 'reconciled')))
""")
_MERGED_KEYS = text("""
    INSERT INTO statement_key (account_id, fingerprint, entry_id, import_id)
    SELECT account_id, fingerprint, match_entry_id, :id FROM import_row
    WHERE import_id = :id AND state = 'merged' AND fingerprint IS NOT NULL AND match_entry_id IS NOT NULL
""")
_BLANKS = text("""
    SELECT e.id, r.counterparty, r.description FROM import_row r JOIN entry e ON e.id = r.match_entry_id
    WHERE r.import_id = :id AND r.state = 'merged' AND e.closed_at IS NULL
        AND ((e.counterparty = '' AND r.counterparty <> '') OR (e.description = '' AND r.description <> ''))
        AND NOT EXISTS (SELECT FROM period_closing c WHERE c.reopened_at IS NULL AND e.day BETWEEN c.starts AND c.ends)
    ORDER BY e.id
""")
_LEARN = text("""
    SELECT counterparty, description, category_id, count(*) FROM import_row
    WHERE import_id = :id AND state = 'new' AND category_id IS NOT NULL
    GROUP BY counterparty, description, category_id
""")


def publish(context: JobContext) -> None:
    """Book an import in the state `publishing`. What the books refuse puts it back to review, with the reason."""
    import_id = int(context.arguments["import_id"])
    with checking.closing_on_cancel(context, import_id, State.CANCELLED):
        try:
            with context.begin() as session:
                found = commands.lock(session, import_id)
                if found.state != State.PUBLISHING or found.job_id != context.claim.id:
                    return
                _publish(session, context, found)
        except DomainError as refusal:
            with context.begin() as session:
                commands.set_state(
                    session,
                    import_id,
                    context.clock(),
                    State.REVIEW,
                    error_code=refusal.code,
                    error_params={},
                    publish_auto=False,
                )


def _publish(session: Session, context: JobContext, found: Import) -> None:
    at, actor = context.clock(), context.actor
    commands.prepare_long_work(session)
    planned = account_plan.open_planned(
        session=session,
        actor=actor,
        at=at,
        import_id=found.id,
        planned=account_plan.kept(session=session, import_id=found.id, sealed=found.accounts_sealed),
    )
    try:
        with session.begin_nested():
            _book(session, context, found, at, actor)
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", "") != "23505":
            raise
        # Another import booked some of these rows since this one was checked: they are duplicates now.
        duplicates.mark_booked_since(session=session, import_id=found.id)
        _book(session, context, found, at, actor)
    suggestions.learn(
        session=session,
        examples=[(row[0], row[1], row[2], row[3]) for row in session.execute(_LEARN, {"id": found.id})],
    )
    _, new, _, _ = decisions.recount(session=session, import_id=found.id, at=at)
    commands.set_state(
        session,
        found.id,
        at,
        State.PUBLISHED,
        published_at=at,
        rows_published=new,
        accounts_sealed=account_plan.sealed(session=session, import_id=found.id, planned=planned),
    )
    record(
        session=session,
        actor=actor,
        at=at,
        action="import.published",
        object_type="import",
        object_id=found.id,
        difference={"state": (State.REVIEW.value, State.PUBLISHED.value), "entries": (None, new)},
    )


def _book(session: Session, context: JobContext, found: Import, at: datetime, actor: Actor) -> None:
    values = {"id": found.id}
    session.execute(_MATCHED, values)
    session.execute(_UNMATCHED, values)
    purposes = {
        currency: account_commands.ensure_purpose_account(
            session=session,
            actor=actor,
            at=at,
            purpose=Purpose.TO_CATEGORISE,
            currency=currency,
        )
        for currency in session.scalars(_CURRENCIES, values).all()
    }
    last: int = session.execute(_LAST, values).scalar_one()
    with commands.judged_at_the_end(session):
        for first in range(1, last + 1, BATCH_ROWS):
            session.execute(
                _BOOK,
                {
                    "id": found.id,
                    "first": first,
                    "last": first + BATCH_ROWS - 1,
                    "at": at,
                    "by": actor.person_id,
                    "currencies": list(purposes),
                    "purposes": list(purposes.values()),
                },
            )
            context.beat(done=min(first + BATCH_ROWS - 1, last), total=last)
    session.execute(_MERGED_KEYS, values)
    _fill_blanks(session, context, found, at, actor)


def _fill_blanks(session: Session, context: JobContext, found: Import, at: datetime, actor: Actor) -> None:
    """Give entries that rows were merged into the words that they lack."""
    for entry_id, counterparty, description in session.execute(_BLANKS, {"id": found.id}).all():
        entry = ledger_queries.entry(session=session, entry_id=entry_id)
        if entry is None:
            raise NotFound
        draft = replace(
            draft_of(entry),
            counterparty=entry.counterparty or counterparty,
            description=entry.description or description,
        )
        ledger_commands.edit_entry(
            session=session,
            actor=actor,
            at=at,
            change_id=context.claim.id,
            entry_id=entry_id,
            version=None,
            draft=draft,
        )
