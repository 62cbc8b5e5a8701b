"""What an entry is: dated, described, with signed postings that sum to zero per currency."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from webapp.kernel.errors import N_, FieldError
from webapp.kernel.money import LIMIT_MINOR, decimal

DESCRIPTION_LENGTH_MAX = 1000
COUNTERPARTY_LENGTH_MAX = 300
NOTE_LENGTH_MAX = 4000
TAGS_MAX = 20
TAG_LENGTH_MAX = 40
RATE_LENGTH_MAX = 40
POSTINGS_MAX = 500
FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2999, 12, 31)
ACCENTS = "".join(
    map(chr, (*range(0x300, 0x305), *range(0x306, 0x309), 0x30A, 0x30C, 0x327, 0x328, *range(0x64B, 0x656)))
)
"""Accents of Latin letters and vowel signs of Arabic ones, which a search does not mind; `entry.words` has none."""
_TAG = re.compile(r"\w[\w-]*")
_PARTS = re.compile(r"[\s,;،]+")


@dataclass(frozen=True, slots=True)
class PostingDraft:
    """One signed line: `minor` units of `currency`, debit positive."""

    account_id: int
    minor: int
    currency: str
    memo: str = ""


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """What a person or a program says of an entry; `rate` is the exchange rate as it was given, kept as text."""

    day: date
    description: str
    postings: tuple[PostingDraft, ...] = field(default=())
    counterparty: str = ""
    note: str = ""
    rate: str | None = None
    tags: tuple[str, ...] = ()


def draft_errors(draft: EntryDraft) -> tuple[FieldError, ...]:
    """Return everything that is wrong with a draft by itself."""
    errors: list[FieldError] = []
    if not FIRST_DAY <= draft.day <= LAST_DAY:
        errors.append(FieldError("date", "range", N_("The date lies between 1900 and 2999.")))
    for name, text, longest in (
        ("description", draft.description, DESCRIPTION_LENGTH_MAX),
        ("counterparty", draft.counterparty, COUNTERPARTY_LENGTH_MAX),
        ("note", draft.note, NOTE_LENGTH_MAX),
        ("rate", draft.rate or "", RATE_LENGTH_MAX),
    ):
        if len(text) > longest:
            errors.append(FieldError(name, "length", N_("At most %(maximum)s characters."), {"maximum": longest}))
        if "\x00" in text:
            errors.append(FieldError(name, "characters", N_("A text cannot hold a NUL character.")))
    errors += tag_errors("tags", draft.tags)
    errors += _posting_errors(draft.postings)
    return tuple(errors)


def read_tags(text: str) -> tuple[str, ...]:
    """Return the tags of a text, in small letters and in order, each once; blanks and commas part them."""
    return tuple(sorted({word.lstrip("#").casefold() for word in _PARTS.split(text) if word.lstrip("#")}))


def tag_errors(field_name: str, tags: Iterable[str]) -> list[FieldError]:
    """Return what is wrong with tags: a tag is letters, digits, hyphens and underscores."""
    tags = tuple(tags)
    if len(tags) > TAGS_MAX:
        return [FieldError(field_name, "count", N_("An entry has at most %(maximum)s tags."), {"maximum": TAGS_MAX})]
    message = N_("“%(tag)s” is not a tag: use letters, digits, - and _, at most %(maximum)s characters.")
    wrong = [tag for tag in tags if not _TAG.fullmatch(tag) or tag != tag.casefold() or len(tag) > TAG_LENGTH_MAX]
    return [FieldError(field_name, "tag", message, {"tag": tag[:60], "maximum": TAG_LENGTH_MAX}) for tag in wrong]


def _posting_errors(postings: tuple[PostingDraft, ...]) -> list[FieldError]:
    if not 2 <= len(postings) <= POSTINGS_MAX:  # noqa: PLR2004 - double entry
        text = N_("An entry has 2 to %(maximum)s postings.")
        return [FieldError("postings", "count", text, {"maximum": POSTINGS_MAX})]
    errors: list[FieldError] = []
    sums: dict[str, int] = defaultdict(int)
    for index, posting in enumerate(postings):
        sums[posting.currency] += posting.minor
        if posting.minor == 0:
            errors.append(FieldError(f"postings/{index}/amount", "zero", N_("A posting is not zero.")))
        elif abs(posting.minor) > LIMIT_MINOR:
            text = N_("The amount is larger than an entry can hold.")
            errors.append(FieldError(f"postings/{index}/amount", "too_large", text))
        if len(posting.memo) > DESCRIPTION_LENGTH_MAX or "\x00" in posting.memo:
            text = N_("At most %(maximum)s characters.")
            params = {"maximum": DESCRIPTION_LENGTH_MAX}
            errors.append(FieldError(f"postings/{index}/memo", "length", text, params))
    if not errors:
        for currency, total in sorted(sums.items()):
            if total:
                errors.append(
                    FieldError(
                        "postings",
                        "unbalanced",
                        N_("The postings in %(currency)s sum to %(difference)s, not to zero."),
                        {"currency": currency, "difference": decimal(total, currency)},
                    ),
                )
    return errors


def reversed_postings(postings: tuple[PostingDraft, ...]) -> tuple[PostingDraft, ...]:
    """Return the postings that undo these."""
    return tuple(PostingDraft(p.account_id, -p.minor, p.currency, p.memo) for p in postings)


class Line(Protocol):
    """A posting as it is booked."""

    @property
    def account_id(self) -> int:
        """Return the account."""

    @property
    def amount(self) -> int:
        """Return the minor units, debit positive."""

    @property
    def cleared(self) -> bool:
        """Tell whether the bank has confirmed it."""


def still_cleared(before: Iterable[Line], after: Iterable[PostingDraft]) -> list[int]:
    """Return the positions of new postings that the bank has confirmed: same account and amount as a cleared one."""
    marked = [(line.account_id, line.amount) for line in before if line.cleared]
    found = []
    for position, posting in enumerate(after, 1):
        if (posting.account_id, posting.minor) in marked:
            marked.remove((posting.account_id, posting.minor))
            found.append(position)
    return found


def without_accents(text: str) -> str:
    """Return a text as `entry.words` holds it: taken apart (Unicode NFKD), without accents and vowel signs."""
    return unicodedata.normalize("NFKD", text).translate(dict.fromkeys(map(ord, ACCENTS)))
