"""What an import is: its states, what may be done in each, how rows are told apart, and what is similar."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from tenants.money.accounts.rules import masked

NEAR = timedelta(days=10)
"""A booked entry within so many days of a row, with its amount, may be the same movement."""
FILE_NAME_MAX = 255
COUNTERPARTY_MAX = 300
DESCRIPTION_MAX = 1000
BANK_NUMBER_DIGITS = 8
"""A label with so many digits is a bank number: it is kept sealed, and no name tells more than its end."""
DECISIONS_MAX = 1000
"""Most rows that one request decides by their positions."""


class State(StrEnum):
    """Where an import is on its way."""

    RECEIVED = "received"
    RECOGNISING = "recognising"
    NEEDS_MAPPING = "needs_mapping"
    CHECKING = "checking"
    REVIEW = "review"
    PUBLISHING = "publishing"
    PUBLISHED = "published"
    REVERSING = "reversing"
    REVERSED = "reversed"
    CANCELLED = "cancelled"
    FAILED = "failed"


class RowState(StrEnum):
    """What becomes of one row of a statement."""

    NEW = "new"
    DUPLICATE = "duplicate"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"
    IGNORED = "ignored"
    SKIPPED = "skipped"
    MERGED = "merged"
    LEFT = "left"
    """Published, and still in the books after the import was undone: it was closed or edited before."""


class Decision(StrEnum):
    """What a person says of a row; `reopen` takes a decision back."""

    KEEP = "keep"
    MERGE = "merge"
    SKIP = "skip"
    REOPEN = "reopen"


WORKING = frozenset({State.RECEIVED, State.RECOGNISING, State.CHECKING, State.PUBLISHING, State.REVERSING})
"""States in which a job is at work, or waits to be."""
CANCELLABLE = frozenset({State.RECEIVED, State.RECOGNISING, State.NEEDS_MAPPING, State.CHECKING, State.REVIEW})
MAPPABLE = frozenset({State.NEEDS_MAPPING, State.REVIEW, State.FAILED})
BLOCKING_DOUBTS = frozenset({"columns", "date_order", "decimal_sign", "direction"})
"""Doubts of a proposed mapping that a person settles before rows are read."""


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """Where rows of one (label, currency) go: an account that exists, or one to be made at publication."""

    label: str | None
    currency: str
    rows: int
    account_id: int | None = None
    name: str = ""
    parent_id: int | None = None
    iban: str | None = None
    number: str | None = None
    label_id: int | None = None
    """What the rows of this label carry."""


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """What is needed of an account to find the one that a statement means."""

    id: int
    name: str
    currency: str
    kind: str
    parent_id: int | None
    code: str | None


Numbered = Mapping[str, Collection[int]]
"""A statement's label to the accounts whose IBAN or number it is."""
NOBODY: Numbered = MappingProxyType({})


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _called(account: KnownAccount, label: str, numbered: Numbered) -> bool:
    """Tell whether a statement's label means an account: by IBAN, number, code or name."""
    wanted = _bare(label)
    if account.id in numbered.get(label, ()):
        return True
    return bool(wanted) and wanted in {_bare(name) for name in (account.code, account.name) if name}


def plan_accounts(
    chosen: KnownAccount,
    others: list[KnownAccount],
    found: dict[tuple[str | None, str], int],
    numbered: Numbered = NOBODY,
) -> list[PlannedAccount]:
    """Decide for each (label, currency) of a statement where its rows go.

    One label only means the chosen account whatever the label says. Other currencies and other labels go to an account
    that is called so, else to a new one below the chosen account.
    """
    labels = {label for label, _ in found}
    currencies = {label: sum(1 for one, _ in found if one == label) for label in labels}
    plan = []
    for (label, currency), rows in found.items():
        named = label if len(labels) > 1 and label else None
        name = (named or chosen.name)[:180]
        if named is None and currency == chosen.currency:
            plan.append(PlannedAccount(label, currency, rows, chosen.id))
            continue
        if currency != chosen.currency or currencies[label] > 1:
            name = f"{name} ({currency})"
        match = _existing([chosen, *others], named, name, currency, numbered)
        if match is not None:
            plan.append(PlannedAccount(label, currency, rows, match))
        else:
            iban = label if named and _IBAN.fullmatch(_bare(named)) else None
            number = named[:64] if named and not iban and any(map(str.isdigit, named)) else None
            if iban or sum(map(str.isdigit, named or "")) >= BANK_NUMBER_DIGITS:
                name = name.replace((named or "")[:180], f"{chosen.name} {masked(named)}"[:180])
            plan.append(PlannedAccount(label, currency, rows, None, name, chosen.id, iban, number))
    return plan


_IBAN = re.compile(r"[a-z]{2}[0-9]{2}[a-z0-9]{11,30}", re.ASCII)


def _existing(
    accounts: list[KnownAccount], named: str | None, name: str, currency: str, numbered: Numbered
) -> int | None:
    chosen = accounts[0]
    family = [one for one in accounts if one.kind == chosen.kind and one.currency == currency]
    by_name = [one.id for one in family if any(_called(one, label, numbered) for label in {name, named or name})]
    if by_name:
        return by_name[0]
    if named is not None:
        return None
    below = [one.id for one in family if one.parent_id == chosen.id]
    return below[0] if len(below) == 1 else None


_WORD = re.compile(r"[^\W_]+")
_ARTICLES = "a an and the of to for from by at in on und der die das von le la les de du des et pour chez au aux"
_FORMS = "gmbh ag kg ug ohg se sarl sas sa eurl inc ltd llc plc co corp bv nv srl spa oy ab"
_PAYMENTS = (
    "card payment purchase transfer sepa carte cb paiement achat virement prlv lastschrift uberweisung karte zahlung"
)
_NOTHING_SAID = frozenset(f"{_ARTICLES} {_FORMS} {_PAYMENTS} www com ref".split())


def words(text: str) -> frozenset[str]:
    """Return the words of a text that say something, without case and accents."""
    flat = unicodedata.normalize("NFKD", text.casefold())
    flat = "".join(c for c in flat if not unicodedata.combining(c))
    return frozenset(word for word in _WORD.findall(flat) if len(word) > 1 and word not in _NOTHING_SAID)


@dataclass(frozen=True, slots=True)
class Wording:
    """The words of a movement: of its counterparty, and of all its texts together."""

    name: frozenset[str]
    all: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, counterparty: str, text: str) -> "Wording":
        """Return the words of a movement; without a counterparty its text stands for it."""
        return cls(words(counterparty or text), words(f"{counterparty} {text}"))


def similar(one: Wording, other: Wording) -> bool:
    """Tell whether two movements may have one counterparty: half of the words of either name are said by the other.

    Names of the same letters and other numbers ("Shop 12", "Shop 97") are two counterparties.
    """
    if not one.all or not other.all:
        return True
    letters = {word for word in one.name & other.name if not word.isdigit()}
    numbers = {w for w in one.name if w.isdigit()}, {w for w in other.name if w.isdigit()}
    if letters and all(numbers) and not numbers[0] & numbers[1]:
        return False
    return _half_in(one.name, other.all) or _half_in(other.name, one.all)


def _half_in(name: frozenset[str], said: frozenset[str]) -> bool:
    return bool(name) and 2 * len(name & said) >= len(name)


def shown_state(row: str, imported: str) -> str:
    """Return the state of a row as people and programs see it: a new row of a published import is published."""
    if row != RowState.NEW:
        return row
    if imported in {State.PUBLISHED, State.REVERSING}:
        return "published"
    return "reversed" if imported == State.REVERSED else row


_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


def storable(value: object) -> bool:
    """Tell whether a database can hold every text of a value (JSON): no zero bytes, no halves of characters."""
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is None
    if isinstance(value, dict):
        return all(storable(key) and storable(one) for key, one in value.items())
    return all(map(storable, value)) if isinstance(value, list | tuple) else True


_FORMULA = frozenset("=+-@\t\r\0＝＋－＠")


def harmless(text: str) -> str:
    """Return a text cell that no spreadsheet takes for a formula; for texts only, amounts stay amounts."""
    return f"'{text}" if text[:1] in _FORMULA and text else text
