"""Account forms: text to values, errors at the field."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import AccountDraft, Kind
from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import MoneyError, decimal, exponent

FIELDS = (
    "name",
    "kind",
    "currency",
    "code",
    "parent_id",
    "iban",
    "number",
    "opened_on",
    "closed_on",
    "overdraft_limit",
)


def values_of(account: AccountView) -> dict[str, Any]:
    """Return what the form shows of an account."""
    values = {name: getattr(account, name) for name in FIELDS}
    if account.overdraft_limit is not None:
        values["overdraft_limit"] = decimal(account.overdraft_limit, account.currency)
    return {name: "" if value is None else str(value) for name, value in values.items()}


def read_account(form: Mapping[str, str], *, decimal_sign: str) -> AccountDraft:
    """Read the form of an account.

    Raises Invalid.
    """
    text = {name: form.get(name, "").strip() for name in FIELDS}
    text |= {name: form.get(name, "") for name in ("name", "code", "number") if text[name]}
    errors: list[FieldError] = []
    kind = _kind(text["kind"], errors)
    draft = AccountDraft(
        name=text["name"],
        kind=kind,
        currency=text["currency"].upper(),
        code=text["code"] or None,
        parent_id=_parent(text["parent_id"], errors),
        iban=text["iban"] or None,
        number=text["number"] or None,
        opened_on=read_day("opened_on", text["opened_on"], errors),
        closed_on=read_day("closed_on", text["closed_on"], errors),
        overdraft_limit=_limit(text["overdraft_limit"], text["currency"].upper(), decimal_sign, errors),
    )
    if errors:
        raise Invalid(errors=tuple(errors))
    return draft


def read_day(name: str, text: str, errors: list[FieldError]) -> date | None:
    """Read a day as date fields send it (ISO 8601); an empty field is None."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        errors.append(
            FieldError(name, "date", N_("“%(text)s” is not a date. Write it like 2026-11-20."), {"text": text[:40]})
        )
        return None


def _kind(text: str, errors: list[FieldError]) -> Kind:
    try:
        return Kind(text)
    except ValueError:
        errors.append(FieldError("kind", "kind", N_("Choose what kind of account it is.")))
        return Kind.ASSET


def _parent(text: str, errors: list[FieldError]) -> int | None:
    if not text:
        return None
    if text.isascii() and text.isdecimal() and len(text) <= 18:  # noqa: PLR2004 - what a bigint holds
        return int(text)
    errors.append(FieldError("parent_id", "unknown", N_("There is no such account.")))
    return None


def _limit(text: str, currency: str, decimal_sign: str, errors: list[FieldError]) -> int | None:
    if not text:
        return None
    try:
        exponent(currency)
    except MoneyError:
        return None
    try:
        return read_amount(text, currency, decimal_sign=decimal_sign)
    except AmountError as error:
        errors.append(FieldError("overdraft_limit", error.code, error.message, error.params))
        return None
