"""A wrong row, corrected by a person: its edited fields to a line."""

from tenants.money.imports.readers.amounts import AmountError, currency_code, to_minor
from tenants.money.imports.readers.dates import DateError, to_day
from tenants.money.imports.readers.lines import Line, Wrong, collapse


def repaired(
    wrong: Wrong, fields: dict[str, str], *, default_currency: str, date_format: str = "%d.%m.%Y"
) -> Line | Wrong:
    """Return the line that the edited fields say, or the row again with what is still wrong.

    Dates are read year first or in the file's own form, amounts with either decimal sign. `raw` stays what the file
    says, so that the next import of the same file knows the row again.
    """
    edited = {**wrong.fields, **{key: value.strip() for key, value in fields.items() if key in _FIELDS}}
    currency = currency_code(edited.get("currency", "")) or default_currency
    try:
        day = to_day(edited.get("date", ""), date_format)
        minor, currency = to_minor(edited.get("amount", ""), currency)
    except (DateError, AmountError) as error:
        code = "missing_date" if error.code == "bad_date" and not edited.get("date") else error.code
        return Wrong(wrong.line, wrong.raw, code, error.params, edited)
    if minor == 0:
        return Wrong(wrong.line, wrong.raw, "zero", {}, edited)
    names = collapse(edited.get("counterparty", "")), collapse(edited.get("text", ""))
    label = edited.get("account_label") or None
    return Line(wrong.line, wrong.raw, day, None, minor, currency, *names, None, label)


_FIELDS = frozenset({"date", "amount", "currency", "counterparty", "text", "account_label"})
