"""Which column of a table means what, and how its dates and amounts are written."""

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Self

from tenants.money.imports.readers.dates import order_of

ENCODINGS = (
    "utf-8",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "cp1252",
    "iso-8859-1",
    "iso-8859-15",
    "cp1250",
    "cp1256",
    "iso-8859-6",
    "cp850",
    "mac-roman",
)
"""Encodings that can be chosen."""
DELIMITERS = (",", ";", "\t", "|")
BOOKED = (
    "completed",
    "booked",
    "settled",
    "posted",
    "cleared",
    "executed",
    "success",
    "umsatz gebucht",
    "gebucht",
    "abgeschlossen",
    "comptabilisé",
    "terminé",
    "effectué",
    "exécuté",
    "completado",
    "contabilizado",
    "مكتمل",
    "منفذ",
)
"""Values of a status column that mean booked, in lower case."""
COLUMNS_MAX = 200

SINGLE_ROLES = (
    "date",
    "value_day",
    "amount",
    "debit",
    "credit",
    "sign",
    "fee",
    "currency",
    "bank_id",
    "account_label",
    "status",
    "balance",
    "original_amount",
    "original_currency",
    "rate",
)
LIST_ROLES = ("counterparty", "text")
OPTIONAL_ROLES = frozenset({"balance", "original_amount", "original_currency", "rate"})
"""Roles whose column may be missing at the end of a row."""


_MULTIPLIER = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,6})?", re.ASCII)


class MappingError(ValueError):
    """A mapping that does not hold together; `field` names where, `detail` says why."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """How to read a table. Columns are counted from 0, `header_line` from 1 (0: no header). None: no such column.

    `width` is the header's number of columns (0: unknown). `doubts` names what the proposal could not settle:
    `date_order`, `decimal_sign`, `no_header`, `direction`, `currency`.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    quote: str = '"'
    header_line: int = 1
    width: int = 0
    sheet: str = ""
    date: int | None = None
    value_day: int | None = None
    amount: int | None = None
    debit: int | None = None
    credit: int | None = None
    sign: int | None = None
    fee: int | None = None
    currency: int | None = None
    bank_id: int | None = None
    account_label: int | None = None
    status: int | None = None
    balance: int | None = None
    original_amount: int | None = None
    original_currency: int | None = None
    rate: int | None = None
    counterparty: tuple[int, ...] = ()
    text: tuple[int, ...] = ()
    fixed_currency: str = ""
    booked: tuple[str, ...] = BOOKED
    date_format: str = "%Y-%m-%d"
    decimal: str = "."
    thousands: str = ""
    debit_signed: bool = False
    flip_sign: bool = False
    multiplier: str = "1"
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self._check_shape()
        self._check_columns()

    def _check_shape(self) -> None:
        if self.encoding not in ENCODINGS:
            raise MappingError("encoding", "unknown")
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n\0':
            raise MappingError("delimiter", "must be one character")
        if self.quote not in {"", '"', "'"} or self.quote == self.delimiter:
            raise MappingError("quote", "must be a quotation mark or empty")
        if self.decimal not in {".", ","}:
            raise MappingError("decimal", "must be a point or a comma")
        if self.thousands not in {"", ".", ",", " ", "'"} or self.thousands == self.decimal:
            raise MappingError("thousands", "must differ from the decimal sign")
        if not 0 <= self.header_line <= 100:
            raise MappingError("header_line", "must be between 0 and 100")
        if not 0 <= self.width <= COLUMNS_MAX:
            raise MappingError("width", "too many columns")
        if not _MULTIPLIER.fullmatch(self.multiplier) or not self.multiplier.strip("0."):
            raise MappingError("multiplier", "must be a number such as 0.01 or 1000")
        if "%" not in self.date_format or len(self.date_format) > 30:
            raise MappingError("date_format", "unknown")
        order_of(self.date_format)

    def _check_columns(self) -> None:
        for role, index in self.columns():
            if not 0 <= index < (self.width or COLUMNS_MAX):
                raise MappingError(role, "there is no such column")

    def columns(self) -> tuple[tuple[str, int], ...]:
        """Return every (role, column) that is set."""
        single = [(role, getattr(self, role)) for role in SINGLE_ROLES if getattr(self, role) is not None]
        return tuple(single + [(role, index) for role in LIST_ROLES for index in getattr(self, role)])

    def on(self, layout: Self) -> Self:
        """Return this mapping for another file with the same header: its roles, on the layout found in that file."""
        return replace(
            self,
            encoding=layout.encoding,
            delimiter=layout.delimiter,
            quote=layout.quote,
            header_line=layout.header_line,
            width=layout.width,
            sheet=layout.sheet,
        )

    def is_complete(self) -> bool:
        """Tell whether rows can be read: a date, and an amount or a debit and credit column."""
        return self.date is not None and (self.amount is not None or self.debit is not None or self.credit is not None)

    def to_dict(self) -> dict[str, object]:
        """Return the mapping as JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, object]) -> Self:
        """Read a mapping from JSON values. Raises MappingError at the field that does not fit."""
        known = {f.name for f in fields(cls)}
        given: dict[str, object] = {}
        for key, value in values.items():
            if key not in known:
                raise MappingError(key[:40], "unknown field")
            given[key] = _checked(key, value)
        return cls(**given)  # type: ignore[arg-type]  # each value was checked against its field by _checked


def _checked(key: str, value: object) -> object:
    """Return a JSON value as the field's type. Raises MappingError."""
    if key in SINGLE_ROLES:
        good = value is None or (isinstance(value, int) and not isinstance(value, bool))
    elif key in LIST_ROLES:
        good = isinstance(value, list | tuple) and all(type(v) is int for v in value) and len(value) <= COLUMNS_MAX
    elif key in {"booked", "doubts"}:
        good = isinstance(value, list | tuple) and all(isinstance(v, str) for v in value) and len(value) <= COLUMNS_MAX
    elif key in {"header_line", "width"}:
        good = isinstance(value, int) and not isinstance(value, bool)
    elif key in {"flip_sign", "debit_signed"}:
        good = isinstance(value, bool)
    else:
        good = isinstance(value, str) and len(value) <= 200
    if not good:
        raise MappingError(key, "has the wrong type")
    return tuple(value) if isinstance(value, list) else value
