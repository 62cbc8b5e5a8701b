"""A store that is ready to decide: one version's policies over the entities, asked many times by this process.

A decision follows from the store's revision and the request alone (policies see no clock and no random number), so
equal requests are answered from memory until the revision changes.
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from tenants.office.policies.rules import Answer, Code, Entity, Party, Question
from tenants.office.policies.shape import Misfit, Shape, fit, read_shape
from webapp.access.engine import Compiled, FactsRefused, Outcome, Request, compile_policies
from webapp.access.scopes import Facts, Uid, named

ANSWERS_KEPT = 50_000
BATCH = 200
"""So many requests are given to the engine at once."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question in the engine's words; `said` are properties that come on top of what the store knows."""

    request: Request
    said: Mapping[Uid, Mapping[str, Any]]


class Point:
    """One version of one store, compiled, with its entities; safe to share between threads."""

    def __init__(
        self, *, schema: str, policies: str, entities: Iterable[Entity], compiled: Compiled | None = None
    ) -> None:
        self.compiled = compiled or compile_policies(policies, schema)
        self.shape: Shape = read_shape(schema)
        self._known: dict[Uid, Mapping[str, Any]] = {
            Uid(entity.type, entity.id): cedar_entity(entity, self.shape) for entity in entities
        }
        self._facts = self.compiled.facts(self._known.values())
        self._near: dict[Uid, tuple[Uid, ...]] = {}
        self._answers: OrderedDict[Any, Answer] = OrderedDict()
        self._lock = threading.Lock()
        self.hits = self.misses = 0

    def decide(self, question: Question) -> Answer:
        """Decide one question; what cannot be asked is denied with the reason."""
        began = perf_counter_ns()
        asked = self._ask(question)
        if isinstance(asked, Answer):
            return asked
        key = _key(asked)
        kept = self._answers.get(key)
        if kept is not None:
            self.hits += 1
            return Answer(kept.permit, kept.code, kept.policies, kept.detail, (perf_counter_ns() - began) // 1000)
        self.misses += 1
        answer = self._decide(asked)
        self._keep(key, answer)
        return Answer(answer.permit, answer.code, answer.policies, answer.detail, (perf_counter_ns() - began) // 1000)

    def decide_many(self, questions: Sequence[Question], *, keep: bool = True) -> list[Answer]:
        """Decide many questions, in their order."""
        answers: list[Answer | None] = [None] * len(questions)
        plain: dict[Any, tuple[_Asked, list[int]]] = {}
        for number, question in enumerate(questions):
            began = perf_counter_ns()
            asked = self._ask(question)
            if isinstance(asked, Answer):
                answers[number] = asked
                continue
            key = _key(asked)
            kept = self._answers.get(key)
            if kept is not None:
                took = (perf_counter_ns() - began) // 1000
                answers[number] = Answer(kept.permit, kept.code, kept.policies, kept.detail, took)
                continue
            plain.setdefault(key, (asked, []))[1].append(number)
        open_ones = list(plain.items())
        for at in range(0, len(open_ones), BATCH):
            part = open_ones[at : at + BATCH]
            for (key, (_asked, numbers)), answer in zip(
                part, self._decide_part([one[1][0] for one in part]), strict=True
            ):
                if keep:
                    self._keep(key, answer)
                for number in numbers:
                    answers[number] = answer
        return [answer for answer in answers if answer is not None]

    def names(self, kind: str) -> list[str]:
        """Return the ids of the known entities of one type, in order; an enumeration's are its choices."""
        resolved = self.shape.kind(kind)
        if resolved is None:
            return []
        choices = self.shape.entities[resolved].choices
        return sorted(choices or (uid.id for uid in self._known if uid.type == resolved))

    def verbs(self, subject: str, resource: str) -> list[str]:
        """Return the names of the actions that a subject and a resource of these types can be asked about."""
        subject_type, resource_type = self.shape.kind(subject), self.shape.kind(resource)
        return sorted(
            uid.id
            for uid, action in self.shape.actions.items()
            if subject_type in action.principals
            and resource_type in action.resources
            and self.shape.verb(uid.id) == uid
        )

    def missing(self, question: Question) -> list[tuple[str, str]]:
        """Return (policy, condition) for each policy that would have permitted if its condition held."""
        asked = self._ask(question)
        if isinstance(asked, Answer):
            return []
        try:
            facts = self._around(asked)
        except FactsRefused:
            return []
        one = asked.request
        found = self.compiled.missing(one.principal, one.action, one.resource, one.context, facts)
        return [(missed.policy, missed.condition) for missed in found]

    def _ask(self, question: Question) -> _Asked | Answer:
        """Put a question into the engine's words, or answer why it cannot be."""
        shape = self.shape
        action = shape.verb(question.action)
        if action is None:
            return Answer(False, Code.UNKNOWN_ACTION, detail=question.action)
        applies = shape.actions[action]
        parties = []
        for party, kinds in ((question.subject, applies.principals), (question.resource, applies.resources)):
            kind = shape.kind(party.type)
            if kind is None or kind not in kinds:
                return Answer(False, Code.UNKNOWN_TYPE, detail=party.type)
            parties.append(Uid(kind, party.id))
        context: Mapping[str, Any] = {}
        said: dict[Uid, Mapping[str, Any]] = {}
        try:
            if applies.context.fields:
                # The engine's actions carry nothing, so what a request says of its action stands in the context.
                told = {**question.context, "action": dict(question.action_properties)}
                context = fit(told, applies.context, "context")
            for uid, party in zip(parties, (question.subject, question.resource), strict=True):
                if party.properties:
                    carried = self._said(uid, party)
                    if carried:
                        said[uid] = {**said.get(uid, {}), **carried}
        except Misfit as misfit:
            return Answer(False, Code.PROPERTY, detail=str(misfit))
        return _Asked(Request(parties[0], action, parties[1], context), said)

    def _said(self, uid: Uid, party: Party) -> dict[str, Any]:
        """Return the properties that the schema knows and that are not what the store knows already."""
        wanted = self.shape.entities[uid.type]
        fitted: dict[str, Any] = fit(dict(party.properties), wanted.attributes, "properties", partial=True)
        known = self._known.get(uid)
        attributes = known["attrs"] if known else {}
        return {name: value for name, value in fitted.items() if attributes.get(name, self) != value}

    def _decide(self, asked: _Asked) -> Answer:
        one = asked.request
        try:
            facts = self._around(asked)
        except FactsRefused:
            return Answer(False, Code.PROPERTY, detail="a value is missing or is none of its type")
        outcome = self.compiled.decide(one.principal, one.action, one.resource, one.context, facts)
        return self._answer(outcome)

    def _decide_part(self, part: Sequence[_Asked]) -> list[Answer]:
        plain = [number for number, asked in enumerate(part) if not asked.said]
        found: dict[int, Answer] = {}
        if plain:
            outcomes = self.compiled.decide_many([part[number].request for number in plain], self._facts)
            found = {number: self._answer(outcome) for number, outcome in zip(plain, outcomes, strict=True)}
        return [found[number] if number in found else self._decide(asked) for number, asked in enumerate(part)]

    def _around(self, asked: _Asked) -> Facts:
        """Return the entities that matter: all, or those near the parties with what the request said on top."""
        if not asked.said:
            return self._facts
        reached: dict[Uid, None] = {}
        wave = [asked.request.principal, asked.request.resource, *_referred(asked.request.context)]
        for said in asked.said.values():
            wave += _referred(said)
        while wave:
            uid = wave.pop()
            if uid not in reached:
                reached[uid] = None
                wave += self._neighbours(uid)
        entities = []
        for uid in reached:
            known, said = self._known.get(uid), asked.said.get(uid)
            if said is not None:
                base = known or {"uid": {"type": uid.type, "id": uid.id}, "attrs": {}, "parents": []}
                entities.append({**base, "attrs": {**base["attrs"], **said}})
            elif known is not None:
                entities.append(dict(known))
        return self.compiled.facts(entities)

    def _neighbours(self, uid: Uid) -> tuple[Uid, ...]:
        found = self._near.get(uid)
        if found is None:
            known = self._known.get(uid)
            found = () if known is None else (*map(named, known["parents"]), *_referred(known["attrs"]))
            self._near[uid] = found
        return found

    def _answer(self, outcome: Outcome) -> Answer:
        if outcome.errors and outcome.permit:
            failed = self.compiled.failed_forbids(outcome)
            if failed:
                return Answer(False, Code.POLICY_FAILED, (), min(failed.values())[:500], outcome.microseconds)
        detail = ", ".join(outcome.policies)
        if outcome.permit:
            return Answer(True, Code.PERMITTED, outcome.policies, detail, outcome.microseconds)
        if outcome.policies:
            return Answer(False, Code.FORBIDDEN, outcome.policies, detail, outcome.microseconds)
        return Answer(False, Code.NOT_PERMITTED, (), "", outcome.microseconds)

    def _keep(self, key: Any, answer: Answer) -> None:
        with self._lock:
            if len(self._answers) >= ANSWERS_KEPT:
                self._answers.popitem(last=False)
            self._answers[key] = answer


def cedar_entity(entity: Entity, shape: Shape) -> dict[str, Any]:
    """Write an entity as the engine reads it; raises Misfit with the attribute that the schema does not allow."""
    wanted = shape.entities.get(entity.type)
    if wanted is None:
        raise Misfit("type", "a type that the schema knows")
    for parent_type, _parent_id in entity.parents:
        if parent_type not in wanted.parents:
            raise Misfit("parents", f"of a type that a {entity.type} may stand in")
    return {
        "uid": {"type": entity.type, "id": entity.id},
        "attrs": fit(dict(entity.attributes), wanted.attributes, "attributes", strict=True),
        "parents": [{"type": kind, "id": name} for kind, name in entity.parents],
    }


def _referred(value: Any) -> list[Uid]:
    """Return the entities that a value refers to, however deep (fitted values are as deep as the schema)."""
    if isinstance(value, dict):
        if "__entity" in value:
            return [named(value)]
        return [uid for inner in value.values() for uid in _referred(inner)]
    if isinstance(value, list):
        return [uid for inner in value for uid in _referred(inner)]
    return []


def _key(asked: _Asked) -> Any:
    one = asked.request
    told = json.dumps([one.context, list(asked.said.items())], sort_keys=True) if one.context or asked.said else ""
    return one.principal, one.action, one.resource, told
