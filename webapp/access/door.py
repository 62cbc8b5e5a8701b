"""The guard at the doors of a workspace: decides for the request at hand, and sees that every refusal can be traced."""

from dataclasses import replace
from typing import Any

import structlog
from flask import current_app, g, request

from webapp.access.extent import Extent
from webapp.access.guard import Decision, Forbidden, decide, permitted
from webapp.access.permissions import PER_ACCOUNT, Permission
from webapp.audit.commands import record
from webapp.web.state import services
from webapp.web.unit import after_roll_back

LISTENERS = "decision_listeners"
"""Under this name the application keeps who hears of every decision: `listener(decision, asker, tenant)`."""

log = structlog.get_logger()


def ask(permission: Permission, *, per_account: bool = False) -> Decision:
    """Decide for whoever asks (`g.asker`, by `g.rulebook`) and keep the decision as `g.decision`; raises Forbidden.

    What it may be about is `g.extent` where single accounts do; elsewhere it is all of them or nothing.
    """
    extent = g.rulebook.extent(permission, g.asker) if permission in PER_ACCOUNT else None
    if per_account:
        g.extent = extent
    elif extent is not None:
        extent = Extent(policies=extent.forbids) if extent.is_all and extent.withheld else None
    decision = decide(
        permission, asker=g.asker, rulebook=g.rulebook, decision_id=str(services().new_id()), extent=extent
    )
    g.decision = decision
    g.actor = replace(g.actor, decision_id=decision.id)
    for hear in current_app.extensions.get(LISTENERS, ()):
        hear(decision, g.asker, g.tenant)
    if decision.permit:
        return decision
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
    return may(permission) or not g.rulebook.extent(permission, g.asker).is_empty


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


def person_may(permission: Permission) -> bool:
    """Tell whether the person may, whatever the token that they came with was narrowed to."""
    return permission in permitted(asker=replace(g.asker, scopes=None), rulebook=g.rulebook)


def scopes_of_use() -> frozenset[str]:
    """Return the scopes that a token of the person could use."""
    return frozenset(one.scope for one in permitted(asker=replace(g.asker, scopes=None), rulebook=g.rulebook))
