"""The search line: words, amounts, dates and filters in one text, which is also the address and the chips.

    rent 850,00                       words (beginnings of them) and an amount with decimals
    date:2026-11 date:2026-Q3 2026-01-01..2026-03-31
    amount:>50 amount:10..20 amount:850
    account:512 category:"Office rent" account:#7      number, name or #id, with all accounts below
    is:open is:closed is:cleared is:uncleared is:uncategorised
    tag:trip -tag:private
    -word "two words"

A term is read by itself; terms are joined by "and". Amounts compare without their sign.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal

from tenants.money.accounts.queries import AccountView
from tenants.money.accounts.rules import Purpose, bare_number
from tenants.money.ledger.days import day_range, looks_like_days
from tenants.money.ledger.rules import FIRST_DAY, LAST_DAY, without_accents
from webapp.kernel.amounts import AmountError, read_amount
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.kernel.money import LIMIT_MINOR, exponent

LENGTH_MAX = 500
TERMS_MAX = 20

Kind = Literal["words", "amount", "date", "account", "category", "is", "tag"]
State = Literal["open", "closed", "cleared", "uncleared", "uncategorised"]
STATES = ("open", "closed", "cleared", "uncleared", "uncategorised")

_TERM = re.compile(r'(?P<minus>-?)(?:(?P<key>[a-z]+)(?P<sign>:|(?=[<>])))?(?P<value>"[^"]*"?|[^\s"]+"?)')
_KEYS = frozenset({"amount", "date", "account", "category", "is", "tag"})
_WORDS = re.compile(r"[^\W_]+")
_LOOKS_LIKE_AMOUNT = re.compile(r"[0-9][0-9']*(?:[.,][0-9']+)*[.,][0-9]{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Term:
    """One part of the line: `text` as it stands there, `value` without its key and quotes."""

    kind: Kind
    text: str
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AmountRange:
    """Amounts without sign between two limits, in minor units for each number of decimals."""

    currencies: tuple[str, ...]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Criteria:
    """What to look for, ready for the database. All that is given must hold; amounts in one group are alternatives."""

    words: tuple[str, ...] = ()
    """Text queries, in the syntax of PostgreSQL."""
    amounts: tuple[tuple[AmountRange, ...], ...] = ()
    first_day: date = FIRST_DAY
    last_day: date = LAST_DAY
    accounts: tuple[tuple[int, ...], ...] = ()
    states: frozenset[str] = field(default=frozenset())
    tags: tuple[str, ...] = ()
    without_tags: tuple[str, ...] = ()
    marked_on: tuple[int, ...] | None = None
    """Only marks of these accounts count; None for all."""

    @property
    def only_days(self) -> bool:
        """Tell whether nothing but days narrows the list, so that its rows follow each other without gaps."""
        tags = self.tags or self.without_tags
        return not (self.words or self.amounts or self.accounts or self.states or tags)

    @property
    def is_all(self) -> bool:
        """Tell whether everything matches."""
        return self.only_days and self.first_day == FIRST_DAY and self.last_day == LAST_DAY


def terms_of(text: str) -> list[Term]:
    """Split a search line into its terms; of those beyond 20 the first stands for all, so that it can be refused."""
    found = []
    for match in _TERM.finditer(text[:LENGTH_MAX].replace("\x00", " ")):
        key, value = match["key"], match["value"].strip('"')
        if not value:
            continue
        if key is not None and key not in _KEYS:
            key, value = None, match[0].removeprefix("-").strip('"')
        kind: Kind = key or ("words" if match["value"].startswith('"') else _kind_of(value))  # type: ignore[assignment]
        found.append(Term(kind, match[0], value, bool(match["minus"]) and kind in {"words", "tag"}))
    return found[: TERMS_MAX + 1]


def _kind_of(value: str) -> Kind:
    """Tell what a bare word is: only what cannot well be anything else is an amount or a date."""
    if looks_like_days(value):
        return "date"
    return "amount" if _LOOKS_LIKE_AMOUNT.fullmatch(value) else "words"


def line_of(terms: Iterable[Term]) -> str:
    """Write terms as a search line."""
    return " ".join(term.text for term in terms)


def term_for(kind: Kind, value: str) -> str:
    """Write one filter as it stands in a search line."""
    plain = re.fullmatch(r"[^\s\"]+", value) is not None
    return f"{kind}:{value}" if plain else f'{kind}:"{value.replace(chr(34), "")}"'


def account_term(kind: Kind, account: AccountView) -> str:
    """Write the filter for an account by its number or name; the product's own, named in each language, by its id."""
    return term_for(kind, account.code or (f"#{account.id}" if account.purpose else account.name))


def read_search(
    text: str, *, accounts: Callable[[], Collection[AccountView]], decimal_sign: str = ""
) -> list[Criteria]:
    """Return what a search line means: one set of criteria, or two alternatives when a bare number may be an amount.

    `accounts` is asked only when a term needs them. Raises Invalid (q) naming the term that cannot be read.
    """
    terms = terms_of(text)
    if len(terms) > TERMS_MAX:
        raise Invalid(
            errors=(
                FieldError("q", "many", N_("Search for at most %(maximum)s things at once."), {"maximum": TERMS_MAX}),
            )
        )
    criteria = Criteria()
    numbers = [term for term in terms if term.kind == "words" and term.value.isdecimal() and not term.negated]
    for term in terms:
        if len(numbers) == 1 and term is numbers[0]:
            continue
        criteria = _narrowed(criteria, term, accounts, decimal_sign)
    if len(numbers) != 1:
        return [criteria]
    as_word = _narrowed(criteria, numbers[0], accounts, decimal_sign)
    as_amount = replace(numbers[0], kind="amount")
    return [as_word, _narrowed(criteria, as_amount, accounts, decimal_sign)]


def _narrowed(  # noqa: C901, PLR0911 - one answer for each kind of word
    criteria: Criteria, term: Term, accounts: Callable[[], Collection[AccountView]], decimal_sign: str
) -> Criteria:
    if term.kind == "words":
        words = [f"'{word}':*" for word in _WORDS.findall(without_accents(term.value))]
        if not words:
            raise _unreadable(term, N_("“%(term)s” has no letter and no digit to search for."))
        phrase = " <-> ".join(words)
        return replace(criteria, words=(*criteria.words, f"!({phrase})" if term.negated else f"({phrase})"))
    if term.kind == "date":
        days = day_range(term.value)
        if days is None:
            raise _unreadable(
                term, N_("“%(term)s” is not a date. Write 2026-11-20, 2026-11, 2026-Q4 or 2026-01..2026-03.")
            )
        return replace(criteria, first_day=max(criteria.first_day, days[0]), last_day=min(criteria.last_day, days[1]))
    if term.kind == "amount":
        return replace(criteria, amounts=(*criteria.amounts, _amounts(term, accounts(), decimal_sign)))
    if term.kind == "tag":
        tag = term.value.casefold()
        if term.negated:
            return replace(criteria, without_tags=(*criteria.without_tags, tag))
        return replace(criteria, tags=(*criteria.tags, tag))
    if term.kind == "is":
        if term.value not in STATES:
            raise _unreadable(
                term,
                N_(
                    "“%(term)s” is not known. There is is:open, is:closed, is:cleared, is:uncleared"
                    " and is:uncategorised."
                ),
            )
        if term.value == "uncategorised":
            ids = tuple(one.id for one in accounts() if one.purpose == Purpose.TO_CATEGORISE.value)
            return replace(criteria, accounts=(*criteria.accounts, ids))
        return replace(criteria, states=criteria.states | {term.value})
    return replace(criteria, accounts=(*criteria.accounts, _account_ids(term, accounts())))


def _account_ids(term: Term, accounts: Collection[AccountView]) -> tuple[int, ...]:
    """Return the ids of the account that a term names and of all below it."""
    wanted = term.value.casefold()
    if re.fullmatch(r"#[0-9]{1,18}", wanted, re.ASCII):
        roots = {one.id for one in accounts if one.id == int(wanted[1:])}
    else:
        roots = {one.id for one in accounts if one.code is not None and one.code.casefold() == wanted}
        roots = roots or {one.id for one in accounts if one.name.casefold() == wanted}
        bare = bare_number(wanted)
        roots = roots or {one.id for one in accounts if bare and bare in {bare_number(n) for n in one.bank_numbers}}
        roots = roots or {one.id for one in accounts if one.name.casefold().startswith(wanted)}
    if not roots:
        raise _unreadable(term, N_("There is no account “%(term)s”."))
    grown = 0
    while len(roots) != grown:
        grown = len(roots)
        roots |= {one.id for one in accounts if one.parent_id in roots}
    return tuple(sorted(roots))


def _amounts(term: Term, accounts: Collection[AccountView], decimal_sign: str) -> tuple[AmountRange, ...]:
    by_places: dict[int, list[str]] = {}
    for currency in sorted({one.currency for one in accounts}):
        by_places.setdefault(exponent(currency), []).append(currency)
    found, error = [], None
    for currencies in by_places.values():
        try:
            low, high = _limits(term.value, currencies[0], decimal_sign)
        except AmountError as refused:
            error = refused
        else:
            found.append(AmountRange(tuple(currencies), low, high))
    if not found and error is not None and error.code != "too_precise":
        raise _unreadable(term, N_("“%(term)s” is not an amount. Write 12.50, >50, or 10..20."))
    return tuple(found)


def _limits(value: str, currency: str, decimal_sign: str) -> tuple[int, int]:
    def minor(text: str) -> int:
        return abs(read_amount(text, currency, decimal_sign=decimal_sign))

    for sign, low, high in ((">=", 0, None), ("<=", None, 0), (">", 1, None), ("<", None, -1)):
        if value.startswith(sign):
            limit = minor(value[len(sign) :])
            return (0 if low is None else limit + low, LIMIT_MINOR if high is None else limit + high)
    if ".." in value:
        left, _, right = value.partition("..")
        return (minor(left) if left else 0, minor(right) if right else LIMIT_MINOR)
    exact = minor(value.removeprefix("="))
    return exact, exact


def _unreadable(term: Term, message: str) -> Invalid:
    return Invalid(errors=(FieldError("q", "term", message, {"term": term.value}),))
