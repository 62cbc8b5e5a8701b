"""How far a permission reaches: all accounts of the workspace, or single ones with all below them."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from webapp.access.engine import Outcome
from webapp.access.scopes import Uid
from webapp.kernel.ids import new_id

KIND = "Account"
ACCOUNT_ID = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
"""How an account is named; of another name there is none."""
UNNAMED = Uid(KIND, f"unnamed {new_id()}")
"""Stands for every account that no policy names: policies say the same of all of them, and none can name it."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The accounts that a permission reaches now: all, or those `named`; less those `withheld`; each with all below.

    `policies` are those that decided it, `forbids` those that withhold.
    """

    is_all: bool = False
    named: frozenset[int] = frozenset()
    withheld: frozenset[int] = frozenset()
    policies: tuple[str, ...] = ()
    forbids: tuple[str, ...] = ()
    microseconds: int = field(default=0, compare=False)
    """What it took to decide; of two that were joined, of the first."""

    @property
    def is_whole(self) -> bool:
        """Tell whether it reaches every account, now and later."""
        return self.is_all and not self.withheld

    def __or__(self, other: "Extent") -> "Extent":
        """Return what either reaches, where the same is withheld from both."""
        if self.is_empty or other.is_empty:
            return other if self.is_empty else self
        return Extent(
            self.is_all or other.is_all,
            self.named | other.named,
            self.withheld & other.withheld,
            tuple(dict.fromkeys((*self.policies, *other.policies))),
            tuple(dict.fromkeys((*self.forbids, *other.forbids))),
        )

    def reaches_as(self, other: "Extent") -> bool:
        """Tell whether it reaches the same accounts as another."""
        return (self.is_all, self.named, self.withheld) == (other.is_all, other.named, other.withheld)

    def covers(self, paths: Collection[Sequence[int]]) -> bool:
        """Tell whether it reaches every one of some accounts, each told with all above it."""
        return all((self.is_all or self.named & {*one}) and not self.withheld & {*one} for one in paths)

    @property
    def beyond(self) -> "Extent":
        """Return what is told of accounts that it does not reach: nothing is, by the policies that decided that."""
        return Extent(policies=self.forbids if self.withheld else self.policies if self.is_empty else ())

    @property
    def is_empty(self) -> bool:
        """Tell whether it reaches none."""
        return not self.is_all and not self.named


def account(account_id: int) -> Uid:
    """Return the name of an account."""
    return Uid(KIND, str(account_id))


def extent_of(outcomes: dict[Uid, Outcome]) -> Extent:
    """Return what a permission reaches by what was decided of UNNAMED and of each account that a policy names.

    Each is asked as if it stood in the workspace alone, without the accounts above it: then only the policies that name
    it and those of the whole workspace can decide, and what they decide holds for all below it too.
    """
    whole = outcomes[UNNAMED]
    if _is_forbidden(whole):
        return Extent(policies=whole.policies)
    named = {uid: outcome for uid, outcome in outcomes.items() if ACCOUNT_ID.fullmatch(uid.id)}
    kept_back = {int(uid.id): outcome for uid, outcome in named.items() if _is_forbidden(outcome)}
    withheld, forbids = frozenset(kept_back), _policies(kept_back.values())
    if whole.permit:
        return Extent(True, frozenset(), withheld, whole.policies, forbids, whole.microseconds)
    permits = {int(uid.id): outcome for uid, outcome in named.items() if outcome.permit}
    return Extent(named=frozenset(permits), withheld=withheld, policies=_policies(permits.values()), forbids=forbids)


def _policies(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    return tuple(sorted({policy for outcome in outcomes for policy in outcome.policies}))


def _is_forbidden(outcome: Outcome) -> bool:
    """Tell whether a policy forbids it; a denial without policies only means that nothing permits it."""
    return not outcome.permit and bool(outcome.policies)
