"""CAMT.052, .053 and .054 of every version: ISO 20022 account reports, read entry by entry and without namespaces."""

from collections.abc import Iterable, Iterator
from xml.parsers import expat

from tenants.money.imports.readers.amounts import AmountError, to_minor
from tenants.money.imports.readers.camt_entry import entry_rows
from tenants.money.imports.readers.camt_node import Node, canonical, entry_day
from tenants.money.imports.readers.dates import DateError
from tenants.money.imports.readers.lines import Notes, Row, StatedBalance, Unreadable, Wrong

DEPTH_MAX = 64
NODES_MAX = 200_000
"""Most elements of one entry; a batch of payments has some dozens for each."""
TEXT_MAX = 20_000
_STATEMENTS = frozenset({"Stmt", "Rpt", "Ntfctn"})
_KEPT = frozenset({"Ntry", "Bal", "Acct"})


def read_camt(chunks: Iterable[bytes], default_currency: str, notes: Notes) -> Iterator[Row]:
    """Yield every entry of every statement, report or notification in the file.

    Raises Unreadable `dtd` and `too_deep`. A file that breaks off or is malformed ends in a wrong row.
    """
    reader = _Reader(default_currency, notes)
    parser = reader.parser
    received = False
    try:
        for chunk in chunks:
            received = received or bool(chunk)
            parser.Parse(chunk, False)
            yield from reader.taken()
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reader.end_statement()
        yield from reader.taken()
        yield reader.broken(error)
    except (ValueError, LookupError):
        # an encoding that the XML declaration names and nobody knows
        raise Unreadable("damaged") from None
    yield from reader.taken()


class _Reader:
    """Builds one entry at a time from the parser's events."""

    def __init__(self, default_currency: str, notes: Notes) -> None:
        self._default = default_currency
        self._notes = notes
        self._rows: list[Row] = []
        self._read = 0
        self._before = 0
        self._stated: list[StatedBalance] = []
        self._path: list[str] = []
        self._stack: list[Node] = []
        self._nodes = 0
        self._label: str | None = None
        self._owner = ""
        self._currency = default_currency
        parser = expat.ParserCreate(namespace_separator="\x1f")
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = _refuse
        parser.EntityDeclHandler = _refuse
        parser.ExternalEntityRefHandler = _refuse
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self.parser = parser

    def taken(self) -> list[Row]:
        """Return the rows that are complete, once."""
        rows, self._rows = self._rows, []
        return rows

    def end_statement(self) -> None:
        """Note the balances that the statement states: one opens before its rows, one closes behind them."""
        for stated in self._stated:
            after = self._before if stated.kind == "opening" else self._read
            self._notes.balances.append(stated._replace(after=after))
        self._stated, self._before = [], self._read

    def broken(self, error: expat.ExpatError) -> Wrong:
        """Return the wrong row for a file that breaks off or is malformed."""
        ends_early = error.code in {
            expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
            expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN],
            expat.errors.codes[expat.errors.XML_ERROR_PARTIAL_CHAR],
            expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION],
        }
        raw = canonical(self._stack[0]) if self._stack else ""
        number = self._stack[0].line if self._stack else error.lineno
        return Wrong(
            number, raw, "truncated" if ends_early else "malformed", {} if ends_early else {"at": str(error.lineno)}, {}
        )

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        local = name.rpartition("\x1f")[2]
        self._path.append(local)
        if len(self._path) > DEPTH_MAX:
            raise Unreadable("too_deep", {"limit": str(DEPTH_MAX)})
        if local in _STATEMENTS and not self._stack:
            self._label, self._owner, self._currency = None, "", self._default
        if not self._stack:
            if local not in _KEPT or self._path[-2:-1] == [] or self._path[-2] not in _STATEMENTS:
                return
            self._nodes = 0
        self._nodes += 1
        own = {key.rpartition("\x1f")[2]: value for key, value in attributes.items() if "\x1f" not in key}
        node = Node(local, own, self.parser.CurrentLineNumber)
        if self._stack and self._nodes <= NODES_MAX:
            self._stack[-1].children.append(node)
        self._stack.append(node)

    def _characters(self, text: str) -> None:
        if self._stack and len(self._stack[-1].text) < TEXT_MAX:
            self._stack[-1].text += text

    def _end(self, name: str) -> None:
        self._path.pop()
        if not self._stack:
            if name.rpartition("\x1f")[2] in _STATEMENTS:
                self.end_statement()
            return
        node = self._stack.pop()
        if node.children:
            node.text = ""
        if self._stack:
            return
        if node.name == "Acct":
            self._label = node.said("Id/IBAN", "Id/Othr/Id", "Id/PrtryAcct/Id") or None
            self._owner = node.said("Ownr/Nm", "Ownr/Pty/Nm")
            self._currency = node.said("Ccy").upper() or self._default
        elif node.name == "Bal":
            stated = _balance(node, self._label, self._currency)
            if stated:
                self._stated.append(stated)
        else:
            rows = entry_rows(node, label=self._label, owner=self._owner, currency=self._currency)
            self._read += len(rows)
            self._rows.extend(rows)


def _refuse(*_event: object) -> int:
    raise Unreadable("dtd")


def _balance(node: Node, label: str | None, default_currency: str) -> StatedBalance | None:
    """Read a booked balance: OPBD or PRCD opens, CLBD closes.

    Available and forward balances, and those between the pages of a statement, are not compared.
    """
    code = node.said("Tp/CdOrPrtry/Cd")
    if code not in {"OPBD", "PRCD", "CLBD"} or node.said("Tp/SubTp/Cd") == "INTM":
        return None
    amount = node.find("Amt")
    currency = (amount.attributes.get("Ccy", "") if amount else "") or default_currency
    try:
        minor, currency = to_minor(node.said("Amt"), currency.upper(), ".")
        day = entry_day(node.said("Dt/Dt", "Dt/DtTm"))
    except (AmountError, DateError):
        return None
    signed = -minor if node.said("CdtDbtInd") == "DBIT" else minor
    return StatedBalance(label, "closing" if code == "CLBD" else "opening", day, signed, currency)
