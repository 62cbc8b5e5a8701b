"""The reserved store of a workspace: policies that decide over the workspace itself, beside its roles and grants.

Its schema is the product's, it has no entities of its own, and nothing but the guard asks it. Its policies never reach
owners (`Rulebook`) and widen no token. There is no row of it until somebody writes a draft or a setting.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.office.policies.journal import Journal, Line
from tenants.office.policies.rules import WORKSPACE, Answer, Code, Party, Question
from webapp.access.asker import Asker
from webapp.access.engine import Outcome
from webapp.access.guard import About, Decision, decide, product_rulebook
from webapp.access.permissions import PER_ACCOUNT, TELLS, Permission, Role
from webapp.access.policy_text import Finding
from webapp.access.product import with_own
from webapp.access.queries import Parts, own_policies
from webapp.access.reading import PoliciesRefused
from webapp.access.rulebook import HERE, Rulebook
from webapp.kernel.db import TenantRef, bind_platform, bind_tenant, bound_tenant, on_platform
from webapp.kernel.errors import N_
from webapp.tenancy import queries as tenancy
from webapp.tenancy.queries import TenantView

POLICIES_MAX = 1_000
"""So many policies of its own one workspace has; with roles and grants they are no more than one set may have."""
RECORDINGS_KEPT = 1_024
PERSON = "Person"
PERMISSIONS = frozenset(Permission)
_SAID = ("role", "own_roles", "scopes", "second_factor", "network", "at", "currency", "amount", "accounts")
_ACTIVE = text("""
    SELECT s.id, s.log_percent, coalesce(v.number, 0), coalesce(v.policies, '')
    FROM policy_store s LEFT JOIN policy_version v ON v.store_id = s.id AND v.state = 'active'
    WHERE s.slug = :slug
""")


@dataclass(frozen=True, slots=True)
class Recording:
    """Where the guard's decisions over a workspace are kept, and how many of a hundred."""

    store_id: int
    percent: int
    version: int


_recordings: OrderedDict[UUID, Recording] = OrderedDict()
_lock = threading.Lock()


def policies_of(session: Session, tenant_id: UUID) -> Parts:
    """Return the active policies of a workspace's reserved store; one of `webapp.access.queries.SOURCES`.

    It is asked once for each revision in each process, on a transaction bound to the platform, and notes by the way
    how decisions are to be recorded.
    """
    bind_tenant(session, TenantRef(tenant_id))
    try:
        row = session.execute(_ACTIVE, {"slug": WORKSPACE}).first()
    finally:
        bind_platform(session)
    with _lock:
        _recordings.pop(tenant_id, None)
        if row is not None:
            _recordings[tenant_id] = Recording(row[0], row[1], row[2])
        while len(_recordings) > RECORDINGS_KEPT:
            _recordings.popitem(last=False)
    return ((WORKSPACE, row[3]),) if row is not None and row[3] else ()


def recorder(journal: Journal, request_id: Callable[[], str]) -> Callable[[Decision, Asker, TenantView], None]:
    """Return the listener of the guard that puts its decisions into the log, where a workspace records them."""

    def hear(decision: Decision, asker: Asker, tenant: TenantView) -> None:
        kept = _recordings.get(tenant.id) if tenant.access_revision else None
        if kept is None or not kept.percent:
            return
        answer = answer_of(decision)
        question = question_of(decision.permission, asker, decision.about)
        journal.put(
            Line(
                tenant.ref,
                kept.store_id,
                UUID(decision.id),
                asker.at,
                kept.version,
                question,
                answer,
                asker.person_id,
                request_id(),
            ),
            percent=kept.percent,
        )

    return hear


def check(policies: str) -> None:
    """Check policies against the product's schema, and that their names are nobody else's; raises PoliciesRefused."""
    compiled = with_own(((WORKSPACE, policies),), validated=True)
    own = compiled.policies[len(product_rulebook().compiled.policies) :]
    if len(own) > POLICIES_MAX:
        message = N_("There are %(count)d policies; at most %(most)d are accepted.")
        raise PoliciesRefused([Finding(0, 0, message, {"count": len(own), "most": POLICIES_MAX})])
    # Roles, grants and policies without a name are called so: "own:night-desk", "workspace#2".
    taken = [one for one in own if {":", "#"} & set(one.annotations.get("id", ""))]
    if taken:
        message = N_("The name %(id)s is kept for what Comptoir names itself: leave out “:” and “#”.")
        raise PoliciesRefused([Finding(one.line, 1, message, {"id": one.id}, one.id) for one in taken])


class WorkspacePoint:
    """A version of the reserved store, ready to be tried: all that decides over the workspace, with these policies."""

    def __init__(self, session: Session, policies: str) -> None:
        tenant = bound_tenant(session)
        with on_platform(session):
            others = own_policies(session=session, tenant_id=tenant.id, without=policies_of)
            members = tenancy.members(session=session, tenant_id=tenant.id)
            found = tenancy.tenant_by_id(session=session, tenant_id=tenant.id)
        self._zone = found.time_zone if found is not None else "UTC"
        self._members = {str(one.person_id): (one.role, tuple(one.own_roles)) for one in members}
        compiled = with_own((*others, (WORKSPACE, policies)))
        self._book = Rulebook(compiled, is_own=True, for_owners=product_rulebook())

    def decide(self, question: Question) -> Answer:
        """Decide one question as the guard would; what cannot be asked is denied with the reason."""
        asked = self._ask(question)
        if isinstance(asked, Answer):
            return asked
        permission, asker, about = asked
        how: dict[str, Any] = {"asker": asker, "rulebook": self._book}
        if permission not in PER_ACCOUNT and permission not in TELLS:
            return answer_of(self._book.answer(permission, asker))
        if about == "all" or permission in TELLS:
            return answer_of(decide(permission, **how, extent=self._book.hindrance(permission, asker)))
        extent = (self._book.extent if asker.amount else self._book.reach)(permission, asker)
        if about is not None and not extent.covers(about):
            return answer_of(decide(permission, **how, extent=extent.beyond, is_elsewhere=not extent.is_empty))
        return answer_of(decide(permission, **how, extent=extent))

    def decide_many(self, questions: Sequence[Question], *, keep: bool = True) -> list[Answer]:
        """Decide many questions, in their order."""
        del keep
        return [self.decide(one) for one in questions]

    def missing(self, question: Question) -> list[tuple[str, str]]:
        """Return (policy, condition) for each policy that would have permitted if its condition held."""
        asked = self._ask(question)
        return [] if isinstance(asked, Answer) else [(m.policy, m.condition) for m in self._book.missing(*asked[:2])]

    def _ask(self, question: Question) -> tuple[Permission, Asker, About] | Answer:
        if question.action not in PERMISSIONS:
            return Answer(False, Code.UNKNOWN_ACTION, detail=question.action)
        for party, kind in ((question.subject, PERSON), (question.resource, HERE.type)):
            if party.type != kind:
                return Answer(False, Code.UNKNOWN_TYPE, detail=party.type)
        try:
            return Permission(question.action), self._asker(question), _about(question.resource.properties)
        except (ValueError, TypeError, AttributeError, KeyError, OverflowError):
            return Answer(False, Code.PROPERTY, detail=", ".join(_SAID))

    def _asker(self, question: Question) -> Asker:
        """Read who asks; what is not said is as the member is now, in the browser, one factor.

        Raises ValueError, TypeError, AttributeError, KeyError, OverflowError for what cannot be read.
        """
        said, context = question.subject.properties, question.context
        role, own_roles = self._members.get(question.subject.id, ("", ()))
        scopes, network = context.get("scopes"), str(context.get("network", ""))
        at = datetime.fromisoformat(context["at"]) if "at" in context else datetime.fromtimestamp(0, UTC)
        own_roles = tuple(said.get("own_roles", own_roles))
        texts = (*own_roles, *(scopes or ()), *([context["currency"]] if "amount" in context else ()))
        if not all(isinstance(one, str) for one in texts) or type(context.get("amount", 0)) is not int:
            raise TypeError
        if network:
            ip_address(network)
        return Asker(
            Role(said.get("role", role)),
            own_roles,
            UUID(question.subject.id),
            None if scopes is None else frozenset(scopes),
            context.get("second_factor") is True,
            network,
            at.astimezone(UTC),
            self._zone,
            (context["currency"], context["amount"]) if "amount" in context else None,
        )


def _about(said: Mapping[str, Any]) -> About:
    """Read which accounts it was about; raises ValueError, TypeError for what cannot be read."""
    told = said.get("accounts")
    if told is None or told == "all":
        return told
    if type(told) is not list or not all(type(one) is int for path in told for one in path):
        raise TypeError
    return tuple(tuple(path) for path in told)


def answer_of(decision: Decision | Outcome) -> Answer:
    """Write a decision of the guard as a store answers."""
    code = Code.PERMITTED if decision.permit else Code.FORBIDDEN if decision.policies else Code.NOT_PERMITTED
    return Answer(decision.permit, code, decision.policies, ", ".join(decision.policies), decision.microseconds)


def question_of(permission: Permission, asker: Asker, about: About = None) -> Question:
    """Write what the guard was asked so that it can be asked again."""
    properties: dict[str, Any] = {"role": asker.role.value}
    if asker.own_roles:
        properties["own_roles"] = list(asker.own_roles)
    # To the minute, so that equal requests of one minute are asked again once.
    at = asker.at.replace(second=0, microsecond=0).isoformat()
    context: Mapping[str, Any] = {"network": asker.network, "at": at}
    if asker.second_factor:
        context = {**context, "second_factor": True}
    if asker.scopes is not None:
        context = {**context, "scopes": sorted(asker.scopes)}
    if asker.amount is not None:
        context = {**context, "currency": asker.amount[0], "amount": asker.amount[1]}
    accounts = {} if about is None else {"accounts": about if about == "all" else [list(path) for path in about]}
    subject, resource = Party(PERSON, str(asker.person_id), properties), Party(HERE.type, HERE.id, accounts)
    return Question(subject, permission.value, resource, {}, context)
