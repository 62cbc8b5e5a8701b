"""Atelier Rivage, a maintenance company that never was: its accounts and 24 months of its books, from a seed.

Pure: the same seed and day give the same entries, to the cent.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from tenants.money.accounts.rules import AccountDraft, Kind

MONTHS = 24
ENTRIES_PER_MONTH = 168
STATEMENT_DAYS = 9
"""Purchases and receipts of the last so many days are not booked yet: a statement brings them."""


@dataclass(frozen=True, slots=True)
class DemoLine:
    """One posting, its account by key, in minor units."""

    account: str
    minor: int


@dataclass(frozen=True, slots=True)
class DemoEntry:
    """One entry of the story."""

    day: date
    counterparty: str
    description: str
    lines: tuple[DemoLine, ...]
    rate: str | None = None
    comes_by_statement: bool = False
    """Whether nobody writes it down before the bank tells of it."""


ACCOUNTS: dict[str, AccountDraft] = {
    "bank": AccountDraft("Current account", Kind.ASSET, "EUR", "512100", iban="FR1420041010050500013M02606"),
    "savings": AccountDraft("Reserve account", Kind.ASSET, "EUR", "512200", iban="FR7630006000011234567890189"),
    "dollars": AccountDraft("Dollar account", Kind.ASSET, "USD", "512300", number="US-4471-0093"),
    "van_loan": AccountDraft("Van loan", Kind.LIABILITY, "EUR", "164100"),
    "vat": AccountDraft("VAT to be paid", Kind.LIABILITY, "EUR", "445510"),
    "capital": AccountDraft("Share capital", Kind.EQUITY, "EUR", "101000"),
    "opening_usd": AccountDraft("Opening balances (USD)", Kind.EQUITY, "USD", "890200"),
    "trading_eur": AccountDraft("Currency trading (EUR)", Kind.EQUITY, "EUR", "476100"),
    "trading_usd": AccountDraft("Currency trading (USD)", Kind.EQUITY, "USD", "476200"),
    "contracts": AccountDraft("Maintenance contracts", Kind.INCOME, "EUR", "706100"),
    "repairs": AccountDraft("Repairs", Kind.INCOME, "EUR", "706200"),
    "parts_sold": AccountDraft("Parts sold", Kind.INCOME, "EUR", "707000"),
    "interest": AccountDraft("Interest received", Kind.INCOME, "EUR", "768000"),
    "parts": AccountDraft("Spare parts", Kind.EXPENSE, "EUR", "601000"),
    "parts_usd": AccountDraft("Spare parts (USD)", Kind.EXPENSE, "USD", "601900"),
    "tools": AccountDraft("Small tools", Kind.EXPENSE, "EUR", "606300"),
    "fuel": AccountDraft("Fuel", Kind.EXPENSE, "EUR", "606140"),
    "energy": AccountDraft("Electricity and water", Kind.EXPENSE, "EUR", "606100"),
    "rent": AccountDraft("Workshop rent", Kind.EXPENSE, "EUR", "613200"),
    "insurance": AccountDraft("Insurance", Kind.EXPENSE, "EUR", "616000"),
    "vehicles": AccountDraft("Vehicle upkeep", Kind.EXPENSE, "EUR", "615500"),
    "tolls": AccountDraft("Tolls and parking", Kind.EXPENSE, "EUR", "625100"),
    "meals": AccountDraft("Meals on the road", Kind.EXPENSE, "EUR", "625700"),
    "phone": AccountDraft("Telephone and internet", Kind.EXPENSE, "EUR", "626000"),
    "fees": AccountDraft("Bank fees", Kind.EXPENSE, "EUR", "627000"),
    "fees_usd": AccountDraft("Bank fees (USD)", Kind.EXPENSE, "USD", "627900"),
    "wages": AccountDraft("Wages", Kind.EXPENSE, "EUR", "641000"),
    "social": AccountDraft("Social charges", Kind.EXPENSE, "EUR", "645000"),
    "loan_interest": AccountDraft("Loan interest", Kind.EXPENSE, "EUR", "661000"),
}

CUSTOMERS = (
    "Boulangerie Lemaire",
    "Clinique du Port",
    "Hôtel des Dunes",
    "Imprimerie Vauban",
    "Laiterie Kerven",
    "Lycée Jean Bart",
    "Mairie de Saint-Aubin",
    "Menuiserie Colas",
    "Résidence Les Pins",
    "Scierie Duval",
    "Supermarché Le Phare",
    "Transports Morel",
)
_SHOPPING = (
    ("fuel", "Station Total Energies", "CARTE GAZOLE", 4200, 11800, 34),
    ("fuel", "Station Avia", "CARTE GAZOLE", 3800, 9900, 14),
    ("tolls", "SANEF", "TELEPEAGE", 290, 2470, 18),
    ("tolls", "Parking Gare", "CARTE PARKING", 200, 1400, 10),
    ("meals", "Brasserie du Marché", "CARTE REPAS", 1250, 4800, 16),
    ("meals", "Boulangerie Lemaire", "CARTE SANDWICHS", 480, 1690, 20),
    ("parts", "Rexel", "PRLV FOURNITURES", 3900, 64000, 12),
    ("parts", "Würth France", "CARTE VISSERIE", 1500, 22000, 12),
    ("parts", "SKF Distribution", "VIR ROULEMENTS", 8000, 96000, 8),
    ("tools", "Leroy Merlin", "CARTE OUTILLAGE", 900, 18900, 9),
    ("vehicles", "Garage Perrin", "CARTE ENTRETIEN", 6900, 48000, 3),
)


def story(seed: int, today: date) -> Iterator[list[DemoEntry]]:
    """Yield the entries of 24 months up to `today`, one list a month, each in the order of its days."""
    random = Random(seed)  # noqa: S311 - a story, not a secret
    first = _months_before(today.replace(day=1), MONTHS - 1)
    written = today - timedelta(days=STATEMENT_DAYS)
    for number in range(MONTHS):
        start = _months_before(first, -number)
        entries = [
            entry
            for entry in _month(random, start, number)
            if entry.day <= today and (entry.day < written or not entry.comes_by_statement)
        ]
        yield sorted(entries, key=lambda entry: entry.day)


def _month(random: Random, start: date, number: int) -> Iterator[DemoEntry]:
    if number == 0:
        yield from _opening(start)
    yield from _regular(random, start, number)
    for _ in range(random.randint(14, 20)):
        income = random.choices(("repairs", "contracts", "parts_sold"), weights=(6, 4, 2))[0]
        amount = random.randint(12_000, 360_000) + number * 300
        day = start + timedelta(days=random.randint(0, 27))
        customer = random.choice(CUSTOMERS)
        invoice = f"F{start:%y%m}-{random.randint(100, 999)}"
        tax = amount // 6
        yield DemoEntry(
            day,
            customer,
            f"VIR SEPA {customer.upper()} {invoice}",
            (
                DemoLine("bank", amount),
                DemoLine(income, tax - amount),
                DemoLine("vat", -tax),
            ),
            comes_by_statement=True,
        )
    weights = [item[5] for item in _SHOPPING]
    for _ in range(ENTRIES_PER_MONTH - 34):
        account, shop, text, low, high, _weight = random.choices(_SHOPPING, weights=weights)[0]
        minor = random.randint(low, high)
        day = start + timedelta(days=random.randint(0, 27))
        yield DemoEntry(
            day,
            shop,
            f"{text} {day:%d/%m} {shop.upper()}",
            (
                DemoLine("bank", -minor),
                DemoLine(account, minor),
            ),
            comes_by_statement=True,
        )
    for _ in range(random.randint(4, 7)):
        minor = random.randint(1_900, 30_000)
        day = start + timedelta(days=random.randint(0, 27))
        yield DemoEntry(
            day,
            "McMaster Supply Co",
            "CARD PARTS McMASTER SUPPLY",
            (
                DemoLine("dollars", -minor),
                DemoLine("parts_usd", minor),
            ),
        )


def _opening(start: date) -> Iterator[DemoEntry]:
    yield DemoEntry(start, "", "Opening balance", (DemoLine("bank", 1_850_000), DemoLine("capital", -1_850_000)))
    yield DemoEntry(start, "", "Opening balance", (DemoLine("savings", 900_000), DemoLine("capital", -900_000)))
    yield DemoEntry(start, "", "Opening balance", (DemoLine("dollars", 320_000), DemoLine("opening_usd", -320_000)))
    yield DemoEntry(
        start,
        "Crédit Rivage",
        "Van loan drawn",
        (
            DemoLine("bank", 2_400_000),
            DemoLine("van_loan", -2_400_000),
        ),
    )


def _regular(random: Random, start: date, number: int) -> Iterator[DemoEntry]:
    """Yield what comes every month: rent, wages, charges, tax, loan, savings and dollars."""

    def on(day: int) -> date:
        return start.replace(day=day)

    yield DemoEntry(
        on(1), "SCI des Quais", "PRLV LOYER ATELIER", (DemoLine("bank", -142_000), DemoLine("rent", 142_000))
    )
    yield DemoEntry(on(3), "MAIF Pro", "PRLV ASSURANCE", (DemoLine("bank", -38_640), DemoLine("insurance", 38_640)))
    yield DemoEntry(on(5), "Orange", "PRLV ORANGE PRO", (DemoLine("bank", -11_998), DemoLine("phone", 11_998)))
    energy = random.randint(18_000, 41_000)
    yield DemoEntry(on(8), "EDF", "PRLV EDF ENTREPRISES", (DemoLine("bank", -energy), DemoLine("energy", energy)))
    for name, wage in (("Amina Haddad", 231_400), ("Louis Pellerin", 219_850), ("Yann Le Goff", 198_300)):
        yield DemoEntry(on(27), name, f"VIR SALAIRE {name.upper()}", (DemoLine("bank", -wage), DemoLine("wages", wage)))
    charges = 261_000 + random.randint(-4_000, 4_000)
    yield DemoEntry(on(15), "URSSAF", "PRLV URSSAF", (DemoLine("bank", -charges), DemoLine("social", charges)))
    tax = random.randint(380_000, 500_000)
    yield DemoEntry(on(20), "DGFIP", "PRLV TVA", (DemoLine("bank", -tax), DemoLine("vat", tax)))
    interest = 7_200 - number * 260
    yield DemoEntry(
        on(10),
        "Crédit Rivage",
        "ECHEANCE PRET FOURGON",
        (
            DemoLine("bank", -48_900),
            DemoLine("loan_interest", interest),
            DemoLine("van_loan", 48_900 - interest),
        ),
    )
    yield DemoEntry(
        on(28), "Banque de la Baie", "FRAIS TENUE DE COMPTE", (DemoLine("bank", -1_450), DemoLine("fees", 1_450))
    )
    yield DemoEntry(on(28), "Coastal Bank", "MONTHLY FEE", (DemoLine("dollars", -900), DemoLine("fees_usd", 900)))
    yield DemoEntry(on(12), "", "Transfer to the reserve", (DemoLine("bank", -50_000), DemoLine("savings", 50_000)))
    if number % 3 == 2:  # noqa: PLR2004 - once a quarter
        yield DemoEntry(
            on(28),
            "Banque de la Baie",
            "INTERETS LIVRET",
            (
                DemoLine("savings", 6_150),
                DemoLine("interest", -6_150),
            ),
        )
    rate = random.randint(10_520, 11_180)
    euros = 100_000
    dollars = euros * rate // 10_000
    yield DemoEntry(
        on(14),
        "Banque de la Baie",
        "CHANGE EUR USD",
        (
            DemoLine("bank", -euros),
            DemoLine("trading_eur", euros),
            DemoLine("trading_usd", -dollars),
            DemoLine("dollars", dollars),
        ),
        rate=f"1 EUR = 1.{rate - 10_000:04d} USD",
    )


def _months_before(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)
