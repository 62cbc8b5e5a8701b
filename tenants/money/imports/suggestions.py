"""Which category a movement probably belongs to: naive Bayes over its counterparty's words, counts in the database.

A suggestion is shown and never booked by itself; what a person accepts or chooses is learned.
"""

import math
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from tenants.money.imports.models import CategoryWord
from tenants.money.imports.rules import words

VOCABULARY_MAX = 50_000
"""Most (word, category) counts that are held in memory, the most seen first."""
CACHE_MAX = 50_000
SURE_PERCENT = 60
"""A suggestion below this is not shown."""

_LEARN = text("""
    INSERT INTO category_word AS c (word, category_id, seen)
    SELECT word, category_id, seen
    FROM unnest(CAST(:words AS text[]), CAST(:categories AS bigint[]), CAST(:counts AS bigint[]))
        AS d (word, category_id, seen)
    ORDER BY word, category_id
    ON CONFLICT (word, category_id) DO UPDATE SET seen = greatest(c.seen + excluded.seen, 0)
""")


def terms(counterparty: str, description: str) -> frozenset[str]:
    """Return the words that a category is learned from: the counterparty's, or the text's when there is none."""
    return frozenset(word for word in words(counterparty or description) if not word.isdigit())


def learn(*, session: Session, examples: Iterable[tuple[str, str, int, int]]) -> None:
    """Count examples (counterparty, description, category id, how often); a negative count takes one back."""
    counts: dict[tuple[str, int], int] = defaultdict(int)
    for counterparty, description, category_id, often in examples:
        found = terms(counterparty, description)
        if found:
            counts["", category_id] += often
        for word in found:
            counts[word[:100], category_id] += often
    if counts:
        session.execute(
            _LEARN,
            {
                "words": [word for word, _ in counts],
                "categories": [category for _, category in counts],
                "counts": list(counts.values()),
            },
        )


class Suggester:
    """Suggests categories for one import; `currencies` maps every category that may be suggested to its currency."""

    def __init__(self, counts: dict[str, dict[int, int]], currencies: dict[int, str]) -> None:
        self._counts = counts
        self._movements = {c: n for c, n in counts.get("", {}).items() if n > 0 and c in currencies}
        self._currencies = currencies
        self._known: dict[tuple[str, str], tuple[int, int] | None] = {}
        self.is_empty = not self._movements

    def suggest(self, counterparty: str, description: str, currency: str) -> tuple[int, int] | None:
        """Return (category id, percent), or None when nothing is probable enough."""
        key = (counterparty or description, currency)
        if key in self._known:
            return self._known[key]
        found = self._judge(terms(counterparty, description), currency)
        if len(self._known) < CACHE_MAX:
            self._known[key] = found
        return found

    def _judge(self, found: frozenset[str], currency: str) -> tuple[int, int] | None:
        said = [self._counts[word[:100]] for word in found if word and word[:100] in self._counts]
        rivals = {c: n for c, n in self._movements.items() if self._currencies[c] == currency}
        if not said or not any(rivals.get(c, 0) for counts in said for c in counts):
            return None
        total = sum(rivals.values())
        scores = {
            category: math.log(movements / total)
            + sum(math.log((counts.get(category, 0) + 0.1) / (movements + 0.2)) for counts in said)
            for category, movements in rivals.items()
        }
        best = max(scores, key=lambda category: (scores[category], -category))
        percent = round(100 / sum(math.exp(score - scores[best]) for score in scores.values()))
        return (best, min(percent, 99)) if percent >= SURE_PERCENT else None


def suggester(*, session: Session, currencies: dict[int, str]) -> Suggester:
    """Load what was learned; `currencies` are the open categories."""
    rows = session.execute(
        select(CategoryWord.word, CategoryWord.category_id, CategoryWord.seen)
        .where(CategoryWord.seen > 0)
        .order_by((CategoryWord.word == "").desc(), CategoryWord.seen.desc())
        .limit(VOCABULARY_MAX),
    )
    counts: dict[str, dict[int, int]] = defaultdict(dict)
    for word, category_id, seen in rows:
        counts[word][category_id] = seen
    return Suggester(dict(counts), currencies)
