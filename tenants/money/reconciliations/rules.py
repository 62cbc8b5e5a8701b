"""What a reconciliation says: up to which day and to which balance the bank's statement is compared with the books."""

from dataclasses import dataclass
from datetime import date

from webapp.kernel.errors import N_, FieldError
from webapp.kernel.money import LIMIT_MINOR

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2999, 12, 31)
TICKS_MAX = 20_000
"""Entries of one reconciliation; who has more reconciles an earlier statement first."""
STATEMENT_KINDS = frozenset({"asset", "liability"})
"""Accounts of which somebody else sends statements."""


@dataclass(frozen=True, slots=True)
class StatementDraft:
    """A statement's closing day and balance, in minor units as the books sign them (debit positive)."""

    day: date
    balance: int


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What books the difference that is left: against which account, and how the entry is described."""

    account_id: int
    description: str


def draft_errors(draft: StatementDraft, *, not_before: date | None) -> tuple[FieldError, ...]:
    """Return everything that is wrong with a statement; `not_before` is the day of the one reconciled last."""
    errors = []
    if not FIRST_DAY <= draft.day <= LAST_DAY:
        errors.append(FieldError("date", "range", N_("The date lies between 1900 and 2999.")))
    elif not_before is not None and draft.day < not_before:
        message = N_("The account is reconciled up to %(day)s already. Choose that day or a later one.")
        errors.append(FieldError("date", "order", message, {"day": not_before.isoformat()}))
    if abs(draft.balance) > LIMIT_MINOR:
        errors.append(FieldError("balance", "too_large", N_("The amount is larger than an entry can hold.")))
    return tuple(errors)
