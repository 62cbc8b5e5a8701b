"""What an account is: five kinds, one currency, dates between which it takes postings."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from schwifty import IBAN
from schwifty.exceptions import SchwiftyException

from webapp.kernel.errors import N_, FieldError
from webapp.kernel.money import LIMIT_MINOR, MoneyError, exponent

NAME_LENGTH_MAX = 200
CODE_LENGTH_MAX = 40
NUMBER_LENGTH_MAX = 64
DEPTH_MAX = 8


class Kind(StrEnum):
    """The five kinds of account."""

    ASSET = "asset"
    EQUITY = "equity"
    EXPENSE = "expense"
    INCOME = "income"
    LIABILITY = "liability"


CATEGORIES = frozenset({Kind.INCOME, Kind.EXPENSE})
"""A category is an income or expense account; there is no second concept."""

CREDIT_KINDS = frozenset({Kind.LIABILITY, Kind.EQUITY, Kind.INCOME})
"""Kinds whose balance is normally negative in the books; pages show them turned."""


class Purpose(StrEnum):
    """Accounts that the product itself posts to, one for each currency."""

    TO_CATEGORISE = "to_categorise"
    TRADING = "trading"
    OPENING = "opening"


PURPOSE_NAMES: dict[Purpose, str] = {
    Purpose.TO_CATEGORISE: N_("To categorise"),
    Purpose.TRADING: N_("Currency trading"),
    Purpose.OPENING: N_("Opening balances"),
}


def stored_name(purpose: Purpose, currency: str) -> str:
    """Return the stable name under which the product opens an account of its own; pages translate it."""
    return f"{PURPOSE_NAMES[purpose]} ({currency})"


@dataclass(frozen=True, slots=True)
class AccountDraft:
    """What a person says of an account; `overdraft_limit` in minor units, None for no limit."""

    name: str
    kind: Kind
    currency: str
    code: str | None = None
    parent_id: int | None = None
    iban: str | None = None
    number: str | None = None
    opened_on: date | None = None
    closed_on: date | None = None
    overdraft_limit: int | None = None


def life_errors(draft: AccountDraft, first: date | None, last: date | None) -> tuple[FieldError, ...]:
    """Return what is wrong with an account's days beside those of its first and its last entry."""
    errors: list[FieldError] = []
    if draft.opened_on and first and draft.opened_on > first:
        message = N_("The account has an entry on %(day)s. Choose that day or an earlier one, or move the entry first.")
        errors.append(FieldError("opened_on", "entries_before", message, {"day": first.isoformat()}))
    if draft.closed_on and last and draft.closed_on < last:
        message = N_("The account has an entry on %(day)s. Choose that day or a later one, or move the entry first.")
        errors.append(FieldError("closed_on", "entries_after", message, {"day": last.isoformat()}))
    return tuple(errors)


MASKED_LENGTH_MIN = 8
"""The end of a shorter number would say too much of it."""


def clean_iban(text: str) -> str:
    """Return the IBAN in its electronic form (ISO 13616), or raise ValueError."""
    try:
        return IBAN(text).compact
    except SchwiftyException as error:
        raise ValueError(str(error)) from None


def bare_number(text: str) -> str:
    """Return the letters and digits of an IBAN or an account's number, by which two ways of writing it are equal."""
    return "".join(filter(str.isalnum, text)).casefold()


def masked(text: str | None) -> str | None:
    """Return what may be told of a bank number where anybody reads: its last four characters."""
    return None if text is None else f"•••• {text[-4:]}" if len(text) > MASKED_LENGTH_MIN else "••••"


def draft_errors(draft: AccountDraft) -> tuple[FieldError, ...]:  # noqa: C901 - one branch for each field
    """Return everything that is wrong with a draft by itself."""
    errors: list[FieldError] = []
    if not draft.name.strip() or len(draft.name) > NAME_LENGTH_MAX or "\x00" in draft.name:
        errors.append(
            FieldError("name", "length", N_("A name has 1 to %(maximum)s characters."), {"maximum": NAME_LENGTH_MAX})
        )
    if draft.code is not None and (not 0 < len(draft.code) <= CODE_LENGTH_MAX or "\x00" in draft.code):
        errors.append(
            FieldError("code", "length", N_("A code has 1 to %(maximum)s characters."), {"maximum": CODE_LENGTH_MAX})
        )
    if draft.number is not None and (not 0 < len(draft.number) <= NUMBER_LENGTH_MAX or "\x00" in draft.number):
        errors.append(
            FieldError(
                "number", "length", N_("A number has 1 to %(maximum)s characters."), {"maximum": NUMBER_LENGTH_MAX}
            )
        )
    try:
        exponent(draft.currency)
    except MoneyError:
        errors.append(FieldError("currency", "unknown_currency", N_("This is not an ISO 4217 currency code.")))
    if draft.iban is not None:
        try:
            clean_iban(draft.iban)
        except ValueError:
            errors.append(FieldError("iban", "iban", N_("This IBAN is not valid: check its digits.")))
    if draft.opened_on and draft.closed_on and draft.closed_on < draft.opened_on:
        errors.append(FieldError("closed_on", "order", N_("An account closes after it opens.")))
    if draft.overdraft_limit is not None:
        if draft.kind is not Kind.ASSET:
            errors.append(FieldError("overdraft_limit", "kind", N_("Only an asset account has an overdraft limit.")))
        elif not 0 <= draft.overdraft_limit <= LIMIT_MINOR:
            errors.append(FieldError("overdraft_limit", "range", N_("The limit is zero or more.")))
    return tuple(errors)
