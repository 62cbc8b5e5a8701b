"""The policies of one workspace, asked and remembered: a process keeps the answers that nothing but them can change.

A rulebook belongs to one revision of a workspace's policies, and its answers to the roles that the membership of this
very request names; so a role that was taken away or a policy that was changed is never answered from memory.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from webapp.access.engine import Compiled, Facts, Missing, Outcome, Request, Uid
from webapp.access.extent import KIND, UNNAMED, Extent, account, extent_of
from webapp.access.permissions import BOOKS, Permission, Role
from webapp.access.policy_text import tokens
from webapp.kernel.actor import SYSTEM

Answer = TypeVar("Answer")
Question = tuple[Uid, Uid, Uid, dict[str, Any], Facts]
HERE = Uid("Workspace", "here")
_CURRENCY = re.compile(r'context\.currency == "([A-Z]{3})"')
STEADY = frozenset({"token", "scopes", "scope"})
"""What of the context does not change between the requests of one person through one token."""
BOOKED = frozenset({"amount", "currency"})
"""What of the context tells what is booked."""
REMEMBERED_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks in a workspace, as what, and how they came."""

    role: Role
    own_roles: tuple[str, ...] = ()
    person_id: UUID = SYSTEM
    scopes: frozenset[str] | None = None
    """What a token was narrowed to; None for a browser's session."""
    second_factor: bool = False
    network: str = ""
    at: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC))
    amount: tuple[str, int] | None = None
    """What would be booked: a currency and minor units."""

    def context(self, permission: Permission) -> dict[str, Any]:
        """Return what policies may ask about the request."""
        at = self.at.astimezone(UTC)
        booked = {"currency": self.amount[0], "amount": self.amount[1]} if self.amount else {}
        return booked | {
            "token": self.scopes is not None,
            "scopes": sorted(self.scopes or ()),
            "scope": permission.scope,
            "second_factor": self.second_factor,
            "network": {"__extn": {"fn": "ip", "arg": self.network or "0.0.0.0"}},  # noqa: S104 - an address that nobody has
            "minute": at.hour * 60 + at.minute,
            "weekday": at.isoweekday(),
            "now": {"__extn": {"fn": "datetime", "arg": at.strftime("%Y-%m-%dT%H:%M:%SZ")}},
        }


@dataclass(slots=True)
class Tally:
    """How often an answer was remembered; for the bench."""

    remembered: int = 0
    asked: int = 0


TALLY = Tally()


class Rulebook:
    """The compiled policies of a workspace at one revision.

    `for_owners` answers owners in its place: what a workspace shapes for itself never reaches them, so that no policy
    can lock the last owner out.
    """

    def __init__(self, compiled: Compiled, *, is_own: bool, for_owners: "Rulebook | None" = None) -> None:
        self.compiled = compiled
        self._for_owners = for_owners
        self._is_own = is_own
        self._moody = frozenset(policy.id for policy in compiled.policies if _is_moody(policy.text))
        self._heavy = {policy.id: policy.effect for policy in compiled.policies if _is_heavy(policy.text)}
        self.weighs = bool(self._heavy)
        """Whether a policy looks at what is booked."""
        self._currencies = sorted({code for policy in compiled.policies for code in _CURRENCY.findall(policy.text)})
        self._facts: OrderedDict[Any, Facts] = OrderedDict()
        self._answers: OrderedDict[Any, dict[Permission, Outcome]] = OrderedDict()
        self._extents: OrderedDict[Any, dict[Permission, Extent]] = OrderedDict()
        self._lock = threading.Lock()

    def answer(self, permission: Permission, asker: Asker) -> Outcome:
        """Decide one permission."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.answer(permission, asker)
        remembered = self._remembered(self._answers, asker)
        found = remembered.get(permission)
        TALLY.asked += 1
        if found is not None:
            TALLY.remembered += 1
            return found
        principal, facts = self.principal(asker)
        outcome = self.compiled.decide(principal, action(permission), HERE, asker.context(permission), facts)
        self._remember(remembered, permission, outcome, principal, facts)
        return outcome

    def extent(self, permission: Permission, asker: Asker) -> Extent:
        """Return the accounts that a permission reaches now; one that cannot be given on accounts reaches none."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.extent(permission, asker)
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
        outcomes = dict(zip(asked, self.compiled.decide_many(requests, facts), strict=True))
        extent = extent_of(outcomes)
        self._remember(remembered, permission, extent, principal, facts, asked)
        return extent

    def answer_on(self, permission: Permission, asker: Asker, path: Sequence[int]) -> Outcome:
        """Decide one permission on one account; `path` is the account with all above it, the nearest first."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.answer_on(permission, asker, path)
        return self.compiled.decide(*self._about(permission, asker, path))

    def missing_on(self, permission: Permission, asker: Asker, path: Sequence[int]) -> list[Missing]:
        """Return the conditions of the request that kept policies from permitting on one account."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.missing_on(permission, asker, path)
        return [
            one for one in self.compiled.missing(*self._about(permission, asker, path)) if one.policy in self._moody
        ]

    def _about(self, permission: Permission, asker: Asker, path: Sequence[int]) -> Question:
        principal, uids = self._person(asker), [account(one) for one in path]
        above = [*uids[1:], HERE]
        facts = self._entities(asker, tuple(zip(uids, above, strict=True)))
        return principal, action(permission), uids[0], asker.context(permission), facts

    def forbids_amounts(self, permission: Permission, asker: Asker) -> tuple[str, ...]:
        """Return the policies that may forbid an amount, or that alone permit and look at it.

        A view that books without telling amounts must not pass them by, wherever they name an account.
        """
        if not self._heavy or permission not in BOOKS or (self._for_owners is not None and asker.role is Role.OWNER):
            return ()
        principal, facts, asked = self._on_accounts(permission, asker)
        act = action(permission)
        applicable = {one.id for uid in (HERE, *asked) for one in self.compiled.applicable(principal, act, uid, facts)}
        forbids = sorted(one for one in applicable if self._heavy.get(one) == "forbid")
        permits = self.answer(permission, asker)
        is_limited = permits.permit and self._heavy.keys() >= set(permits.policies)
        return tuple(forbids) or (permits.policies if is_limited else ())

    def reach(self, permission: Permission, asker: Asker) -> Extent:
        """Return the accounts that a permission reaches, those besides where it does so up to an amount only."""
        found = self.extent(permission, asker)
        for code in self._currencies if self.weighs and permission in BOOKS else ():
            found |= self.extent(permission, replace(asker, amount=(code, 0)))
        return found

    def missing_on_accounts(self, permission: Permission, asker: Asker) -> list[Missing]:
        """Return the conditions of the request that kept policies from permitting on single accounts."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.missing_on_accounts(permission, asker)
        principal, facts, asked = self._on_accounts(permission, asker)
        act, context = action(permission), asker.context(permission)
        found = [one for uid in asked for one in self.compiled.missing(principal, act, uid, context, facts)]
        return [one for one in dict.fromkeys(found) if one.policy in self._moody]

    def _on_accounts(self, permission: Permission, asker: Asker) -> tuple[Uid, Facts, list[Uid]]:
        """Return who asks, the entities around them, and the accounts to ask about: each by itself in the workspace."""
        principal, facts = self.principal(asker)
        asked = [UNNAMED, *sorted(self.compiled.named(principal, action(permission), KIND, facts))]
        return principal, self._entities(asker, tuple((uid, HERE) for uid in asked)), asked

    def answers(self, permissions: Iterable[Permission], asker: Asker) -> dict[Permission, Outcome]:
        """Decide many permissions, those that are not remembered together."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.answers(permissions, asker)
        remembered, wanted = self._remembered(self._answers, asker), list(permissions)
        found = {one: remembered[one] for one in wanted if one in remembered}
        missing = [one for one in wanted if one not in found]
        if missing:
            principal, facts = self.principal(asker)
            requests = [Request(principal, action(one), HERE, asker.context(one)) for one in missing]
            for one, outcome in zip(missing, self.compiled.decide_many(requests, facts), strict=True):
                found[one] = outcome
                self._remember(remembered, one, outcome, principal, facts)
        return found

    def missing(self, permission: Permission, asker: Asker) -> list[Missing]:
        """Return the conditions of the request that kept a policy from permitting: what another request may meet."""
        if self._for_owners is not None and asker.role is Role.OWNER:
            return self._for_owners.missing(permission, asker)
        principal, facts = self.principal(asker)
        found = self.compiled.missing(principal, action(permission), HERE, asker.context(permission), facts)
        return [one for one in found if one.policy in self._moody]

    def principal(self, asker: Asker) -> tuple[Uid, Facts]:
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


def _is_moody(text: str) -> bool:
    """Tell whether a policy looks at anything of the context that may be another with the next request."""
    return any(sign != "." or name not in STEADY for sign, name in _asked_of_context(text))


def _is_heavy(text: str) -> bool:
    """Tell whether a policy looks at what is booked, in whatever way that is written."""
    return any(
        sign not in {".", "[", "has"} or name.strip('"') in BOOKED or "\\" in name
        for sign, name in _asked_of_context(text)
    )


def _asked_of_context(text: str) -> list[tuple[str, str]]:
    """Return what follows each `context`: `.` and a name mostly, `[` or `has` and a name or a text."""
    words = [*(token.text for token in tokens(text)), "", ""]
    return [(words[number + 1], words[number + 2]) for number, word in enumerate(words) if word == "context"]
