"""What a policy store is asked and answers, its limits, and what its entities may look like."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from webapp.kernel.errors import N_

SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}")
WORKSPACE = "workspace"
"""The store whose policies decide over the workspace itself; every workspace has it."""
RESERVED = frozenset({"explanation", "grants", "imports", "own", "roles"})
"""No store is called so: these words stand in addresses beside those of stores."""
STORES_MAX = 50
"""Besides the reserved one."""
VERSIONS_MAX = 500
"""So many versions of one store are kept; the oldest retired ones make room."""
ENTITIES_MAX = 20_000
ENTITY_BYTES_MAX = 16_384
HIERARCHY_DEPTH_MAX = 10
"""So many steps may lie between an entity and the farthest one that it stands in."""
NAME_CHARS_MAX = 500
"""Of a subject's or resource's id; types and actions have 200."""
TYPE_CHARS_MAX = 200
NOTE_CHARS_MAX = 1_000
REPLAY_MAX = 10_000
"""So many recorded decisions are asked again of a draft."""


class State(StrEnum):
    """Where a version stands in its life."""

    DRAFT = "draft"
    ACTIVE = "active"
    RETIRED = "retired"


class Code(StrEnum):
    """Why a store answered as it did."""

    PERMITTED = "permitted"
    FORBIDDEN = "forbidden"
    NOT_PERMITTED = "not_permitted"
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_ACTION = "unknown_action"
    PROPERTY = "property"
    POLICY_FAILED = "policy_failed"
    NOT_ACTIVE = "not_active"
    INVALID = "invalid"
    SEARCHED = "searched"


REASONS: dict[Code, str] = {
    Code.PERMITTED: N_("Permitted by %(detail)s."),
    Code.FORBIDDEN: N_("Forbidden by %(detail)s."),
    Code.NOT_PERMITTED: N_("No policy permits it."),
    Code.UNKNOWN_TYPE: N_("The schema knows no type %(detail)s, or the action does not apply to it."),
    Code.UNKNOWN_ACTION: N_("The schema knows no action %(detail)s."),
    Code.PROPERTY: N_("What the request says does not fit the schema: %(detail)s."),
    Code.POLICY_FAILED: N_("A policy that forbids could not be evaluated, so nothing is permitted: %(detail)s"),
    Code.NOT_ACTIVE: N_("No version of this store is active, so nothing is permitted."),
    Code.INVALID: N_("The evaluation is not complete: %(detail)s"),
    Code.SEARCHED: N_("It was searched for, not decided."),
}


@dataclass(frozen=True, slots=True)
class Party:
    """A subject or a resource as a request names it."""

    type: str
    id: str
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """Whether the subject may do the action on the resource, in this context (AuthZEN 1.0, information model)."""

    subject: Party
    action: str
    resource: Party
    action_properties: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def told(self) -> dict[str, Any] | None:
        """Return what it says beyond names, or nothing."""
        parts = {
            "subject": self.subject.properties,
            "action": self.action_properties,
            "resource": self.resource.properties,
            "context": self.context,
        }
        return {name: dict(part) for name, part in parts.items() if part} or None


@dataclass(frozen=True, slots=True)
class Answer:
    """The decision, the policies that made it, and why."""

    permit: bool
    code: Code
    policies: tuple[str, ...] = ()
    detail: str = ""
    microseconds: int = 0

    @property
    def reason(self) -> str:
        """Return the reason in English."""
        return REASONS[self.code] % {"detail": self.detail}


@dataclass(frozen=True, slots=True)
class Entity:
    """Something that a store knows: its name, what it carries, and what it stands in, each as (type, id)."""

    type: str
    id: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    parents: Sequence[tuple[str, str]] = ()

    @property
    def name(self) -> tuple[str, str]:
        """Return its key in the store."""
        return self.type, self.id


def too_deep(entities: Mapping[tuple[str, str], Entity]) -> tuple[str, str] | None:
    """Return an entity that stands in itself, or above which more than HIERARCHY_DEPTH_MAX levels lie; else None."""
    levels: dict[tuple[str, str], int] = {}
    for start in entities:
        path: list[tuple[tuple[str, str], int]] = [(start, 0)]
        open_ones: set[tuple[str, str]] = set()
        while path:
            name, place = path.pop()
            entity = entities.get(name)
            if name in levels:
                continue
            parents = entity.parents if entity else ()
            if place == 0:
                open_ones.add(name)
            if place < len(parents):
                path.append((name, place + 1))
                above = (parents[place][0], parents[place][1])
                if above in open_ones:
                    return name
                if above not in levels:
                    path.append((above, 0))
                continue
            open_ones.discard(name)
            levels[name] = 1 + max((levels[parent[0], parent[1]] for parent in parents), default=-1)
            if levels[name] > HIERARCHY_DEPTH_MAX:
                return name
    return None
