"""Read a whole statement: chunks of bytes in, rows out, and afterwards what the file states beside them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from tenants.money.imports.readers import camt, mt940, ofx, qif, workbook
from tenants.money.imports.readers.delimited import read_delimited
from tenants.money.imports.readers.lines import Line, Notes, Row, StatedBalance, TooManyRows, Unreadable
from tenants.money.imports.readers.mapping import Mapping
from tenants.money.imports.readers.recognise import Recognition

SAMPLE_ROWS = 50


class Reading:
    """The rows of a statement, to be iterated once; afterwards what the file states.

    `balances` are those that the bank states. `labels` counts the lines to book per account label and currency.
    Iterating raises Unreadable and TooManyRows.
    """

    def __init__(self, rows: Iterator[Row], notes: Notes, max_rows: int) -> None:
        self._rows = rows
        self._notes = notes
        self._max_rows = max_rows

    @property
    def balances(self) -> tuple[StatedBalance, ...]:
        """The balances stated in the file, complete once the rows have been read."""
        return tuple(self._notes.balances)

    @property
    def labels(self) -> Counter[tuple[str | None, str]]:
        """How many lines there are to book, per (account label, currency)."""
        return self._notes.labels

    def __iter__(self) -> Iterator[Row]:
        notes, labels, limit = self._notes, self._notes.labels, self._max_rows
        for row in self._rows:
            notes.rows += 1
            if notes.rows > limit:
                raise TooManyRows(limit)
            if type(row) is Line:
                labels[row.account_label, row.currency] += 1
            yield row


def read(
    chunks: Iterable[bytes],
    recognition: Recognition,
    *,
    mapping: Mapping | None,
    default_currency: str,
    max_rows: int,
) -> Reading:
    """Read a statement. `mapping` goes before the recognition's own; `default_currency` is for files that name none.

    Memory stays bounded except for workbooks, which are small. Raises Unreadable `no_mapping` at once.
    """
    notes = Notes()
    chosen = mapping or recognition.mapping
    rows = _rows(chunks, recognition, chosen, default_currency, notes)
    return Reading(rows, notes, max_rows)


def _rows(
    chunks: Iterable[bytes],
    recognition: Recognition,
    mapping: Mapping | None,
    default_currency: str,
    notes: Notes,
) -> Iterator[Row]:
    encoding = recognition.encoding
    match recognition.kind:
        case "csv" | "xlsx":
            if mapping is None or not mapping.is_complete():
                raise Unreadable("no_mapping")
            reader = read_delimited if recognition.kind == "csv" else workbook.read_workbook
            return reader(chunks, mapping, default_currency, notes)
        case "ofx":
            return ofx.read_ofx(chunks, encoding, default_currency, notes)
        case "qif":
            return qif.read_qif(chunks, mapping or Mapping(encoding=encoding), default_currency, notes)
        case "mt940":
            return mt940.read_mt940(chunks, encoding, default_currency, notes)
        case "camt":
            return camt.read_camt(chunks, default_currency, notes)


def sample(head: bytes, recognition: Recognition, mapping: Mapping, *, default_currency: str) -> list[Row]:
    """Return the first rows as the mapping reads them, for a live preview. Raises Unreadable."""
    reading = read([head], recognition, mapping=mapping, default_currency=default_currency, max_rows=10**9)
    return list(islice(reading, SAMPLE_ROWS))
