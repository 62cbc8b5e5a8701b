"""Acts on holds: place, capture, release, expire. The database keeps what is held and refuses a second settling."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.commands import lock_balances
from tenants.money.accounts.rules import Kind
from tenants.money.holds import queries
from tenants.money.holds.models import Hold
from tenants.money.holds.queries import HoldView
from tenants.money.holds.rules import HoldDraft, State, amount_errors, draft_errors
from tenants.money.ledger.booking import reserve_entry_id
from tenants.money.ledger.commands import post_entry
from tenants.money.ledger.refusals import HoldSettled, book_rules
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from webapp.audit.commands import record
from webapp.jobs.commands import enqueue
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid, NotFound

EXPIRE = "holds.expire"
EXPIRE_MAX = 500
"""Holds that expire in one transaction."""


def place_hold(*, session: Session, actor: Actor, at: datetime, draft: HoldDraft, job_id: UUID) -> HoldView:
    """Reserve money on an account; `job_id` is the job that lets the hold expire, if it does.

    Raises Invalid (account_id, amount, currency, description, expires_at), OverdraftExceeded.
    """
    errors = draft_errors(draft, at) + _account_errors(session, draft)
    if errors:
        raise Invalid(errors=tuple(errors))
    with book_rules():
        hold_id: int = session.execute(
            insert(Hold)
            .values(
                account_id=draft.account_id,
                amount=draft.minor,
                currency=draft.currency,
                description=draft.description,
                expires_at=draft.expires_at,
                placed_at=at,
                placed_by=actor.person_id,
            )
            .returning(Hold.id),
        ).scalar_one()
    if draft.expires_at is not None:
        enqueue(
            session=session, actor=actor, at=at, job_id=job_id, kind=EXPIRE, arguments={}, delay=draft.expires_at - at
        )
    record(
        session=session,
        actor=actor,
        at=at,
        action="hold.placed",
        object_type="hold",
        object_id=hold_id,
        difference={
            "account_id": (None, draft.account_id),
            "amount": (None, draft.minor),
            "currency": (None, draft.currency),
            "description": (None, draft.description),
            "expires_at": (None, draft.expires_at.isoformat() if draft.expires_at else None),
        },
    )
    return _view(session, hold_id)


def _account_errors(session: Session, draft: HoldDraft) -> list[FieldError]:
    account = account_queries.account(session=session, account_id=draft.account_id)
    if account is None:
        return [FieldError("account_id", "unknown", N_("There is no such account."))]
    if account.kind != Kind.ASSET.value:
        return [FieldError("account_id", "kind", N_("Money is held on an account of the kind asset."))]
    if account.currency != draft.currency:
        text = N_("The account is kept in %(expected)s, not in %(given)s.")
        return [FieldError("currency", "currency", text, {"expected": account.currency, "given": draft.currency})]
    return []


def capture_hold(
    *,
    session: Session,
    actor: Actor,
    at: datetime,
    hold_id: int,
    to_account_id: int,
    day: date,
    minor: int | None = None,
    description: str = "",
) -> HoldView:
    """Take what is held (or `minor` of it, the rest is released) to another account by a new entry.

    Raises NotFound, HoldSettled, Invalid, PeriodClosed, AccountClosed, OverdraftExceeded.
    """
    held = _lock(session, hold_id, at)
    taken = held.amount if minor is None else minor
    if errors := amount_errors(taken, held.amount):
        raise Invalid(errors=tuple(errors))
    draft = EntryDraft(
        day,
        description or held.description,
        (
            PostingDraft(held.account_id, -taken, held.currency),
            PostingDraft(to_account_id, taken, held.currency),
        ),
    )
    if account_queries.currencies_of(session=session, ids=[to_account_id]).get(to_account_id) != held.currency:
        text = N_("Choose an account that is kept in %(currency)s.")
        raise Invalid(errors=(FieldError("to_account_id", "currency", text, {"currency": held.currency}),))
    lock_balances(session=session, account_ids={held.account_id, to_account_id})
    # What was held is free for the entry, and for nobody else: the balance stays locked until both are done.
    entry_id = reserve_entry_id(session=session)
    _settle(session, actor=actor, at=at, held=held, state=State.CAPTURED, captured=taken, entry_id=entry_id)
    post_entry(session=session, actor=actor, at=at, draft=draft, entry_id=entry_id)
    return _view(session, hold_id)


def release_hold(*, session: Session, actor: Actor, at: datetime, hold_id: int) -> HoldView:
    """Give free what is held.

    Raises NotFound, HoldSettled.
    """
    held = _lock(session, hold_id, None)
    _settle(session, actor=actor, at=at, held=held, state=State.RELEASED)
    return _view(session, hold_id)


def expire_due(*, session: Session, actor: Actor, at: datetime) -> int:
    """Settle holds that have expired, at most 500, and return how many they were."""
    due = [
        HoldView(*row)
        for row in session.execute(
            select(*(getattr(Hold, name) for name in HoldView.__dataclass_fields__))
            .where(Hold.state == State.ACTIVE.value, Hold.expires_at <= at)
            .order_by(Hold.account_id, Hold.id)
            .limit(EXPIRE_MAX)
            .with_for_update(skip_locked=True),
        )
    ]
    lock_balances(session=session, account_ids={held.account_id for held in due})
    for held in due:
        _settle(session, actor=actor, at=at, held=held, state=State.EXPIRED)
    return len(due)


def _settle(
    session: Session,
    *,
    actor: Actor,
    at: datetime,
    held: HoldView,
    state: State,
    captured: int | None = None,
    entry_id: int | None = None,
) -> None:
    with book_rules():
        session.execute(
            update(Hold)
            .where(Hold.id == held.id)
            .values(state=state.value, settled_at=at, settled_by=actor.person_id, captured=captured, entry_id=entry_id),
        )
    difference: dict[str, tuple[Any, Any]] = {"state": (held.state, state.value)}
    if captured is not None:
        # The currency is no change; it says what the amount is of.
        currency = (held.currency, held.currency)
        difference |= {"captured": (None, captured), "currency": currency, "entry_id": (None, entry_id)}
    record(
        session=session,
        actor=actor,
        at=at,
        action=f"hold.{state.value}",
        object_type="hold",
        object_id=held.id,
        difference=difference,
    )


def _lock(session: Session, hold_id: int, at: datetime | None) -> HoldView:
    """Lock an active hold; with `at` also refuse one whose time is over, though nobody has settled it yet."""
    session.execute(select(Hold.id).where(Hold.id == hold_id).with_for_update())
    found = queries.hold(session=session, hold_id=hold_id)
    if found is None:
        raise NotFound
    over = at is not None and found.expires_at is not None and found.expires_at <= at
    if found.state != State.ACTIVE.value or over:
        raise HoldSettled
    return found


def _view(session: Session, hold_id: int) -> HoldView:
    found = queries.hold(session=session, hold_id=hold_id)
    if found is None:
        raise NotFound
    return found
