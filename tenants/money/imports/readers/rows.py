"""The cells of one row of a table to one line to book, by a mapping. The hot path of an import."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal

from tenants.money.imports.readers.amounts import (
    AmountError,
    clean,
    currency_code,
    fast_reader,
    parts_of,
    scale,
    to_minor,
)
from tenants.money.imports.readers.balances import BALANCE_TEXT, RunningBalances, stated_in
from tenants.money.imports.readers.dates import DateError, to_day
from tenants.money.imports.readers.lines import Ignored, Line, Notes, Row, Wrong, bank_id, collapse, joined, labelled
from tenants.money.imports.readers.mapping import OPTIONAL_ROLES, Mapping
from tenants.money.imports.readers.words import BALANCE_WORD, OUT, PENDING, REVERTED, TOTAL, signed

_CACHE_MAX = 5_000


class Table:
    """Reads rows of one table. `read` never raises for what a cell holds."""

    def __init__(self, mapping: Mapping, default_currency: str, notes: Notes) -> None:
        self.mapping = mapping
        self.notes = notes
        self.header: list[str] = []
        self.default_currency = mapping.fixed_currency or default_currency
        needed = [index for role, index in mapping.columns() if role not in OPTIONAL_ROLES]
        self._needed = max(needed, default=-1) + 1
        self._days: dict[str, date] = {}
        self._fast: dict[str, Callable[[str], int | None]] = {}
        self._balances = RunningBalances() if mapping.balance is not None else None
        self._simple = (
            mapping.amount is not None
            and mapping.sign is None
            and mapping.fee is None
            and not mapping.flip_sign
            and mapping.multiplier == "1"
        )

    def read(self, line: int, raw: str, cells: list[str]) -> Row:
        """Return what one row says. `cells` may be changed."""
        mapping = self.mapping
        if len(cells) != mapping.width:
            odd = self._odd_width(line, raw, cells)
            if odd is not None:
                return odd
        if mapping.status is not None and (closed := self._status(line, raw, cells)) is not None:
            return closed
        day = self._days.get(cells[mapping.date or 0])
        if day is None:
            found = self._day(line, raw, cells)
            if not isinstance(found, date):
                return found
            day = found
        try:
            minor, currency = self._amount(cells)
        except AmountError as error:
            return self._refused(line, raw, cells, error)
        if minor == 0:
            return Ignored(line, raw, "zero")
        counterparty = self._words(cells, mapping.counterparty)
        text = self._words(cells, mapping.text)
        if not counterparty and BALANCE_TEXT.match(text):
            self._state(cells)
            return Ignored(line, raw, "balance")
        if mapping.original_currency is not None:
            text = self._with_original(text, cells, currency)
        value_day = None if mapping.value_day is None else self._value_day(cells[mapping.value_day])
        label = None if mapping.account_label is None else collapse(cells[mapping.account_label]) or None
        identity = None if mapping.bank_id is None else bank_id(cells[mapping.bank_id], day, minor)
        if self._balances is not None and mapping.balance is not None and mapping.balance < len(cells):
            self._balances.saw((label, currency), day, minor, cells[mapping.balance])
        return Line(line, raw, day, value_day, minor, currency, counterparty, text, identity, label)

    def finish(self) -> None:
        """Note the balances that the rows' balance column leads to."""
        if self._balances is not None:
            self.notes.balances.extend(self._balances.stated(self.mapping.decimal))

    def fields(self, cells: list[str]) -> dict[str, str]:
        """Return the texts of a row that a person may correct; the amount with its sign."""
        mapping = self.mapping

        def cell(index: int | None) -> str:
            return cells[index].strip() if index is not None and index < len(cells) else ""

        amount = cell(mapping.amount)
        if mapping.amount is None:
            debit, credit = cell(mapping.debit), cell(mapping.credit)
            amount = credit or (debit if mapping.debit_signed or not debit else f"-{debit.lstrip('-')}")
        elif cell(mapping.sign).casefold() in OUT and amount[:1] not in {"-", "("}:
            amount = f"-{amount}"
        return {
            "date": cell(mapping.date),
            "amount": amount,
            "currency": cell(mapping.currency) or self.default_currency,
            "counterparty": joined(cell(i) for i in mapping.counterparty),
            "text": joined(cell(i) for i in mapping.text),
            **labelled(cell(mapping.account_label)),
        }

    def wrong(self, line: int, raw: str, cells: list[str], code: str, **params: str) -> Wrong:
        """Return a row that could not be read, with its fields."""
        return Wrong(line, raw, code, params, self.fields(cells))

    # -- parts of a row

    def _odd_width(self, line: int, raw: str, cells: list[str]) -> Row | None:
        """Judge a row with another number of columns than the header; None if it can be read all the same."""
        width = self.mapping.width
        if width and len(cells) > width and not any(map(str.strip, cells[width:])):
            del cells[width:]
        found = len(cells)
        if found >= self._needed and not (width and found > width):
            return None
        if special := self._special(line, raw, cells):
            return special
        code, expected = ("extra_column", width) if width and found > width else ("missing_column", self._needed)
        return self.wrong(line, raw, cells, code, found=str(found), expected=str(expected))

    def _special(self, line: int, raw: str, cells: list[str]) -> Ignored | None:
        """Recognise rows without a date of their own: empty ones, totals, balances, the header again."""
        said = [cell.strip() for cell in cells if cell and not cell.isspace()]
        if not said:
            return Ignored(line, raw, "empty")
        if any(TOTAL.match(cell) for cell in said):
            return Ignored(line, raw, "total")
        if any(BALANCE_WORD.match(cell) for cell in said):
            self._state(cells)
            return Ignored(line, raw, "balance")
        return None

    def _state(self, cells: list[str]) -> None:
        stated = stated_in(cells, self.mapping.date_format, self.mapping.decimal, self.default_currency)
        if stated is not None:
            self.notes.balances.append(stated)

    def _status(self, line: int, raw: str, cells: list[str]) -> Row | None:
        value = cells[self.mapping.status or 0].strip()
        if not value or value.casefold() in self.mapping.booked:
            return None
        if cells == self.header:
            return Ignored(line, raw, "repeated_header")
        if REVERTED.search(value):
            return Ignored(line, raw, "reverted")
        if PENDING.search(value):
            return Ignored(line, raw, "pending")
        return self.wrong(line, raw, cells, "unknown_status", value=value[:40])

    def _day(self, line: int, raw: str, cells: list[str]) -> date | Row:
        """Read the date of a row for the first time, or say why there is none."""
        text = cells[self.mapping.date or 0]
        try:
            day = to_day(text, self.mapping.date_format)
        except DateError as error:
            if cells == self.header:
                return Ignored(line, raw, "repeated_header")
            if special := self._special(line, raw, cells):
                return special
            if not text.strip():
                return self.wrong(line, raw, cells, "missing_date")
            return Wrong(line, raw, error.code, error.params, self.fields(cells))
        if len(self._days) < _CACHE_MAX:
            self._days[text] = day
        return day

    def _value_day(self, text: str) -> date | None:
        """Read a value date. Banks value interest on 30 February: that is no reason to refuse the row."""
        day = self._days.get(text)
        if day is None and text:
            try:
                day = to_day(text, self.mapping.date_format)
            except DateError:
                return None
            if len(self._days) < _CACHE_MAX:
                self._days[text] = day
        return day

    def _refused(self, line: int, raw: str, cells: list[str], error: AmountError) -> Row:
        text = self._words(cells, self.mapping.text)
        if error.code == "missing_amount" and (TOTAL.match(text) or BALANCE_WORD.match(text)):
            return Ignored(line, raw, "information")
        return Wrong(line, raw, error.code, error.params, self.fields(cells))

    def _currency(self, cells: list[str]) -> str:
        index = self.mapping.currency
        if index is None:
            return self.default_currency
        value = cells[index]
        return value if value in self._fast else currency_code(value) or self.default_currency

    def _amount(self, cells: list[str]) -> tuple[int, str]:
        """Return the signed minor units of a row and their currency. Raises AmountError."""
        currency = self._currency(cells)
        mapping = self.mapping
        if self._simple:
            return self._minor(cells[mapping.amount or 0], currency)
        if mapping.amount is not None:
            minor, currency = self._minor(cells[mapping.amount], currency)
            if mapping.sign is not None:
                minor = signed(minor, cells[mapping.sign])
        else:
            minor, currency = self._debit_credit(cells, currency)
        if mapping.flip_sign:
            minor = -minor
        if mapping.fee is not None and clean(cells[mapping.fee]):
            # a fee is money out, whichever sign the bank writes before it
            minor -= abs(self._minor(cells[mapping.fee], currency)[0])
        return minor, currency

    def _debit_credit(self, cells: list[str], currency: str) -> tuple[int, str]:
        mapping = self.mapping
        debit = cells[mapping.debit].strip() if mapping.debit is not None else ""
        credit = cells[mapping.credit].strip() if mapping.credit is not None else ""
        if not debit and not credit:
            raise AmountError("missing_amount", {})
        minor = 0
        if credit:
            minor, currency = self._minor(credit, currency)
        if debit:
            out, currency = self._minor(debit, currency)
            minor += out if mapping.debit_signed else -out
        return minor, currency

    def _minor(self, text: str, currency: str) -> tuple[int, str]:
        mapping = self.mapping
        if mapping.multiplier != "1":
            return self._multiplied(text, currency)
        fast = self._fast.get(currency)
        if fast is None:
            fast = self._fast[currency] = fast_reader(currency, mapping.decimal)
        minor = fast(text)
        return (minor, currency) if minor is not None else to_minor(text, currency, mapping.decimal)

    def _multiplied(self, text: str, currency: str) -> tuple[int, str]:
        (negative, whole, fraction), named = parts_of(text, self.mapping.decimal)
        product = format(Decimal(f"{whole}.{fraction or 0}") * Decimal(self.mapping.multiplier), "f")
        whole, _, fraction = product.partition(".")
        currency = named or currency
        return scale(negative=negative, whole=whole, fraction=fraction, currency=currency, text=text), currency

    def _words(self, cells: list[str], columns: tuple[int, ...]) -> str:
        if not columns:
            return ""
        if len(columns) == 1:
            text = cells[columns[0]]
            if "\n" in text or "  " in text or text[:1] in _TRIMMED or text[-1:] in _TRIMMED:
                return joined((text,))
            return text
        return joined([cells[i] for i in columns])

    def _with_original(self, text: str, cells: list[str], currency: str) -> str:
        """Add what was paid in another currency, and the rate, to the text."""
        mapping = self.mapping

        def cell(index: int | None) -> str:
            return cells[index].strip() if index is not None and index < len(cells) else ""

        other = cell(mapping.original_currency)
        if not other or other == currency:
            return text
        rate = cell(mapping.rate)
        return joined([text, f"{cell(mapping.original_amount)} {other}" + (f" @ {rate}" if rate else "")])


_TRIMMED = frozenset({" ", "\t", "\u00a0", "-", "n", "N", ""})
