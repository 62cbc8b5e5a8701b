"""The form of a closing: text to values, errors at the field."""

from collections.abc import Mapping
from datetime import date

from tenants.money.periods.rules import ClosingDraft
from webapp.kernel.errors import N_, FieldError, Invalid


def read_closing(form: Mapping[str, str]) -> ClosingDraft:
    """Read the form of a closing.

    Raises Invalid (starts, ends).
    """
    days: dict[str, date] = {}
    errors: list[FieldError] = []
    for name in ("starts", "ends"):
        text = form.get(name, "").strip()
        try:
            days[name] = date.fromisoformat(text)
        except ValueError:
            message = N_("“%(text)s” is not a date. Write it like 2026-11-20.") if text else N_("Choose a date.")
            errors.append(FieldError(name, "date", message, {"text": text[:40]}))
    if errors:
        raise Invalid(errors=tuple(errors))
    return ClosingDraft(days["starts"], days["ends"], form.get("note", "").replace("\r\n", "\n"))
