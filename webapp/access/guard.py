"""The guard: the one place that decides whether a member may, and says why not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from webapp.access.permissions import GRANTS, Permission, Role
from webapp.kernel.errors import N_, DomainError, Word

View = TypeVar("View", bound=Callable[..., Any])

ROLE_WORDS = {
    Role.OWNER: N_("owner"),
    Role.ACCOUNTANT: N_("accountant"),
    Role.MEMBER: N_("member"),
    Role.AUDITOR: N_("auditor"),
}
"""A role within a sentence."""


class Forbidden(DomainError):
    """An insider without the right; the reason names what is missing."""

    code = "forbidden"
    status = 403
    title = N_("You may not do this")


@dataclass(frozen=True, slots=True)
class Decision:
    """Permit or deny, with the reason (English with %(name)s placeholders)."""

    permit: bool
    reason: str
    params: dict[str, str]


def decide(permission: Permission, *, role: Role, scopes: frozenset[str] | None) -> Decision:
    """Decide one permission for a member; `scopes` narrows a token and is None for a browser session."""
    if permission not in GRANTS[role]:
        return Decision(
            permit=False,
            reason=N_("Your role here is %(role)s, which does not include %(permission)s. An owner can change it."),
            params={"role": Word(ROLE_WORDS[role]), "permission": permission.value},
        )
    if scopes is not None and permission.scope not in scopes:
        return Decision(
            permit=False,
            reason=N_("This token lacks the scope %(scope)s."),
            params={"scope": permission.scope, "permission": permission.value},
        )
    return Decision(permit=True, reason=N_("The role %(role)s includes it."), params={"role": Word(ROLE_WORDS[role])})


def check(permission: Permission, *, role: Role, scopes: frozenset[str] | None) -> None:
    """Raise Forbidden with the reason unless the member may."""
    decision = decide(permission, role=role, scopes=scopes)
    if not decision.permit:
        raise Forbidden(decision.reason, **decision.params)


def requires(permission: Permission, *, confirm: bool = False) -> Callable[[View], View]:
    """Declare the permission of a view; the door reads it and refuses to start without.

    With `confirm` a person must have shown within the last 10 minutes who they are; programs are not asked.
    """

    def mark(view: View) -> View:
        view.permission = permission  # type: ignore[attr-defined]
        view.confirm = confirm  # type: ignore[attr-defined]
        return view

    return mark


def machine_roles(role: Role) -> tuple[Role, ...]:
    """Return the roles that somebody of this role may give a machine: never an owner's, never more than their own."""
    return tuple(one for one in Role if one is not Role.OWNER and GRANTS[one] <= GRANTS[role])


def may_give(role: Role, wanted: str) -> bool:
    """Tell whether somebody of this role may act for a machine of the wanted role."""
    return any(wanted == one.value for one in machine_roles(role))
