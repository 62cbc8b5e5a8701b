"""The guard: the one place that decides whether a member may, and says why not."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar

from webapp.access.asker import Asker
from webapp.access.engine import Outcome
from webapp.access.extent import Extent
from webapp.access.permission_words import PERMISSION_WORDS
from webapp.access.permissions import PER_ACCOUNT, Permission, Role
from webapp.access.product import product_policies
from webapp.access.rulebook import Rulebook
from webapp.access.terms import condition_words
from webapp.kernel.errors import N_, DomainError, Word

View = TypeVar("View", bound=Callable[..., Any])

ROLE_WORDS = {
    Role.OWNER: N_("owner"),
    Role.ADMIN: N_("admin"),
    Role.ACCOUNTANT: N_("accountant"),
    Role.TECHNICIAN: N_("technician"),
    Role.MEMBER: N_("member"),
    Role.AUDITOR: N_("auditor"),
    Role.CUSTOMER: N_("customer"),
}
"""A role within a sentence."""
SCOPE_POLICY = "token-scope"
About = Literal["all"] | tuple[tuple[int, ...], ...] | None
"""Which accounts a decision was about: all, some (each with all above it), or any that the permission reaches."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Permit or deny, with the reason (English with %(name)s placeholders) and the policies that decided.

    A denial without policies: nothing permits it. `missing` are conditions of policies that would have permitted.
    """

    permit: bool
    reason: str
    params: dict[str, Any]
    permission: Permission
    policies: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    microseconds: int = 0
    id: str = ""
    about: "About" = None


class Forbidden(DomainError):
    """An insider without the right; the reason names what is missing."""

    code = "forbidden"
    status = 403
    title = N_("You may not do this")

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        super().__init__(decision.reason, **decision.params)
        self.more = {
            "decision_id": decision.id,
            "permission": decision.permission.value,
            "policies": list(decision.policies),
            "missing": list(decision.missing),
        }


@functools.cache
def product_rulebook() -> Rulebook:
    """Return the rulebook of every workspace that has no policies of its own."""
    return Rulebook(product_policies(), is_own=False)


def decide(
    permission: Permission,
    *,
    asker: Asker,
    rulebook: Rulebook | None = None,
    decision_id: str = "",
    extent: Extent | None = None,
    is_elsewhere: bool = False,
    path: Sequence[int] = (),
) -> Decision:
    """Decide one permission of a member; without a rulebook by the policies that come with Comptoir.

    With an `extent` it is about the accounts that the permission reaches, and permitted when it reaches any.
    `is_elsewhere` says that it is permitted on some, and that these were not among them.
    With a `path` it is about one account: itself and those above it, the nearest first.
    """
    book = rulebook or product_rulebook()
    if extent is not None and extent.is_whole:
        outcome = Outcome(True, extent.policies, (), extent.microseconds)
    else:
        outcome = book.answer_on(permission, asker, path) if path else book.answer(permission, asker)
    if extent is not None and extent.is_empty and (outcome.permit or not outcome.policies):
        outcome = replace(outcome, permit=False, policies=extent.policies)
    elif extent is not None and not outcome.permit and not extent.is_empty:
        reason = N_("It is permitted on single accounts.")
        return Decision(True, reason, {}, permission, extent.policies, (), outcome.microseconds, decision_id)
    if outcome.permit:
        return Decision(
            True,
            N_("The role %(role)s includes it."),
            {"role": Word(ROLE_WORDS[asker.role])},
            permission,
            outcome.policies,
            (),
            outcome.microseconds,
            decision_id,
        )
    missing: tuple[str, ...] = ()
    if not outcome.policies:
        found = book.missing_on(permission, asker, path) if path else book.missing(permission, asker)
        found += book.missing_on_accounts(permission, asker) if extent is not None else []
        missing = tuple(dict.fromkeys(one.condition for one in found))
    reason, params = _why_not(permission, asker, outcome.policies, missing)
    if is_elsewhere and not outcome.policies and not missing:
        reason, params = N_("This is permitted to you only on certain accounts, and this is about others too."), {}
    return Decision(False, reason, params, permission, outcome.policies, missing, outcome.microseconds, decision_id)


def _why_not(
    permission: Permission, asker: Asker, policies: tuple[str, ...], missing: tuple[str, ...]
) -> tuple[str, dict[str, Any]]:
    if SCOPE_POLICY in policies:
        return N_("This token lacks the scope %(scope)s."), {"scope": permission.scope, "permission": permission.value}
    if policies:
        return N_("The policy %(policy)s of this workspace forbids it."), {
            "policy": ", ".join(policies),
            "permission": permission.value,
        }
    if missing:
        return condition_words(missing[0], asker.zone)
    return (
        N_("Your role here is %(role)s. It does not include “%(permission)s”. An owner can change that."),
        {"role": Word(ROLE_WORDS[asker.role]), "permission": Word(PERMISSION_WORDS[permission])},
    )


def check(permission: Permission, *, asker: Asker, rulebook: Rulebook | None = None, decision_id: str = "") -> Decision:
    """Return the decision, or raise Forbidden with it unless the member may."""
    decision = decide(permission, asker=asker, rulebook=rulebook, decision_id=decision_id)
    if not decision.permit:
        raise Forbidden(decision)
    return decision


def permitted(*, asker: Asker, rulebook: Rulebook | None = None) -> frozenset[Permission]:
    """Return everything that a member may, asked in one batch and remembered."""
    answers = (rulebook or product_rulebook()).answers(Permission, asker)
    return frozenset(permission for permission, outcome in answers.items() if outcome.permit)


def requires(permission: Permission, *, confirm: bool = False, per_account: bool = False) -> Callable[[View], View]:
    """Declare the permission of a view; the door reads it and refuses to start without.

    With `confirm` a person must have shown within the last 10 minutes who they are; programs are not asked.
    With `per_account` whoever may on single accounts only is let in as well, and the view keeps within `g.extent`.
    """
    if per_account and permission not in PER_ACCOUNT:
        raise AssertionError(f"{permission.value} cannot be given on single accounts")

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        view.per_account = per_account  # type: ignore[attr-defined]
        view.confirm = confirm  # type: ignore[attr-defined]
        return view

    return mark


def scopes_of_role(role: Role) -> frozenset[str]:
    """Return the scopes that a token of this role could use."""
    return frozenset(permission.scope for permission in permitted(asker=Asker(role)))
