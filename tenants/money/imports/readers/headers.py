"""Names of columns in the languages of banks, and the roles that they stand for."""

import re
import unicodedata

from tenants.money.imports.readers.amounts import currency_code, is_currency

_BRACKET = re.compile(r"(.*\S)\s*[(\[]\s*([^)\]]{1,12})\s*[)\]]")
_UNIT = re.compile(r"(.*\S)\s+(?:(?:in|en|à|a)\s+)?(\S{1,6})")

# Better names first; a name stands for one role only.
_NAMES = {
    "date": """booking date|bookingdate|posting date|posted date|post date|completed date|transaction date|trans date
        |trans. date|transaction posted date|date operation|date de l'operation|date d'operation|date de operation
        |date comptable|date de comptabilisation|date transaction|date de transaction|buchungstag|buchungsdatum|buchung
        |belegdatum|fecha operacion|fecha de operacion|fecha contable|f. operacion|fecha operativa|fecha transaccion
        |data operazione|data contabile|تاريخ العملية|تاريخ المعاملة|تاريخ القيد|التاريخ|تاريخ|datum|date|fecha|data
        |started date|jour|day|dato|datetime|date/time|timestamp|created""",
    "value_day": """value date|valuedate|value dt|valuta|valutadatum|wertstellung|wertstellungstag
        |wertstellungsdatum|wert|date valeur
        |date de valeur|valeur|fecha valor|fecha de valor|f. valor|data valuta|تاريخ القيمة|تاريخ الحق|rentedatum""",
    "amount": """amount|transaction amount|booked amount|net amount|betrag|umsatz|umsatzbetrag|buchungsbetrag
        |montant|montant operation|montant de l'operation|montant net|importe|importe operacion|monto|cantidad|importo
        |bedrag|turnover|المبلغ|مبلغ|قيمة العملية|المبلغ الصافي|sum|total amount|amt|value|valor""",
    "debit": """debit|debits|debit amount|debit amt|withdrawal|withdrawals|withdrawal amt|withdrawal amount|paid out
        |money out|outflow|soll|belastung|ausgang|debe|cargo|cargos|sortie|sorties|depense|depenses|dare|uscite
        |montant debit|مدين|المدين|سحب|سحوبات|خصم|المبلغ المدين|out|spent""",
    "credit": """credit|credits|credit amount|credit amt|deposit|deposits|deposit amt|deposit amount|paid in|money in
        |inflow|haben|gutschrift|eingang|haber|abono|abonos|entree|entrees|recette|recettes|avere|entrate
        |montant credit|دائن|الدائن|إيداع|إيداعات|المبلغ الدائن|in|received""",
    "sign": """sens|sign|d/c|c/d|dc|cd|dr/cr|cr/dr|debit/credit|credit/debit|debit credit|credit debit indicator
        |soll/haben|soll haben|s/h|af bij|+/-|indicator|direction
        |debit or credit|credit or debit|transaction type|type|typ|tipo|الاتجاه|طبيعة العملية""",
    "currency": """currency|ccy|currency code|devise|wahrung|waehrung|moneda|divisa|monnaie|munt
        |العملة|عملة""",
    "counterparty": """counterparty|counterparty name|counter party|partner name|partner|payee|payee name|merchant
        |merchant name|beneficiary|beneficiary name|recipient|payer|contact|name|sender / empfanger
        |auftraggeber/empfanger        |auftraggeber / empfanger|beguenstigter/zahlungspflichtiger
        |begunstigter/zahlungspflichtiger
        |auftraggeber / begunstigter|zahlungsempfanger*in|zahlungsempfanger|zahlungspflichtige*r|empfanger
        |auftraggeber|name zahlungsbeteiligter|gegenpartei|beneficiaire|tiers|donneur d'ordre|emetteur|nom|contrepartie
        |beneficiario|ordenante|contraparte|المستفيد|الطرف المقابل|اسم المستفيد|الاسم|naam / omschrijving""",
    "text": """description|transaction description|details|transaction details|detail|narrative|narration|particulars
        |memo|text|payment reference|reference|remittance information|purpose|note|notes|libelle|libelle operation
        |libelle de l'operation|libelle simplifie|motif|designation|intitule|objet|commentaire|informations|nature
        |reference operation|verwendungszweck|buchungstext|beschreibung|einzelheiten|vermerk|notiz|bemerkung|umsatztext
        |concepto|descripcion|detalle|detalles|observaciones|motivo|mas datos|descrizione|causale|omschrijving
        |mededelingen|البيان|بيان|الوصف|وصف|تفاصيل|التفاصيل|ملاحظات|الشرح|transaction""",
    "bank_id": """transaction id|transactionid|transaction number|transaction no|fitid|bank reference|bank ref
        |unique id|id|transaktions-nr|transaktionsnummer|umsatz-id|numero operation|numero d'operation|id operation
        |num. operacion|numero de operacion|رقم العملية|رقم المعاملة""",
    "account_label": """account|account name|account number|account no|auftragskonto|iban auftragskonto|eigenes konto
        |konto|kontoname|compte|numero de compte|numero du compte|nom du compte|cuenta|numero de cuenta|conto|rekening
        |product|produit|produkt|producto|darlehen|الحساب|رقم الحساب|اسم الحساب""",
    "status": "status|state|statut|etat|estado|buchungsstatus|booking status|الحالة|حالة العملية",
    "balance": """balance|running balance|account balance|closing balance|available balance|solde|solde apres operation
        |solde progressif|saldo|saldo nach buchung|kontostand|الرصيد|رصيد|الرصيد بعد العملية""",
}


def normal(name: str) -> tuple[str, str | None]:
    """Return a column's name without case, accents and unit, and the currency that it names.

    "Débit euros" is ("debit", "EUR"), "Amount (EUR)" is ("amount", "EUR").
    """
    plain = _plain(name)
    for shape in (_BRACKET, _UNIT):
        match = shape.fullmatch(plain)
        if match:
            code = currency_code(match[2].strip())
            if is_currency(code):
                return match[1].rstrip(" :."), code
    return plain, None


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.replace("ß", "ss").replace("\u0640", "").strip("\ufeff"))
    bare = "".join(c for c in decomposed if not unicodedata.combining(c) and c.isprintable())
    return " ".join(bare.casefold().replace("’", "'").replace("_", " ").split()).strip(" :.*#\"'")


ROLES: dict[str, tuple[str, int]] = {
    _plain(name): (role, rank)
    for role, names in _NAMES.items()
    for rank, name in reversed(list(enumerate(names.split("|"))))
}
"""Role and rank (0 is best) of a normal name."""


def role_of(name: str) -> tuple[str, int] | None:
    """Return the role and rank of a column's name, or None if it is not known."""
    key = normal(name)[0]
    return ROLES.get(key) or ROLES.get(key.split("/")[0].strip())


def looks_like_header(cells: list[str]) -> bool:
    """Tell whether a line names at least a date and an amount, or a debit or credit."""
    roles = {found[0] for cell in cells if (found := role_of(cell))}
    return "date" in roles | _dated(roles) and bool(roles & {"amount", "debit", "credit"})


def _dated(roles: set[str]) -> set[str]:
    return {"date"} if "value_day" in roles else set()
