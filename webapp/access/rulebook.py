"""The policies of one workspace, asked and remembered: a process keeps the answers that nothing but them can change.

A rulebook belongs to one revision of a workspace's policies, and its answers to the roles that the membership of this
very request names; so a role that was taken away or a policy that was changed is never answered from memory.
"""

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Concatenate, ParamSpec, TypeVar

from webapp.access.asker import Asker, currencies_of, is_heavy, is_moody
from webapp.access.engine import Compiled, Missing, Outcome, Request
from webapp.access.extent import KIND, UNNAMED, Extent, account, extent_of
from webapp.access.permissions import BOOKS, TELLS, Permission, Role
from webapp.access.scopes import Facts, Uid

Answer = TypeVar("Answer")
Subject = TypeVar("Subject")
More = ParamSpec("More")
Question = tuple[Uid, Uid, Uid, dict[str, Any], Facts]
HERE = Uid("Workspace", "here")
REMEMBERED_MAX = 2_000


@dataclass(slots=True)
class Tally:
    """How often an answer was remembered; for the bench."""

    remembered: int = 0
    asked: int = 0


TALLY = Tally()


def _by_the_book_of_who_asks(
    method: Callable[Concatenate["Rulebook", Subject, Asker, More], Answer],
) -> Callable[Concatenate["Rulebook", Subject, Asker, More], Answer]:
    """Let a question be answered by the book that holds for who asks it: owners have one of their own."""

    @functools.wraps(method)
    def chosen(book: "Rulebook", subject: Subject, asker: Asker, /, *more: More.args, **named: More.kwargs) -> Answer:
        return method(book.of(asker), subject, asker, *more, **named)

    return chosen


class Rulebook:
    """The compiled policies of a workspace at one revision.

    `for_owners` answers owners in its place: what a workspace shapes for itself never reaches them, so that no policy
    can lock the last owner out.
    """

    def __init__(self, compiled: Compiled, *, is_own: bool, for_owners: "Rulebook | None" = None) -> None:
        self.compiled = compiled
        self._for_owners = for_owners
        self._is_own = is_own
        self._moody = frozenset(policy.id for policy in compiled.policies if is_moody(policy.text))
        self._heavy = {policy.id: policy.effect for policy in compiled.policies if is_heavy(policy.text)}
        self.weighs = bool(self._heavy)
        """Whether a policy looks at what is booked."""
        limited = [one for one in compiled.policies if self._heavy.get(one.id) == "permit"]
        self._currencies = sorted({code for policy in limited for code in currencies_of(policy.text)})
        self._facts: OrderedDict[Any, Facts] = OrderedDict()
        self._answers: OrderedDict[Any, dict[Permission, Outcome]] = OrderedDict()
        self._extents: OrderedDict[Any, dict[Permission, Extent]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, asker: Asker) -> "Rulebook":
        """Return the book that holds for somebody."""
        return self._for_owners if self._for_owners is not None and asker.role is Role.OWNER else self

    @_by_the_book_of_who_asks
    def answer(self, permission: Permission, asker: Asker) -> Outcome:
        """Decide one permission."""
        remembered = self._remembered(self._answers, asker)
        found = remembered.get(permission)
        TALLY.asked += 1
        if found is not None:
            TALLY.remembered += 1
            return found
        principal, facts = self._principal(asker)
        outcome = self._closed(
            self.compiled.decide(principal, action(permission), HERE, asker.context(permission), facts)
        )
        self._remember(remembered, permission, outcome, principal, facts)
        return outcome

    def _closed(self, outcome: Outcome) -> Outcome:
        """Deny where a policy that forbids could not be evaluated, as by a number that grew too large."""
        failed = self.compiled.failed_forbids(outcome) if outcome.errors and outcome.permit else {}
        return replace(outcome, permit=False, policies=tuple(sorted(failed))) if failed else outcome

    @_by_the_book_of_who_asks
    def extent(self, permission: Permission, asker: Asker) -> Extent:
        """Return the accounts that a permission reaches now; one that cannot be given on accounts reaches none."""
        remembered = self._remembered(self._extents, asker)
        found = remembered.get(permission)
        TALLY.asked += 1
        if found is not None:
            TALLY.remembered += 1
            return found
        if KIND not in permission.kinds:
            return Extent()
        principal, facts, asked = self._on_accounts(permission, asker)
        requests = [Request(principal, action(permission), uid, asker.context(permission)) for uid in asked]
        outcomes = dict(zip(asked, map(self._closed, self.compiled.decide_many(requests, facts)), strict=True))
        extent = extent_of(outcomes)
        self._remember(remembered, permission, extent, principal, facts, asked)
        return extent

    @_by_the_book_of_who_asks
    def answer_on(self, permission: Permission, asker: Asker, path: Sequence[int]) -> Outcome:
        """Decide one permission on one account; `path` is the account with all above it, the nearest first."""
        return self._closed(self.compiled.decide(*self._about(permission, asker, path)))

    @_by_the_book_of_who_asks
    def missing_on(self, permission: Permission, asker: Asker, path: Sequence[int]) -> list[Missing]:
        """Return the conditions of the request that kept policies from permitting on one account."""
        return [
            one for one in self.compiled.missing(*self._about(permission, asker, path)) if one.policy in self._moody
        ]

    def _about(self, permission: Permission, asker: Asker, path: Sequence[int]) -> Question:
        principal, uids = self._person(asker), [account(one) for one in path]
        above = [*uids[1:], HERE]
        facts = self._entities(asker, tuple(zip(uids, above, strict=True)))
        return principal, action(permission), uids[0], asker.context(permission), facts

    @_by_the_book_of_who_asks
    def forbids_amounts(self, permission: Permission, asker: Asker) -> tuple[str, ...]:
        """Return the policies that may forbid an amount, or that alone permit and look at it.

        A view that books without telling amounts must not pass them by, wherever they name an account.
        """
        if not self._heavy or permission not in BOOKS:
            return ()
        principal, facts, asked = self._on_accounts(permission, asker)
        act = action(permission)
        applicable = {one.id for uid in (HERE, *asked) for one in self.compiled.applicable(principal, act, uid, facts)}
        forbids = sorted(one for one in applicable if self._heavy.get(one) == "forbid")
        permits = self.answer(permission, asker)
        is_limited = permits.permit and self._heavy.keys() >= set(permits.policies)
        return tuple(forbids) or (permits.policies if is_limited else ())

    @_by_the_book_of_who_asks
    def lasts(self, permission: Permission, asker: Asker) -> bool:
        """Tell whether what permits is the same tomorrow, from elsewhere and with one factor."""
        return not set(self.answer(permission, asker).policies) <= self._moody

    @_by_the_book_of_who_asks
    def hindrance(self, permission: Permission, asker: Asker) -> Extent | None:
        """Return what keeps a permission from the whole of the accounts, for a view that is about all of them.

        An empty extent with the policies that withhold an account or look at an amount; None when nothing does.
        """
        if permission in TELLS:
            withheld = [one for told in TELLS[permission] for one in self.extent(told, asker).forbids]
            return Extent(policies=tuple(dict.fromkeys(withheld))) if withheld else None
        extent = self.extent(permission, asker)
        forbids = extent.forbids if extent.is_all and extent.withheld else ()
        forbids += self.forbids_amounts(permission, asker)
        return Extent(policies=forbids) if forbids else None

    @_by_the_book_of_who_asks
    def forbids(self, permission: Permission, asker: Asker) -> frozenset[str]:
        """Return the policies that may forbid somebody a permission: on some account, at some hour, from somewhere."""
        principal, facts, accounts = self._on_accounts(permission, asker)
        act, asked = action(permission), (HERE, *(accounts if KIND in permission.kinds else ()))
        applicable = (one for uid in asked for one in self.compiled.applicable(principal, act, uid, facts))
        return frozenset(one.id for one in applicable if one.effect == "forbid")

    @_by_the_book_of_who_asks
    def reach(self, permission: Permission, asker: Asker) -> Extent:
        """Return the accounts that a permission reaches, those besides where it does so up to an amount only."""
        found = self.extent(permission, asker)
        for code in self._currencies if permission in BOOKS else ():
            found |= self.extent(permission, replace(asker, amount=(code, 0)))
        return found

    @_by_the_book_of_who_asks
    def missing_on_accounts(self, permission: Permission, asker: Asker) -> list[Missing]:
        """Return the conditions of the request that kept policies from permitting on single accounts."""
        principal, facts, asked = self._on_accounts(permission, asker)
        act, context = action(permission), asker.context(permission)
        found = [one for uid in asked for one in self.compiled.missing(principal, act, uid, context, facts)]
        return [one for one in dict.fromkeys(found) if one.policy in self._moody]

    def _on_accounts(self, permission: Permission, asker: Asker) -> tuple[Uid, Facts, list[Uid]]:
        """Return who asks, the entities around them, and the accounts to ask about: each by itself in the workspace."""
        principal, facts = self._principal(asker)
        asked = [UNNAMED, *sorted(self.compiled.named(principal, action(permission), KIND, facts))]
        return principal, self._entities(asker, tuple((uid, HERE) for uid in asked)), asked

    @_by_the_book_of_who_asks
    def answers(self, permissions: Iterable[Permission], asker: Asker) -> dict[Permission, Outcome]:
        """Decide many permissions, those that are not remembered together."""
        remembered, wanted = self._remembered(self._answers, asker), list(permissions)
        found = {one: remembered[one] for one in wanted if one in remembered}
        missing = [one for one in wanted if one not in found]
        if missing:
            principal, facts = self._principal(asker)
            requests = [Request(principal, action(one), HERE, asker.context(one)) for one in missing]
            decided = map(self._closed, self.compiled.decide_many(requests, facts))
            for one, outcome in zip(missing, decided, strict=True):
                found[one] = outcome
                self._remember(remembered, one, outcome, principal, facts)
        return found

    @_by_the_book_of_who_asks
    def missing(self, permission: Permission, asker: Asker) -> list[Missing]:
        """Return the conditions of the request that kept a policy from permitting: what another request may meet."""
        principal, facts = self._principal(asker)
        found = self.compiled.missing(principal, action(permission), HERE, asker.context(permission), facts)
        return [one for one in found if one.policy in self._moody]

    def _principal(self, asker: Asker) -> tuple[Uid, Facts]:
        """Return the name of the person and the entities around them; without own policies all persons are alike."""
        return self._person(asker), self._entities(asker)

    def _person(self, asker: Asker) -> Uid:
        return Uid("Person", str(asker.person_id) if self._is_own else "member")

    def _entities(self, asker: Asker, accounts: tuple[tuple[Uid, Uid], ...] = ()) -> Facts:
        """Return a person in their roles, and accounts each in what stands above it."""
        principal = self._person(asker)
        key = (principal, asker.role, asker.own_roles, accounts)
        facts = self._facts.get(key)
        if facts is None:
            roles = [asker.role.value, *(f"own:{name}" for name in asker.own_roles)]
            facts = self.compiled.facts(
                [
                    {
                        "uid": principal._asdict(),
                        "attrs": {},
                        "parents": [{"type": "Role", "id": role} for role in roles],
                    },
                    *({"uid": {"type": "Role", "id": role}, "attrs": {}, "parents": []} for role in roles),
                    {"uid": HERE._asdict(), "attrs": {}, "parents": []},
                    *({"uid": uid._asdict(), "attrs": {}, "parents": [up._asdict()]} for uid, up in accounts),
                ]
            )
            self._keep(self._facts, key, facts)
        return facts

    def _remembered(self, kept: OrderedDict[Any, dict[Permission, Answer]], asker: Asker) -> dict[Permission, Answer]:
        key = (asker.person_id if self._is_own else None, asker.role, asker.own_roles, asker.scopes)
        found = kept.get(key)
        if found is None:
            found = {}
            self._keep(kept, key, found)
        return found

    def _remember(
        self,
        into: dict[Permission, Answer],
        permission: Permission,
        answer: Answer,
        principal: Uid,
        facts: Facts,
        asked: Iterable[Uid] = (HERE,),
    ) -> None:
        """Keep an answer, unless a policy that applies looks at the clock, the network or the second factor."""
        act = action(permission)
        applicable = (one for uid in asked for one in self.compiled.applicable(principal, act, uid, facts))
        if not any(one.id in self._moody for one in applicable):
            into[permission] = answer

    def _keep(self, into: OrderedDict[Any, Any], key: Any, value: Any) -> None:
        with self._lock:
            while len(into) >= REMEMBERED_MAX:
                into.popitem(last=False)
            into[key] = value


def action(permission: Permission) -> Uid:
    """Return the name of a permission's action."""
    return Uid("Action", permission.value)
