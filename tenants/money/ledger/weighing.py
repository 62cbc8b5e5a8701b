"""Whether whoever asks may book what a view has read: on these accounts, up to these amounts."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from flask import g

from tenants.money.accounts import queries as account_queries
from tenants.money.ledger.queries import EntryView
from tenants.money.ledger.rules import EntryDraft
from webapp.access.door import weigh as weigh_amount
from webapp.access.extent import Extent
from webapp.kernel.errors import Stale


def weighed(entry: EntryView, version: int | None) -> int:
    """Return the version of an entry that was weighed; raises Stale for another, which may be of other accounts."""
    if version not in {None, entry.version}:
        raise Stale
    return entry.version


def weigh(*drafts: EntryDraft) -> None:
    """Decide on each entry, by currency: all its accounts and the sum of what is debited; raises Forbidden.

    A view that was let in for single accounts calls it before it writes; one that writes nothing calls it with nothing.
    """
    g.unweighed = False
    known: dict[Extent, Collection[int] | None] = {}

    def within(extent: Extent) -> Collection[int] | None:
        if extent not in known:
            known[extent] = account_queries.ids_within(session=g.db, extent=extent)
        return known[extent]

    def paths(ids: Sequence[int]) -> list[tuple[int, ...]]:
        return account_queries.paths(session=g.db, ids=ids)

    for draft in drafts:
        accounts: dict[str, set[int]] = defaultdict(set)
        sums: dict[str, int] = defaultdict(int)
        for posting in draft.postings:
            accounts[posting.currency].add(posting.account_id)
            sums[posting.currency] += max(posting.minor, 0)
        for currency, minor in sums.items():
            about = {"account_ids": accounts[currency], "amount": (currency, minor)}
            weigh_amount(g.decision.permission, **about, within=within, paths=paths)
