"""What a workspace shapes for itself, as Cedar text: a role of its own, and a grant to one member until a moment."""

import json
from collections.abc import Iterable
from uuid import UUID

from webapp.access.permissions import Permission
from webapp.access.terms import Conditions


def role_policy(name: str, permissions: Iterable[Permission], conditions: Conditions) -> str:
    """Return the policy of a workspace's own role; it has what was chosen, and nothing that is added later."""
    return _permit(f"own:{name}", f'principal in Role::"own:{name}"', permissions, conditions)


def grant_policy(grant_id: UUID, person_id: UUID, permissions: Iterable[Permission], conditions: Conditions) -> str:
    """Return the policy of a grant."""
    return _permit(f"grant:{grant_id}", f'principal == Person::"{person_id}"', permissions, conditions)


def _permit(policy_id: str, principal: str, permissions: Iterable[Permission], conditions: Conditions) -> str:
    actions = ",\n".join(f"    Action::{json.dumps(one.value)}" for one in sorted(permissions))
    scope = f"  {principal},\n  action in [\n{actions}\n  ],\n  {conditions.resource}"
    return f"@id({json.dumps(policy_id)})\npermit (\n{scope}\n){conditions.cedar};\n"
