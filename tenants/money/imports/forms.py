"""The form of the mapping: which column means what, and how dates and amounts are written."""

from collections.abc import Mapping as Form
from typing import Any

from tenants.money.imports.readers.mapping import COLUMNS_MAX, ENCODINGS, Mapping, MappingError
from webapp.kernel.errors import N_, FieldError, Invalid

ROLES: tuple[tuple[str, str], ...] = (
    ("", N_("Not used")),
    ("date", N_("Date")),
    ("amount", N_("Amount")),
    ("debit", N_("Money out")),
    ("credit", N_("Money in")),
    ("sign", N_("In or out (C/D)")),
    ("counterparty", N_("Counterparty")),
    ("text", N_("Description")),
    ("currency", N_("Currency")),
    ("value_day", N_("Value date")),
    ("fee", N_("Fee")),
    ("bank_id", N_("Bank's number")),
    ("account_label", N_("Account")),
    ("status", N_("State of booking")),
    ("balance", N_("Balance")),
    ("original_amount", N_("Original amount")),
    ("original_currency", N_("Original currency")),
    ("rate", N_("Exchange rate")),
)
LIST_ROLES = frozenset({"counterparty", "text"})
DATE_FORMS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%Y%m%d", "%d %b %Y")
DELIMITERS = ((",", N_("Comma")), (";", N_("Semicolon")), ("\t", N_("Tab")), ("|", N_("Bar")))
HEADER_LINE_MAX = 100
WRITTEN = ("date_format", "decimal", "encoding", "fixed_currency", "header_line", "multiplier")
"""Fields that hold a text of the mapping as it is."""


def roles_of(mapping: Mapping) -> dict[int, str]:
    """Return column to role."""
    return {index: role for role, index in mapping.columns()}


def values_of(mapping: Mapping) -> dict[str, str]:
    """Return what the form shows of a mapping, as text."""
    values = {name: str(getattr(mapping, name)) for name in WRITTEN}
    return values | {
        "delimiter": "tab" if mapping.delimiter == "\t" else mapping.delimiter,
        "flip_sign": "1" if mapping.flip_sign else "",
        **{f"column-{index}": role for index, role in roles_of(mapping).items()},
    }


def typed_in(form: Form[str, str]) -> dict[str, str]:
    """Return what a person typed into the form, as it was typed."""
    columns = {f"column-{index}" for index in range(COLUMNS_MAX)}
    return dict.fromkeys(("flip_sign", *WRITTEN), "") | {
        name: text for name, text in form.items() if name in columns or name in {*WRITTEN, "delimiter", "flip_sign"}
    }


PROPOSED = ("date_format", "decimal", "header_line")
"""Fields that are proposed again when another delimiter is chosen, unless a person has chosen them."""


def proposed_again(form: Form[str, str], parted: Mapping | None) -> dict[str, str]:
    """Return what a form should say now that its columns are parted otherwise; what a person chose is not in it."""
    if parted is None:
        return {}
    fresh = values_of(parted)
    names = PROPOSED if parted.is_complete() else ("header_line",)
    return {name: fresh[name] for name in names if form.get(name) == form.get(f"proposed-{name}", "")}


def read_mapping(form: Form[str, str], base: Mapping) -> Mapping:
    """Read the mapping form; what it does not ask for stays as `base` has it.

    Raises Invalid (columns, header_line, multiplier, …).
    """
    values: dict[str, Any] = base.to_dict() | _columns(form) | {"doubts": [], "width": 0}
    for name in ("date_format", "decimal", "delimiter", "encoding", "multiplier"):
        if form.get(name):
            values[name] = "\t" if form[name] == "tab" else form[name].strip()
    if values["encoding"] not in ENCODINGS:
        raise Invalid(errors=(FieldError("encoding", "unknown", N_("Choose one of the encodings.")),))
    if values["decimal"] == values["thousands"]:
        values["thousands"] = ""
    if "header_line" in form:
        text = form["header_line"].strip() or "0"
        if not text.isascii() or not text.isdecimal() or int(text) > HEADER_LINE_MAX:
            wrong = N_("The header's line is a number from 1 to 100; 0 if the file has none.")
            raise Invalid(errors=(FieldError("header_line", "range", wrong),))
        values["header_line"] = int(text)
    values["flip_sign"] = form.get("flip_sign") == "1"
    values["fixed_currency"] = form.get("fixed_currency", base.fixed_currency).strip().upper()[:3]
    try:
        return Mapping.from_dict(values)
    except MappingError as error:
        wrong = N_("The columns that were chosen do not fit: %(detail)s.")
        raise Invalid(errors=(FieldError(error.field, "mapping", wrong, {"detail": str(error)}),)) from None


def check_complete(mapping: Mapping) -> None:
    """Raise Invalid (columns) unless rows can be read by the mapping."""
    if not mapping.is_complete():
        missing = N_("Say which column is the date, and which is the amount, or money in and money out.")
        raise Invalid(errors=(FieldError("columns", "incomplete", missing),))


def _columns(form: Form[str, str]) -> dict[str, Any]:
    chosen: dict[str, Any] = {role: [] if role in LIST_ROLES else None for role, _ in ROLES if role}
    twice: list[str] = []
    for index in range(COLUMNS_MAX):
        role = form.get(f"column-{index}", "")
        if role in LIST_ROLES:
            chosen[role].append(index)
        elif role in chosen:
            if chosen[role] is not None:
                twice.append(role)
            chosen[role] = index
    if twice:
        names = dict(ROLES)
        wrong = N_("“%(role)s” was chosen for two columns.")
        raise Invalid(errors=(FieldError("columns", "twice", wrong, {"role": names[twice[0]]}),))
    return chosen
