"""The guard at the doors of a workspace: decides for the request at hand, and sees that every refusal can be traced."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

import structlog
from flask import current_app, g, request
from prometheus_client import Counter

from webapp.access.asker import Asker
from webapp.access.extent import Extent
from webapp.access.guard import About, Decision, Forbidden, decide, permitted
from webapp.access.permissions import PER_ACCOUNT, TELLS, Permission, Role
from webapp.audit.commands import record
from webapp.kernel.actor import SYSTEM
from webapp.web.state import services
from webapp.web.unit import after_roll_back

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
WRITES = "*:change"
Within = Callable[[Extent], Collection[int] | None]
Paths = Callable[[Sequence[int]], Iterable[tuple[int, ...]]]
TOLD_MAX = 50
"""So many accounts are told of one decision."""
LISTENERS = "decision_listeners"
"""Under this name the application keeps who hears of every decision: `listener(decision, asker, tenant)`."""

DECISIONS = Counter("comptoir_decisions", "Decisions at the doors of workspaces", ["outcome"], registry=None)

log = structlog.get_logger()


def ask(permission: Permission, *, per_account: bool = False) -> Decision:
    """Decide for whoever asks (`g.asker`, by `g.rulebook`) and keep the decision as `g.decision`; raises Forbidden.

    What it may be about is `g.extent` where single accounts do; elsewhere it is all of them or nothing.
    """
    extent: Extent | None = None
    about: About = None
    if per_account:
        g.extent = extent = g.rulebook.reach(permission, g.asker)
        g.unweighed = WRITES in permission.groups and request.method not in SAFE
    elif permission in PER_ACCOUNT:
        extent, about = g.rulebook.hindrance(permission, g.asker), "all"
    elif permission in TELLS:
        extent = g.rulebook.hindrance(permission, g.asker)
    _decided(permission, asker=g.asker, extent=extent, about=about)
    return g.decision


def weigh(
    permission: Permission, *, account_ids: Collection[int], amount: tuple[str, int], within: Within, paths: Paths
) -> None:
    """Decide on an amount that would be booked on accounts, for a view that was let in; raises Forbidden.

    `within` tells the accounts that an extent reaches, None for all; `paths` accounts with all above them.
    """
    if g.extent.is_whole and not g.rulebook.weighs:
        return
    asker = replace(g.asker, amount=amount)
    extent = g.rulebook.extent(permission, asker)
    reached = within(extent)
    if reached is not None and not set(account_ids) <= set(reached):
        let_in = g.decision, g.actor
        # Those that it does not reach first, of which the log keeps some.
        about = tuple(paths(sorted(set(account_ids), key=lambda one: one in reached)[:TOLD_MAX]))
        try:
            _decided(permission, asker=asker, extent=extent.beyond, is_elsewhere=not extent.is_empty, about=about)
        finally:
            # Of many that are booked each for itself, others may follow: they are by what let the request in.
            g.decision, g.actor = let_in


def refuse(permission: Permission, extent: Extent) -> None:
    """Refuse what is about an account that a permission does not reach; raises Forbidden."""
    _decided(permission, asker=g.asker, extent=extent.beyond, is_elsewhere=not extent.is_empty)


def _decided(
    permission: Permission, *, asker: Asker, extent: Extent | None, is_elsewhere: bool = False, about: About = None
) -> None:
    """Decide, keep the decision, tell who listens, and write a refusal down; raises Forbidden."""
    decision = decide(
        permission,
        asker=asker,
        rulebook=g.rulebook,
        decision_id=str(services().new_id()),
        extent=extent,
        is_elsewhere=is_elsewhere,
    )
    DECISIONS.labels("permit" if decision.permit else "deny").inc()
    decision = replace(decision, about=about)
    g.decision = decision
    g.actor = replace(g.actor, decision_id=decision.id)
    for hear in current_app.extensions.get(LISTENERS, ()):
        hear(decision, asker, g.tenant)
    if decision.permit:
        return
    log.info(
        "access.refused",
        decision_id=decision.id,
        permission=permission.value,
        policies=decision.policies,
        missing=decision.missing,
    )
    _write_down(decision)
    raise Forbidden(decision)


def may(permission: Permission) -> bool:
    """Tell whether whoever asks may, for a page that offers only what will not be refused; it is no decision."""
    return permission in permitted(asker=g.asker, rulebook=g.rulebook)


def may_some(permission: Permission) -> bool:
    """Tell whether whoever asks may on any account at all."""
    return may(permission) or not g.rulebook.reach(permission, g.asker).is_empty


def _write_down(decision: Decision) -> None:
    """Append the refusal to the workspace's trail, in a transaction of its own: that of the request is rolled back."""
    actor, at, tenant, address = g.actor, g.at, g.tenant, f"{request.method} {request.path}"
    from_whom = {"permission": decision.permission.value, "request": address}
    told: dict[str, tuple[Any, Any]] = {name: (None, value) for name, value in from_whom.items()}
    if decision.policies:
        told["policies"] = (None, list(decision.policies))
    if decision.missing:
        told["missing"] = (None, list(decision.missing))

    def write() -> None:
        with services().database.tenant(tenant.ref) as session:
            record(
                session=session,
                actor=actor,
                at=at,
                action="access.refused",
                object_type="permission",
                object_id=decision.permission.value,
                difference=told,
            )

    after_roll_back(write)


def permitted_wholly() -> frozenset[Permission]:
    """Return what whoever asks may with no account and no amount withheld from them: what they may give to others."""
    may, book, asker = permitted(asker=g.asker, rulebook=g.rulebook), g.rulebook, g.asker
    partly = {one for one in PER_ACCOUNT if not book.extent(one, asker).is_whole or book.forbids_amounts(one, asker)}
    return may - partly - {one for one in TELLS if book.hindrance(one, asker)}


def givable() -> frozenset[Permission]:
    """Return what whoever asks may give to others: what they may wholly, and not only for a while or from somewhere."""
    return frozenset(one for one in permitted_wholly() if g.rulebook.lasts(one, g.asker))


def roles_to_give() -> tuple[Role, ...]:
    """Return the roles that permit nothing here beyond what the person may, whatever their token was narrowed to.

    Who would get one is another person to the policies: what is withheld from the giver must be from the role too.
    """
    mine = replace(g.asker, scopes=None)
    return tuple(role for role in Role if _is_within(replace(mine, role=role, own_roles=(), person_id=SYSTEM), mine))


def machine_roles() -> tuple[Role, ...]:
    """Return the roles that whoever asks may give a machine: never an owner's."""
    return tuple(role for role in roles_to_give() if role is not Role.OWNER)


def may_give_machine(role: str) -> bool:
    """Tell whether whoever asks may give a machine a role, and act for one that has it."""
    return role in machine_roles()


def may_give(role: Role) -> bool:
    """Tell whether whoever asks may give a member a role."""
    return role in roles_to_give()


def _is_within(other: Asker, mine: Asker) -> bool:
    book = g.rulebook
    theirs = permitted(asker=other, rulebook=book)
    if not theirs <= {one for one in permitted(asker=mine, rulebook=book) if book.lasts(one, mine)}:
        return False
    # A policy that forbids something at another hour, or from elsewhere, is no way around it either.
    if not all(book.forbids(one, mine) <= book.forbids(one, other) for one in theirs):
        return False
    for one in PER_ACCOUNT:
        here, limits = book.extent(one, mine), book.forbids_amounts(one, mine)
        goes_as_far = here.is_whole or here.reaches_as(book.extent(one, other))
        is_as_limited = set(limits) <= set(book.forbids_amounts(one, other))
        if not (goes_as_far and is_as_limited) and not book.reach(one, other).is_empty:
            return False
    return True


def person_may(permission: Permission) -> bool:
    """Tell whether the person may, whatever the token that they came with was narrowed to."""
    return permission in permitted(asker=replace(g.asker, scopes=None), rulebook=g.rulebook)


def scopes_of_use() -> frozenset[str]:
    """Return the scopes that a token of the person could use."""
    return frozenset(one.scope for one in permitted(asker=replace(g.asker, scopes=None), rulebook=g.rulebook))
