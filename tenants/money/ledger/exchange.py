"""Exchanges: money leaves in one currency and arrives in another, through the trading accounts, at a rate that is kept.

Each currency sums to zero by itself; what the trading accounts hold is the position in each currency.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction

from sqlalchemy.orm import Session

from tenants.money.accounts import queries as account_queries
from tenants.money.accounts.commands import ensure_purpose_account
from tenants.money.accounts.rules import Purpose
from tenants.money.ledger.commands import post_entry
from tenants.money.ledger.rules import EntryDraft, PostingDraft
from webapp.kernel.actor import Actor
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import LIMIT_MINOR, exponent

RATE_DIGITS = 12
"""Significant digits of a rate that was worked out from two amounts."""
_RATE = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class ExchangeDraft:
    """An exchange: `from_minor` leaves, `to_minor` arrives; `rate` is the second currency's units for one of the first.

    Either `to_minor` or `rate` may be None: it is worked out from the other.
    """

    day: date
    description: str
    from_account_id: int
    from_minor: int
    to_account_id: int
    to_minor: int | None
    rate: str | None = None
    counterparty: str = ""
    note: str = ""


def post_exchange(*, session: Session, actor: Actor, at: datetime, draft: ExchangeDraft) -> int:
    """Book an exchange as one entry of four postings and return its id.

    Raises Invalid (from_account_id, to_account_id, from_amount, to_amount, rate, …), AccountClosed, PeriodClosed,
    OverdraftExceeded.
    """
    known = account_queries.currencies_of(session=session, ids=[draft.from_account_id, draft.to_account_id])
    errors = [
        FieldError(name, "unknown", N_("There is no such account."))
        for name in ("from_account_id", "to_account_id")
        if getattr(draft, name) not in known
    ]
    if not errors and known[draft.from_account_id] == known[draft.to_account_id]:
        errors.append(FieldError("to_account_id", "currency", N_("Both accounts are kept in the same currency.")))
    errors = errors or amount_errors(draft)
    if errors:
        raise Invalid(errors=tuple(errors))
    source, target = known[draft.from_account_id], known[draft.to_account_id]
    to_minor = draft.to_minor if draft.to_minor is not None else arriving(draft, source, target)
    trading = {
        currency: ensure_purpose_account(
            session=session, actor=actor, at=at, purpose=Purpose.TRADING, currency=currency
        )
        for currency in sorted({source, target})
    }
    return post_entry(
        session=session,
        actor=actor,
        at=at,
        draft=EntryDraft(
            day=draft.day,
            description=draft.description,
            counterparty=draft.counterparty,
            note=draft.note,
            rate=draft.rate or rate_of(draft.from_minor, source, to_minor, target),
            postings=(
                PostingDraft(draft.from_account_id, -draft.from_minor, source),
                PostingDraft(trading[source], draft.from_minor, source),
                PostingDraft(trading[target], -to_minor, target),
                PostingDraft(draft.to_account_id, to_minor, target),
            ),
        ),
    )


def amount_errors(draft: ExchangeDraft) -> list[FieldError]:
    """Return what is wrong with the amounts and the rate."""
    errors = [
        FieldError(name, "not_positive", N_("The amount is greater than zero."))
        for name, minor in (("from_amount", draft.from_minor), ("to_amount", draft.to_minor))
        if minor is not None and minor <= 0
    ]
    if draft.rate is not None and (not _RATE.fullmatch(draft.rate) or not Decimal(draft.rate)):
        errors.append(FieldError("rate", "not_a_number", N_("Write the rate as digits with a point, like 1.0850.")))
    if draft.to_minor is None and draft.rate is None:
        errors.append(FieldError("to_amount", "missing", N_("Give the amount that arrives, or the rate.")))
    return errors


def arriving(draft: ExchangeDraft, source: str, target: str) -> int:
    """Return what arrives at the draft's rate, rounded half to even once, in minor units.

    Raises Invalid (rate).
    """
    exact = (
        Fraction(draft.from_minor) * Fraction(draft.rate or "0") * Fraction(10) ** (exponent(target) - exponent(source))
    )
    minor = round(exact)
    if not 0 < minor <= LIMIT_MINOR:
        text = N_("At this rate nothing that an entry can hold arrives.")
        raise Invalid(errors=(FieldError("rate", "range", text),))
    return minor


def rate_of(from_minor: int, source: str, to_minor: int, target: str) -> str:
    """Return the rate between two amounts, exact to 12 significant digits."""
    context = Context(prec=RATE_DIGITS, rounding=ROUND_HALF_EVEN)
    first = Decimal(from_minor).scaleb(-exponent(source))
    second = Decimal(to_minor).scaleb(-exponent(target))
    return f"{context.divide(second, first).normalize(context):f}"
