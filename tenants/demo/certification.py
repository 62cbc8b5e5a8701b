"""The fixture of the OpenID AuthZEN 1.0 certification scenario as a policy store, for anybody's harness.

Facts from openid/authzen, certification/authorization-api-1_0-scenario.md (2026): Alice reads and writes active records
and deletes softly; Bob, an administrator, reads records and writes archived ones alone.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from tenants.office.policies.commands import StoreSettings, create_store
from tenants.office.policies.entities import change_entities
from tenants.office.policies.queries import store
from tenants.office.policies.rules import Entity
from tenants.office.policies.versions import activate, save_draft
from webapp.kernel.actor import Actor

SLUG, NAME = "certification", "AuthZEN certification"
SCHEMA = """\
// The parties and actions of the AuthZEN 1.0 certification scenario.
entity team;
entity user in [team] { role?: String };
entity record { status?: String };

action read, write appliesTo { principal: user, resource: record };
// What a request says of its action stands in context.action.
action delete appliesTo {
  principal: user,
  resource: record,
  context: { action: { soft?: Bool } }
};
"""
POLICIES = """\
@id("readers-read")
permit (
  principal in team::"readers",
  action == Action::"read",
  resource is record
);

@id("editors-write-unless-archived")
permit (
  principal in team::"editors",
  action == Action::"write",
  resource is record
)
unless { resource has status && resource.status == "archived" };

@id("admins-write-archived")
permit (
  principal is user,
  action == Action::"write",
  resource is record
)
when { principal has role && principal.role == "admin" }
when { resource has status && resource.status == "archived" };

@id("editors-delete-softly")
permit (
  principal in team::"editors",
  action == Action::"delete",
  resource is record
)
when { context.action has soft && context.action.soft };
"""
ENTITIES = (
    Entity("team", "editors"),
    Entity("team", "readers"),
    Entity("user", "alice", {}, (("team", "editors"), ("team", "readers"))),
    Entity("user", "bob", {"role": "admin"}, (("team", "readers"),)),
    Entity("record", "record-1", {"status": "active"}),
    Entity("record", "record-2", {"status": "archived"}),
)


def ensure_certification(*, session: Session, actor: Actor, at: datetime, job_id: UUID) -> None:
    """Make the store unless it is there; the session is bound to the workspace."""
    if store(session=session, slug=SLUG) is not None:
        return
    create_store(session=session, actor=actor, at=at, slug=SLUG, settings=StoreSettings(NAME), job_id=job_id)
    draft = save_draft(
        session=session,
        actor=actor,
        at=at,
        slug=SLUG,
        schema=SCHEMA,
        policies=POLICIES,
        note="OpenID AuthZEN 1.0 certification scenario",
    )
    change_entities(session=session, actor=actor, at=at, slug=SLUG, put=ENTITIES)
    activate(session=session, actor=actor, at=at, slug=SLUG, number=draft.number)
