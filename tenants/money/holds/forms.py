"""Forms of holds: text to values, errors at the field."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from tenants.money.holds.rules import HoldDraft
from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.errors import N_, FieldError, Invalid

ID_DIGITS_MAX = 18


@dataclass(frozen=True, slots=True)
class Capture:
    """Where what is held goes; `minor` units, None for all of it."""

    to_account_id: int
    minor: int | None
    day: date
    description: str


def read_hold(form: Mapping[str, str], *, currencies: Mapping[int, str], decimal_sign: str) -> HoldDraft:
    """Read the form of a new hold; it is kept in the currency of its account (`currencies` by account id).

    Raises Invalid.
    """
    errors: list[FieldError] = []
    account_id = _id("account_id", form, errors)
    currency = currencies.get(account_id, "")
    if not errors and not currency:
        errors.append(FieldError("account_id", "unknown", N_("There is no such account.")))
    minor = _amount(form, currency, decimal_sign, errors) if currency else None
    last_day = _day("expires_on", form, errors)
    if errors:
        raise Invalid(errors=tuple(errors))
    expires_at = datetime.combine(last_day + timedelta(days=1), time(), UTC) if last_day else None
    return HoldDraft(account_id, minor or 0, currency, form.get("description", ""), expires_at)


def read_capture(form: Mapping[str, str], *, currency: str, today: date, decimal_sign: str) -> Capture:
    """Read the form of a capture.

    Raises Invalid.
    """
    errors: list[FieldError] = []
    account_id = _id("to_account_id", form, errors)
    minor = _amount(form, currency, decimal_sign, errors) if form.get("amount", "").strip() else None
    day = _day("date", form, errors)
    if errors:
        raise Invalid(errors=tuple(errors))
    return Capture(account_id, minor, day or today, form.get("description", ""))


def _id(name: str, form: Mapping[str, str], errors: list[FieldError]) -> int:
    text = form.get(name, "")
    if text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS_MAX:
        return int(text)
    errors.append(FieldError(name, "missing", N_("Choose an account.")))
    return 0


def _amount(form: Mapping[str, str], currency: str, decimal_sign: str, errors: list[FieldError]) -> int | None:
    try:
        return read_amount(form.get("amount", ""), currency, decimal_sign=decimal_sign)
    except AmountError as error:
        errors.append(FieldError("amount", error.code, error.message, error.params))
        return None


def _day(name: str, form: Mapping[str, str], errors: list[FieldError]) -> date | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day == date.max:
        errors.append(
            FieldError(name, "date", N_("“%(text)s” is not a date. Write it like 2026-11-20."), {"text": text[:40]})
        )
        return None
    return day
