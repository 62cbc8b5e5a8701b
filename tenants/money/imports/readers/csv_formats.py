"""Versioned statement formats of banks as data, matched on the header of the table, the newest version first."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tenants.money.imports.readers.headers import normal
from tenants.money.imports.readers.mapping import LIST_ROLES, Mapping
from tenants.money.imports.readers.propose import settle


@dataclass(frozen=True, slots=True)
class StatementFormat:
    """One version of a bank's table. Columns are named as `normal` writes them; their order does not matter.

    `columns` gives each role its names, the first that is present counts (for counterparty and text: all of them).
    A header matches when every name of `needs` is there; "a|b" means either.
    """

    code: str
    needs: tuple[str, ...]
    columns: dict[str, tuple[str, ...]] = field(hash=False)
    date_format: str
    decimal: str


_CONSORS = {
    "date": ("buchung", "valuta"),
    "value_day": ("valuta",),
    "amount": ("betrag",),
    "currency": ("wahrung", "waehrung"),
    "counterparty": ("sender / empfanger",),
    "text": ("verwendungszweck", "buchungstext"),
}
_SPARKASSE = {
    "date": ("buchungstag",),
    "value_day": ("valuta", "valutadatum"),
    "amount": ("betrag",),
    "currency": ("wahrung", "waehrung"),
    "counterparty": ("beguenstigter/zahlungspflichtiger", "begunstigter/zahlungspflichtiger"),
    "text": ("verwendungszweck", "buchungstext"),
    "account_label": ("auftragskonto",),
    "status": ("info",),
}
_SPARKASSE_PAYER = "beguenstigter/zahlungspflichtiger|begunstigter/zahlungspflichtiger"

FORMATS: tuple[StatementFormat, ...] = (
    StatementFormat(
        "sparkasse.v2",
        (
            "auftragskonto",
            "buchungstag",
            "valutadatum",
            "verwendungszweck",
            _SPARKASSE_PAYER,
            "kontonummer/iban",
            "betrag",
        ),
        _SPARKASSE,
        "%d.%m.%Y",
        ",",
    ),
    StatementFormat(
        "sparkasse.v1",
        ("buchungstag", "valuta|valutadatum", "verwendungszweck", _SPARKASSE_PAYER, "kontonummer", "blz", "betrag"),
        _SPARKASSE,
        "%d.%m.%Y",
        ",",
    ),
    StatementFormat(
        "consors.v2",
        ("valuta", "sender / empfanger", "iban / konto-nr", "bic / blz", "verwendungszweck", "betrag"),
        _CONSORS,
        "%d.%m.%Y",
        ",",
    ),
    StatementFormat(
        "consors.v1",
        ("valuta", "sender / empfanger", "iban", "bic", "verwendungszweck", "betrag"),
        _CONSORS,
        "%d.%m.%Y",
        ",",
    ),
    StatementFormat(
        "mintos.v3",
        ("date", "transaction id", "details", "turnover", "balance", "currency"),
        {
            "date": ("date",),
            "amount": ("turnover",),
            "currency": ("currency",),
            "text": ("details",),
            "bank_id": ("transaction id",),
            "balance": ("balance",),
        },
        "%Y-%m-%d",
        ".",
    ),
    StatementFormat(
        "mintos.v2",
        ("datum", "transaktions-nr", "details", "umsatz", "kontostand", "wahrung"),
        {
            "date": ("datum",),
            "amount": ("umsatz",),
            "currency": ("wahrung",),
            "text": ("details",),
            "bank_id": ("transaktions-nr",),
            "balance": ("kontostand",),
        },
        "%Y-%m-%d",
        ".",
    ),
    StatementFormat(
        "mintos.v1",
        ("datum", "transaktions-nr", "einzelheiten", "umsatz", "saldo", "wahrung"),
        {
            "date": ("datum",),
            "amount": ("umsatz",),
            "currency": ("wahrung",),
            "text": ("einzelheiten",),
            "bank_id": ("transaktions-nr",),
            "balance": ("saldo",),
        },
        "%Y-%m-%d",
        ".",
    ),
    StatementFormat(
        "loan.v1",
        ("darlehen", "datum", "betrag", "beschreibung"),
        {"date": ("datum",), "amount": ("betrag",), "text": ("beschreibung",), "account_label": ("darlehen",)},
        "%d.%m.%Y",
        ",",
    ),
    StatementFormat(
        "n26.v2",
        ("booking date", "partner name", "payment reference", "amount"),
        {
            "date": ("booking date",),
            "value_day": ("value date",),
            "amount": ("amount",),
            "counterparty": ("partner name",),
            "text": ("payment reference",),
            "account_label": ("account name",),
            "original_amount": ("original amount",),
            "original_currency": ("original currency",),
            "rate": ("exchange rate",),
        },
        "%Y-%m-%d",
        ".",
    ),
    StatementFormat(
        "n26.v1",
        ("date", "payee", "transaction type", "payment reference", "amount"),
        {
            "date": ("date",),
            "amount": ("amount",),
            "counterparty": ("payee",),
            "text": ("payment reference",),
            "original_amount": ("amount (foreign currency)",),
            "original_currency": ("type foreign currency",),
            "rate": ("exchange rate",),
        },
        "%Y-%m-%d",
        ".",
    ),
    StatementFormat(
        "revolut.v1",
        (
            "product|produit|produkt|producto",
            "completed date|date de fin|datum des abschlusses|fecha de finalizacion",
            "description|beschreibung|descripcion",
            "amount|montant|betrag|importe",
            "fee|frais|gebuhr|comision",
            "currency|devise|wahrung|divisa",
            "state|etat|status|kostenstelle|estado",
        ),
        {
            "date": ("completed date", "date de fin", "datum des abschlusses", "fecha de finalizacion"),
            "amount": ("amount", "montant", "betrag", "importe"),
            "fee": ("fee", "frais", "gebuhr", "comision"),
            "currency": ("currency", "devise", "wahrung", "divisa"),
            "text": ("description", "beschreibung", "descripcion"),
            "account_label": ("product", "produit", "produkt", "producto"),
            "status": ("state", "etat", "status", "kostenstelle", "estado"),
            "balance": ("balance", "solde", "saldo"),
        },
        "%Y-%m-%d",
        ".",
    ),
    StatementFormat(
        "banque-ma.v1",
        ("date operation", "date valeur", "libelle", "montant", "sens", "devise"),
        {
            "date": ("date operation",),
            "value_day": ("date valeur",),
            "amount": ("montant",),
            "sign": ("sens",),
            "currency": ("devise",),
            "text": ("libelle",),
        },
        "%d/%m/%Y",
        ".",
    ),
    StatementFormat(
        "banque-fr.v1",
        ("date|date operation", "date valeur|date de valeur", "libelle", "debit", "credit"),
        {
            "date": ("date", "date operation"),
            "value_day": ("date valeur", "date de valeur"),
            "debit": ("debit",),
            "credit": ("credit",),
            "currency": ("devise",),
            "text": ("libelle",),
        },
        "%d/%m/%Y",
        ",",
    ),
)


def match(header: Sequence[str]) -> StatementFormat | None:
    """Return the first format whose columns are all in the header."""
    names = {normal(name)[0] for name in header}
    for known in FORMATS:
        if all(names.intersection(need.split("|")) for need in known.needs):
            return known
    return None


def mapping_of(known: StatementFormat, header: Sequence[str], columns: list[list[str]]) -> Mapping:
    """Return a format's mapping for this header. What the rows show beyond doubt goes before the format."""
    places: dict[str, int] = {}
    currency = ""
    for index, name in enumerate(header):
        key, code = normal(name)
        places.setdefault(key, index)
        currency = currency or (code or "")
    found = {role: [places[name] for name in names if name in places] for role, names in known.columns.items()}
    roles = {role: tuple(at) if role in LIST_ROLES else at[0] for role, at in found.items() if at}
    mapping = Mapping(
        **roles,  # type: ignore[arg-type]  # roles of FORMATS are fields of Mapping
        width=len(header),
        fixed_currency="" if "currency" in roles else currency,
        date_format=known.date_format,
        decimal=known.decimal,
    )
    return _as_known(known, mapping, settle(mapping, columns))


def _as_known(known: StatementFormat, mapping: Mapping, settled: Mapping) -> Mapping:
    """Fall back to the format's own way of writing where the sample leaves a doubt."""
    values = settled.to_dict()
    if "date_order" in settled.doubts:
        values["date_format"] = known.date_format
    if "decimal_sign" in settled.doubts:
        values["decimal"] = known.decimal
    values["doubts"] = list(mapping.doubts)
    return Mapping.from_dict(values)
