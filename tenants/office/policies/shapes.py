"""What the calls of policy stores take and give as JSON; shared by their doors."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from tenants.office.policies.queries import DecisionView, StoreView, VersionView
from tenants.office.policies.rules import ENTITIES_MAX, Entity
from tenants.schemas import Body, Instant, WorkspacePath, instant, whole
from webapp.access.policy_text import MAX_SCHEMA_CHARS, MAX_TEXT_CHARS

SCHEMA = "entity user;\nentity record;\naction read appliesTo { principal: user, resource: record };\n"
POLICIES = '@id("ann-reads")\npermit (principal == user::"ann", action == Action::"read", resource);\n'
PLAIN = r"^[^\x00]*$"
"""Any text but NUL, which the database cannot hold."""
StoreSlug = Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,39}$")]


class StorePath(WorkspacePath):
    """One policy store of a workspace."""

    store: StoreSlug


class PolicyVersionPath(StorePath):
    """One version of a store."""

    number: whole(1, 2**31 - 1)


class PolicyStoreSettingsIn(Body):
    """What can be chosen of a store."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Web shop", "log_days": 90}]})

    name: str = Field(examples=["Web shop"], min_length=1, max_length=100, pattern=PLAIN)
    four_eyes: bool = Field(False, description="Another person than a draft's author must activate it.")
    log_percent: whole(0, 100) = Field(100, description="So many of a hundred decisions are recorded.")
    log_days: whole(1, 366) = Field(30, description="So long recorded decisions are kept.")


class PolicyStoreIn(PolicyStoreSettingsIn):
    """A store to make."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"slug": "web-shop", "name": "Web shop"}]})

    slug: StoreSlug


class PolicyStoreOut(BaseModel):
    """A store; `active` and `draft` are numbers of versions."""

    slug: str
    name: str
    four_eyes: bool
    log_percent: int
    log_days: int
    revision: int = Field(description="Grows with every change that a decision can depend on.")
    active: int | None
    draft: int | None
    created_at: Instant
    created_by: UUID


class PolicyVersionOut(BaseModel):
    """A version without its texts."""

    number: int
    state: str = Field(examples=["active"], description="draft, active or retired")
    note: str
    changes: int = Field(description="How often it was written; grows while it is a draft.")
    created_at: Instant
    created_by: UUID
    changed_at: Instant
    changed_by: UUID
    activated_at: Instant | None
    activated_by: UUID | None
    retired_at: Instant | None


class PolicyVersionWhole(PolicyVersionOut):
    """A version with its texts, in Cedar's languages."""

    schema_text: str
    policies: str


class PolicyDraftIn(Body):
    """A schema and policies to try and, later, to activate."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"schema_text": SCHEMA, "policies": POLICIES}]})

    schema_text: str = Field(
        max_length=MAX_SCHEMA_CHARS,
        pattern=PLAIN,
        description="Of the store `workspace` it is Comptoir's own: send “”.",
    )
    policies: str = Field(max_length=MAX_TEXT_CHARS, pattern=PLAIN)
    note: str = Field("", max_length=1000, pattern=PLAIN)
    changes: whole(1, 2**31 - 1) | None = Field(
        None, description="The draft's `changes` that was read; 412 when somebody wrote since."
    )


class PolicyEntityName(Body):
    """The name of an entity."""

    type: str = Field(min_length=1, max_length=200, pattern=PLAIN, examples=["user"])
    id: str = Field(min_length=1, max_length=500, pattern=PLAIN, examples=["ann"])


class PolicyEntityIn(PolicyEntityName):
    """A subject, resource or group with what it carries and what it stands in."""

    attributes: dict[str, Any] = Field(default_factory=dict, examples=[{}])
    parents: list[PolicyEntityName] = Field(default_factory=list, max_length=100)


class PolicyEntitiesIn(Body):
    """Entities to put, and names of those to remove."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"put": [{"type": "user", "id": "ann"}]}]})

    put: list[PolicyEntityIn] = Field(default_factory=list, max_length=ENTITIES_MAX)
    remove: list[PolicyEntityName] = Field(default_factory=list, max_length=ENTITIES_MAX)
    replace: bool = Field(False, description="Remove every entity that is not put.")


class PolicyEntitiesChanged(BaseModel):
    """How many entities the store has now."""

    entities: int


class PolicyNameOut(BaseModel):
    """The name of an entity."""

    type: str
    id: str


class PolicyEntityOut(BaseModel):
    """An entity of a store."""

    type: str
    id: str
    attributes: dict[str, Any]
    parents: list[dict[str, str]]


class PolicyDecisionOut(BaseModel):
    """A recorded decision; `told` is what the request said beyond names."""

    id: int
    decision_id: UUID
    at: Instant
    version: int
    subject: PolicyNameOut
    action: str
    resource: PolicyNameOut
    told: dict[str, Any] | None
    decision: bool
    code: str
    policies: list[str]
    microseconds: int
    asked_by: UUID
    request_id: str


def decision_out(one: DecisionView) -> dict[str, Any]:
    """Write a recorded decision for JSON."""
    plain = ("id", "version", "action", "told", "code", "policies", "microseconds", "request_id")
    return {
        **{name: getattr(one, name) for name in plain},
        "decision_id": str(one.decision_id),
        "at": instant(one.at),
        "subject": {"type": one.subject_type, "id": one.subject_id},
        "resource": {"type": one.resource_type, "id": one.resource_id},
        "decision": one.permit,
        "asked_by": str(one.asked_by),
    }


def store_out(store: StoreView) -> dict[str, Any]:
    """Write a store for JSON."""
    plain = ("slug", "name", "four_eyes", "log_percent", "log_days", "revision", "active", "draft")
    return {
        **{name: getattr(store, name) for name in plain},
        "created_at": instant(store.created_at),
        "created_by": str(store.created_by),
    }


def version_out(version: VersionView, *, whole: bool = False) -> dict[str, Any]:
    """Write a version for JSON, with its texts if whole."""
    times = ("created_at", "changed_at", "activated_at", "retired_at")
    people = ("created_by", "changed_by", "activated_by")
    told: dict[str, Any] = {name: getattr(version, name) for name in ("number", "state", "note", "changes")}
    told |= {name: instant(value) if (value := getattr(version, name)) else None for name in times}
    told |= {name: str(value) if (value := getattr(version, name)) else None for name in people}
    return told | ({"schema_text": version.schema, "policies": version.policies} if whole else {})


def entity_out(entity: Entity) -> dict[str, Any]:
    """Write an entity for JSON."""
    return {
        "type": entity.type,
        "id": entity.id,
        "attributes": dict(entity.attributes),
        "parents": [{"type": kind, "id": name} for kind, name in entity.parents],
    }


def entity_in(body: PolicyEntityIn) -> Entity:
    """Read an entity."""
    return Entity(body.type, body.id, body.attributes, tuple((one.type, one.id) for one in body.parents))
