"""Rows of a statement into the database by COPY, as they are read: bounded memory, no statement per row."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any

import psycopg
from sqlalchemy.orm import Session

from tenants.money.imports import sealing
from tenants.money.imports.fingerprints import Fingerprints
from tenants.money.imports.readers.lines import Line, Row, Wrong
from tenants.money.imports.rules import COUNTERPARTY_MAX, DESCRIPTION_MAX
from tenants.money.imports.suggestions import Suggester

AT_ONCE_ROWS = 8 * sealing.BLOCK_ROWS
"""Rows that are written at once; after them the job says how far it is."""
LABEL_MAX = 200
_COPY = (
    "COPY import_row (import_id, position, line, state, reason, params, account_id, day, value_day, amount,"
    " currency, counterparty, description, bank_id, label, fingerprint, suggested_id, suggestion_percent)"
    " FROM STDIN"
)
_TEXTS = "INSERT INTO import_text (import_id, position, content_sealed) VALUES (%s, %s, %s)"
_SPECIAL = re.compile(r"[\\\t\n\r\0\ud800-\udfff]")
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\u2400"}
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2999, 12, 31)
_NOTHING = "\\N"


@dataclass(slots=True)
class Staged:
    """What was loaded: how many rows of each state, the first label, whose rows lie on the chosen account.

    Rows carry the ids of their labels, as a label is a bank number mostly.
    """

    states: Counter[str] = field(default_factory=Counter)
    first_label: str | None = None
    labels: dict[str | None, int] = field(default_factory=dict)
    rows: int = 0


def chunks(*, session: Session, import_id: int, read: Callable[[int], None] = lambda _size: None) -> Iterator[bytes]:
    """Yield the pieces of an uploaded file, one at a time; `read` is told the size of each."""
    position = 0
    while (content := sealing.chunk(session=session, import_id=import_id, position=position)) is not None:
        read(len(content))
        yield content
        position += 1


def stage(
    *,
    session: Session,
    import_id: int,
    rows: Iterable[Row],
    account: tuple[int, str],
    suggester: Suggester,
    told: Callable[[int], None],
) -> Staged:
    """Load the rows of an import; `account` is (id, currency) of the chosen one, `told` hears the count of rows.

    Rows of the first account label in the account's currency are put on the account at once.
    """
    staged = Staged()
    writer = _Writer(import_id, account, suggester, staged, Fingerprints(sealing.secret(session=session)))
    driver: Any = session.connection().connection.driver_connection
    left = iter(rows)
    with _cursor(driver) as cursor:
        while block := [writer.line(row) for row in islice(left, AT_ONCE_ROWS)]:
            with cursor.copy(_COPY) as copy:
                copy.write("".join(block))
            first, raws, params = writer.take_texts()
            cursor.executemany(
                _TEXTS, sealing.texts(session=session, import_id=import_id, first=first, raws=raws, params=params)
            )
            told(staged.rows)
    return staged


def _cursor(driver: "psycopg.Connection[Any]") -> "psycopg.Cursor[Any]":
    return driver.cursor()


class _Writer:
    """Writes rows in COPY's text form. The hot path of an import."""

    def __init__(
        self, import_id: int, account: tuple[int, str], suggester: Suggester, staged: Staged, prints: Fingerprints
    ) -> None:
        self._import = str(import_id)
        self._account, self._currency = str(account[0]), account[1]
        self._suggester = suggester
        self._staged = staged
        self._prints = prints
        self._raws: list[str] = []
        self._params: dict[int, dict[str, Any]] = {}
        self._days: dict[date, str] = {}
        self._seen_line = False

    def line(self, row: Row) -> str:
        """Return one line of COPY for one row."""
        staged = self._staged
        staged.rows += 1
        self._raws.append(row.raw)
        if isinstance(row, Line):
            return self._booked(row)
        if isinstance(row, Wrong):
            return self._wrong(row)
        staged.states["ignored"] += 1
        return self._unbooked(row.line, "ignored", row.code, _NOTHING, "", "")

    def take_texts(self) -> tuple[int, list[str], dict[int, dict[str, Any]]]:
        """Return what the rows since the last call said, as `sealing.texts` takes it."""
        raws, params = self._raws, self._params
        self._raws, self._params = [], {}
        return self._staged.rows - len(raws) + 1, raws, params

    def _booked(self, row: Line) -> str:
        staged = self._staged
        number, raw, day, value_day, minor, currency, counterparty, text, bank_id, label = row
        written = self._days.get(day)
        if written is None:
            if not _FIRST_DAY <= day <= _LAST_DAY:
                return self._day_range(row)
            written = self._days[day] = day.isoformat()
        if not self._seen_line:
            self._seen_line, staged.first_label = True, label
        state, reason = "new", _NOTHING
        if bank_id is None:
            identity, shown_id = self._prints.of_raw(written, minor, currency, label, raw), _NOTHING
        else:
            identity, again = self._prints.of_bank_id(bank_id, label, currency)
            shown_id = escaped(bank_id)
            if again:
                state, reason = "duplicate", "twice_in_file"
        staged.states[state] += 1
        account = self._account if currency == self._currency and label == staged.first_label else _NOTHING
        suggested = percent = _NOTHING
        if not self._suggester.is_empty and (found := self._suggester.suggest(counterparty, text, currency)):
            suggested, percent = str(found[0]), str(found[1])
        valued = value_day.isoformat() if value_day is not None and value_day != day else _NOTHING
        return (
            f"{self._import}\t{staged.rows}\t{number}\t{state}\t{reason}\t\\N\t{account}\t{written}\t"
            f"{valued}\t{minor}\t{currency}\t"
            f"{escaped(counterparty[:COUNTERPARTY_MAX])}\t{escaped(text[:DESCRIPTION_MAX])}\t{shown_id}\t"
            f"{_NOTHING if label is None else self._label(label)}\t{identity}\t{suggested}\t{percent}\n"
        )

    def _wrong(self, row: Wrong) -> str:
        self._staged.states["wrong"] += 1
        self._params[self._staged.rows] = {
            "params": row.params,
            "fields": row.fields,
            "ordinal": self._prints.ordinal_of_unread(sealing.shown(row.raw)),
        }
        return self._unbooked(
            row.line,
            "wrong",
            row.code,
            row.fields.get("currency", "")[:3] or _NOTHING,
            row.fields.get("counterparty", ""),
            row.fields.get("text", ""),
        )

    def _label(self, label: str) -> int:
        labels, known = self._staged.labels, label[:LABEL_MAX]
        return labels.setdefault(known, len(labels) + 1)

    def _day_range(self, row: Line) -> str:
        fields = {
            "date": row.day.isoformat(),
            "amount": str(row.minor),
            "currency": row.currency,
            "counterparty": row.counterparty,
            "text": row.text,
        }
        return self._wrong(Wrong(row.line, row.raw, "day_range", {"value": row.day.isoformat()}, fields))

    def _unbooked(self, number: int, state: str, reason: str, currency: str, counterparty: str, text: str) -> str:
        written = currency if currency == _NOTHING else escaped(currency)
        return (
            f"{self._import}\t{self._staged.rows}\t{number}\t{state}\t{reason}\t\\N\t"
            f"\\N\t\\N\t\\N\t\\N\t{written}\t{escaped(counterparty[:COUNTERPARTY_MAX])}\t"
            f"{escaped(text[:DESCRIPTION_MAX])}\t\\N\t\\N\t\\N\t\\N\t\\N\n"
        )


def escaped(text: str) -> str:
    """Write a text for COPY; what no database can hold is made visible."""
    return text if _SPECIAL.search(text) is None else _SPECIAL.sub(_escape, text)


def _escape(match: "re.Match[str]") -> str:
    return _ESCAPES.get(match[0], "\ufffd")
