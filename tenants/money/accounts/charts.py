"""Charts of accounts to start from: a household, a small company (French PCG numbers), an association."""

from dataclasses import dataclass
from enum import StrEnum

from tenants.money.accounts.rules import Kind
from webapp.kernel.errors import N_


class ChartTemplate(StrEnum):
    """The charts that are offered."""

    ASSOCIATION = "association"
    COMPANY = "company"
    HOUSEHOLD = "household"


@dataclass(frozen=True, slots=True)
class ChartAccount:
    """One account of a chart with those below it."""

    kind: Kind
    name: str
    code: str | None = None
    below: tuple["ChartAccount", ...] = ()


def _plain(kind: Kind, *names: str) -> tuple[ChartAccount, ...]:
    return tuple(ChartAccount(kind, name) for name in names)


def _group(kind: Kind, name: str, *names: str) -> ChartAccount:
    return ChartAccount(kind, name, below=_plain(kind, *names))


def _numbered(kind: Kind, *lines: str) -> tuple[ChartAccount, ...]:
    """Read "512 Banque" lines; a number that begins with the one before it lies below it."""
    found: list[ChartAccount] = []
    for line in lines:
        code, _, name = line.partition(" ")
        one = ChartAccount(kind, name, code)
        above = found[-1] if found else None
        if above and above.code and code.startswith(above.code):
            found[-1] = ChartAccount(kind, above.name, above.code, (*above.below, one))
        else:
            found.append(one)
    return tuple(found)


_HOUSEHOLD = (
    *_plain(Kind.ASSET, N_("Current account"), N_("Savings account"), N_("Cash")),
    *_plain(Kind.LIABILITY, N_("Credit card"), N_("Loans")),
    *_plain(
        Kind.INCOME,
        N_("Salary"),
        N_("Allowances and benefits"),
        N_("Interest received"),
        N_("Gifts received"),
        N_("Other income"),
    ),
    _group(
        Kind.EXPENSE,
        N_("Home"),
        N_("Rent"),
        N_("Electricity and gas"),
        N_("Water"),
        N_("Home insurance"),
        N_("Furniture and repairs"),
    ),
    _group(Kind.EXPENSE, N_("Food"), N_("Groceries"), N_("Restaurants")),
    _group(Kind.EXPENSE, N_("Transport"), N_("Fuel"), N_("Public transport"), N_("Car insurance and repairs")),
    _group(Kind.EXPENSE, N_("Health"), N_("Doctor and pharmacy"), N_("Health insurance")),
    _group(Kind.EXPENSE, N_("Children"), N_("School"), N_("Childcare")),
    _group(Kind.EXPENSE, N_("Leisure"), N_("Holidays"), N_("Sport and culture"), N_("Subscriptions")),
    *_plain(
        Kind.EXPENSE,
        N_("Telephone and internet"),
        N_("Clothing"),
        N_("Taxes"),
        N_("Bank charges"),
        N_("Gifts given"),
        N_("Other expenses"),
    ),
)

# Plan comptable général (ANC regulation 2014-03): the law gives numbers and French names, so neither is translated.
_COMPANY = (
    *_numbered(Kind.EQUITY, "101 Capital", "106 Réserves", "110 Report à nouveau", "120 Résultat de l’exercice"),
    *_numbered(
        Kind.LIABILITY,
        "164 Emprunts auprès des établissements de crédit",
        "401 Fournisseurs",
        "421 Personnel, rémunérations dues",
        "431 Sécurité sociale",
        "437 Autres organismes sociaux",
        "4551 Associés, comptes courants",
        "44551 TVA à décaisser",
        "44571 TVA collectée",
    ),
    *_numbered(
        Kind.ASSET,
        "205 Logiciels et licences",
        "2154 Matériel et outillage",
        "2182 Matériel de transport",
        "2183 Matériel de bureau et informatique",
        "281 Amortissements des immobilisations corporelles",
        "310 Matières premières",
        "370 Stocks de marchandises",
        "411 Clients",
        "44562 TVA sur immobilisations",
        "44566 TVA déductible sur biens et services",
        "512 Banque",
        "530 Caisse",
        "580 Virements internes",
    ),
    *_numbered(
        Kind.INCOME,
        "701 Ventes de produits finis",
        "706 Prestations de services",
        "707 Ventes de marchandises",
        "708 Produits des activités annexes",
        "740 Subventions d’exploitation",
        "758 Produits divers de gestion courante",
        "768 Autres produits financiers",
        "771 Produits exceptionnels",
    ),
    *_numbered(
        Kind.EXPENSE,
        "601 Achats de matières premières",
        "606 Achats non stockés",
        "6061 Eau et énergie",
        "6063 Entretien et petit équipement",
        "6064 Fournitures administratives",
        "607 Achats de marchandises",
        "611 Sous-traitance",
        "613 Locations",
        "6132 Locations immobilières",
        "6135 Locations mobilières",
        "615 Entretien et réparations",
        "616 Primes d’assurance",
        "6226 Honoraires",
        "623 Publicité et relations publiques",
        "625 Déplacements, missions, réceptions",
        "6251 Voyages et déplacements",
        "6257 Réceptions",
        "626 Frais postaux et de télécommunications",
        "627 Services bancaires",
        "635 Impôts et taxes",
        "641 Rémunérations du personnel",
        "645 Charges de sécurité sociale",
        "661 Charges d’intérêts",
        "671 Charges exceptionnelles",
        "681 Dotations aux amortissements",
        "695 Impôts sur les bénéfices",
    ),
)

_ASSOCIATION = (
    *_plain(Kind.ASSET, N_("Bank account"), N_("Savings account"), N_("Cash box"), N_("Fees to be received")),
    *_plain(Kind.LIABILITY, N_("Bills to be paid"), N_("Fees received in advance")),
    *_plain(Kind.EQUITY, N_("Funds of the association")),
    *_plain(
        Kind.INCOME,
        N_("Membership fees"),
        N_("Donations"),
        N_("Grants"),
        N_("Events and sales"),
        N_("Interest received"),
    ),
    *_plain(
        Kind.EXPENSE,
        N_("Rooms and rent"),
        N_("Insurance"),
        N_("Supplies and equipment"),
        N_("Events"),
        N_("Travel"),
        N_("Communication"),
        N_("Telephone and internet"),
        N_("Salaries and contributions"),
        N_("Fees and services"),
        N_("Bank charges"),
    ),
)

CHARTS: dict[ChartTemplate, tuple[ChartAccount, ...]] = {
    ChartTemplate.HOUSEHOLD: _HOUSEHOLD,
    ChartTemplate.COMPANY: _COMPANY,
    ChartTemplate.ASSOCIATION: _ASSOCIATION,
}
