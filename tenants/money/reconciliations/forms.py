"""The form of a statement: text to values, errors at the field. A balance is typed as the account's page shows it."""

from collections.abc import Mapping
from datetime import date

from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.tree import turned
from tenants.money.reconciliations.rules import Adjustment, StatementDraft
from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.errors import N_, FieldError, Invalid


def read_statement(form: Mapping[str, str], account: AccountView, *, decimal_sign: str) -> StatementDraft:
    """Read a statement's closing day and balance.

    Raises Invalid (date, balance).
    """
    errors: list[FieldError] = []
    day, balance = date.min, 0
    text = form.get("date", "").strip()
    try:
        day = date.fromisoformat(text)
    except ValueError:
        message = N_("“%(text)s” is not a date. Write it like 2026-11-20.") if text else N_("Choose a date.")
        errors.append(FieldError("date", "date", message, {"text": text[:40]}))
    try:
        balance = read_amount(form.get("balance", ""), account.currency, decimal_sign=decimal_sign)
    except AmountError as error:
        errors.append(FieldError("balance", error.code, error.message, error.params))
    if errors:
        raise Invalid(errors=tuple(errors))
    return StatementDraft(day, turned(account.kind, balance))


def read_adjustment(form: Mapping[str, str], description: str) -> Adjustment | None:
    """Read whether what is left is to be booked, and against which account.

    Raises Invalid (account_id).
    """
    if form.get("adjust") != "1":
        return None
    text = form.get("account_id", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):  # noqa: PLR2004 - a bigint
        raise Invalid(errors=(FieldError("account_id", "unknown", N_("Choose an account.")),))
    return Adjustment(int(text), description)
