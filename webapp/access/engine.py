"""The decision engine: Cedar policies, compiled once and asked many times; the only importer of cedarpy.

    compiled = compile_policies(text, schema_text)          # PoliciesRefused names every finding with line and column
    facts = compiled.facts(entities)                        # Cedar's JSON entities; FactsRefused
    outcome = compiled.decide(Uid("User", "ann"), Uid("Action", "read"), Uid("Doc", "7"), {}, facts)

Bare Cedar looks at every policy of a set. Here a request meets only the policies whose scope can apply to it (by
action, by principal and resource, their kinds and the groups that they stand in), so that a decision costs the same
with 50 and with 1,000 policies; what is left out could neither decide nor fail, as its scope is false.
"""

import functools
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from webapp.access import policy_text, reading
from webapp.access.policy_text import Chunk, Finding
from webapp.access.reading import PoliciesRefused, Policy
from webapp.access.scopes import Axis, Facts, Uid, named
from webapp.kernel.errors import N_, DomainError

MAX_ENTITIES = 20_000
KEPT_SELECTIONS = 512
"""So many different selections of policies are kept ready for each compiled set."""


@functools.cache
def _cedar() -> ModuleType:
    import cedarpy  # noqa: PLC0415 - 40 ms that only processes that decide pay

    return cedarpy


class FactsRefused(DomainError):
    """Entities that cannot be read, or that the schema does not allow."""

    code = "entities_refused"
    title = N_("These entities cannot be accepted")
    message = N_("The entities cannot be used: %(reason)s")


@dataclass(frozen=True, slots=True)
class Outcome:
    """Permit or deny, the ids of the policies that decided, what failed, and what it took.

    A denial without policies means that nothing permitted it. `errors` also tell why a request could not be asked.
    """

    permit: bool
    policies: tuple[str, ...]
    errors: tuple[str, ...]
    microseconds: int


@dataclass(frozen=True, slots=True)
class Request:
    """One question of many: whether the principal may do the action on the resource, in this context."""

    principal: Uid
    action: Uid
    resource: Uid
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Missing:
    """A condition that did not hold for a policy that would have permitted."""

    policy: str
    condition: str


@dataclass(frozen=True, slots=True)
class _Selection:
    """The policies that can apply to a kind of request, parsed, with their numbers in the whole set."""

    handle: Any
    numbers: tuple[int, ...]


class Compiled:
    """A set of policies, ready to be asked; safe to share between threads."""

    def __init__(self, chunks: Sequence[Chunk], policies: Sequence[Policy], heads: Sequence[Any], schema: Any) -> None:
        self.policies = tuple(policies)
        self._texts = [chunk.text for chunk in chunks]
        self._chunks = tuple(chunks)
        self._schema = schema
        self._by_id = {policy.id: number for number, policy in enumerate(self.policies)}
        self._principals, self._actions, self._resources = Axis(), Axis(), Axis()
        for number, head in enumerate(heads):
            self._principals.add(number, head.principal)
            self._actions.add(number, head.action)
            self._resources.add(number, head.resource)
        self._kept: OrderedDict[Any, _Selection] = OrderedDict()
        self._lock = threading.Lock()
        self.nothing = self.facts([])

    def policy(self, policy_id: str) -> Policy | None:
        """Return one policy by its id."""
        number = self._by_id.get(policy_id)
        return None if number is None else self.policies[number]

    def facts(self, entities: Iterable[Mapping[str, Any]]) -> Facts:
        """Read entities (Cedar's JSON form: uid, attrs, parents, tags); raises FactsRefused with the reason."""
        listed = list(entities)
        if len(listed) > MAX_ENTITIES:
            reason = f"{len(listed)} entities were given, and at most {MAX_ENTITIES} are accepted"
            raise FactsRefused(reason=reason)
        try:
            parents = {named(entity["uid"]): tuple(map(named, entity.get("parents", ()))) for entity in listed}
            handle = _cedar().Entities.from_json_str(json.dumps(listed), self._schema)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FactsRefused(reason=str(error)[:500]) from error
        if self._schema is not None:
            parents |= self._action_groups
        return Facts(handle, parents)

    @functools.cached_property
    def _action_groups(self) -> dict[Uid, tuple[Uid, ...]]:
        """Return what each action of the schema stands in; the engine adds actions to every set of entities."""
        declared = json.loads(str(_cedar().Entities.from_json_str("[]", self._schema)))
        return {named(entity["uid"]): tuple(map(named, entity.get("parents", ()))) for entity in declared}

    def decide(
        self,
        principal: Uid,
        action: Uid,
        resource: Uid,
        context: Mapping[str, Any] | None = None,
        facts: Facts | None = None,
    ) -> Outcome:
        """Decide one request; what cannot be asked (an action that the schema does not know) is denied with errors."""
        began = perf_counter_ns()
        around = facts or self.nothing
        selection = self._select(principal, action, resource, around)
        result = _cedar().is_authorized(
            _asked(principal, action, resource, context), selection.handle, around.handle, self._schema
        )
        return self._outcome(result, selection, began)

    def decide_many(self, requests: Sequence[Request], facts: Facts | None = None) -> list[Outcome]:
        """Decide many requests about the same facts, in their order; the time of a group is shared out evenly."""
        around = facts or self.nothing
        groups: dict[int, tuple[_Selection, list[int]]] = {}
        began = perf_counter_ns()
        for number, one in enumerate(requests):
            selection = self._select(one.principal, one.action, one.resource, around)
            groups.setdefault(id(selection), (selection, []))[1].append(number)
        outcomes: list[Outcome | None] = [None] * len(requests)
        for selection, numbers in groups.values():
            asked = [
                _asked(one.principal, one.action, one.resource, one.context)
                for one in map(requests.__getitem__, numbers)
            ]
            results = _cedar().is_authorized_batch(asked, selection.handle, around.handle, self._schema)
            now = perf_counter_ns()
            share = now - (now - began) // len(numbers)
            for number, result in zip(numbers, results, strict=True):
                outcomes[number] = self._outcome(result, selection, share, now)
            began = now
        return [outcome for outcome in outcomes if outcome is not None]

    def applicable(self, principal: Uid, action: Uid, resource: Uid, facts: Facts | None = None) -> list[Policy]:
        """Return the policies whose scope can apply to a request, whatever their conditions say."""
        numbers = self._select(principal, action, resource, facts or self.nothing).numbers
        return [self.policies[number] for number in numbers]

    def named(self, principal: Uid, action: Uid, kind: str, facts: Facts | None = None) -> frozenset[Uid]:
        """Return the things of a kind that are named by the scopes of policies which can apply to principal and action.

        About every other thing of the kind the policies say the same.
        """
        around = facts or self.nothing
        numbers = self._actions.matching(self._actions.keys(action, around))
        numbers &= self._principals.matching(self._principals.keys(principal, around))
        return frozenset(uid for uid, which in self._resources.naming(kind) if which & numbers)

    def failed_forbids(self, outcome: Outcome) -> dict[str, str]:
        """Return the policies that forbid and could not be evaluated, each with its error: the engine skips them.

        What they would withhold must not be given because of that.
        """
        told = {error.partition("policy `")[2].partition("`")[0]: error for error in outcome.errors}
        known = {name: self.policy(name) for name in told}
        return {name: told[name] for name, policy in known.items() if policy is None or policy.effect != "permit"}

    def missing(
        self,
        principal: Uid,
        action: Uid,
        resource: Uid,
        context: Mapping[str, Any] | None = None,
        facts: Facts | None = None,
    ) -> list[Missing]:
        """Return the first condition of each clause that kept a policy whose scope applies from permitting."""
        found = []
        for policy in self.applicable(principal, action, resource, facts):
            if policy.effect != "permit":
                continue
            for word, conditions in self._chunks[self._by_id[policy.id]].clauses():
                held = (self._holds(one, principal, action, resource, context, facts) for one in conditions)
                unmet = next(((one, holds) for one, holds in zip(conditions, held, strict=True) if not holds), None)
                if word == "when" and unmet:
                    found.append(Missing(policy.id, unmet[0]))
                elif word == "unless" and (unmet is None or unmet[1] is None):
                    found.append(Missing(policy.id, f"!({' && '.join(conditions)})"))
        return found

    def _holds(
        self,
        condition: str,
        principal: Uid,
        action: Uid,
        resource: Uid,
        context: Mapping[str, Any] | None,
        facts: Facts | None,
    ) -> bool | None:
        """Tell whether a condition holds by itself; None when it cannot be worked out."""
        probe = _cedar().PolicySet.from_str(f"permit (principal, action, resource) when {{ {condition} }};")
        asked = _asked(principal, action, resource, context)
        told = _cedar().is_authorized(asked, probe, (facts or self.nothing).handle, self._schema)
        return None if told.diagnostics.errors else told.allowed

    def _select(self, principal: Uid, action: Uid, resource: Uid, facts: Facts) -> _Selection:
        key = (
            self._principals.keys(principal, facts),
            self._actions.keys(action, facts),
            self._resources.keys(resource, facts),
        )
        found = self._kept.get(key)
        return found if found is not None else self._make(key)

    def _make(self, key: tuple[Any, ...]) -> _Selection:
        by_principal, by_action, by_resource = key
        numbers = tuple(
            sorted(
                self._actions.matching(by_action)
                & self._principals.matching(by_principal)
                & self._resources.matching(by_resource)
            )
        )
        handle = _cedar().PolicySet.from_str("\n".join(self._texts[number] for number in numbers))
        if len(handle) != len(numbers):
            raise AssertionError("a selection of policies was read as another number of policies")
        made = _Selection(handle, numbers)
        with self._lock:
            while len(self._kept) >= KEPT_SELECTIONS:
                self._kept.popitem(last=False)
            self._kept[key] = made
        return made

    def _outcome(self, result: Any, selection: _Selection, began: int, now: int | None = None) -> Outcome:
        told = result.diagnostics
        numbers = sorted(selection.numbers[_number(reason)] for reason in told.reasons)
        return Outcome(
            permit=result.allowed,
            policies=tuple(self.policies[number].id for number in numbers),
            errors=tuple(sorted(self._named_errors(told.errors, selection))) if told.errors else (),
            microseconds=((now or perf_counter_ns()) - began) // 1000,
        )

    def _named_errors(self, errors: Sequence[str], selection: _Selection) -> Iterable[str]:
        """Return the engine's messages with our ids in place of its numbers."""
        for message in errors:
            head, tick, rest = message.partition("policy `policy")
            number, _tick, tail = rest.partition("`")
            if tick and number.isdigit() and int(number) < len(selection.numbers):
                yield f"{head}policy `{self.policies[selection.numbers[int(number)]].id}`{tail}"
            else:
                yield message


def _number(reason: str) -> int:
    return int(reason.removeprefix("policy"))


def _asked(principal: Uid, action: Uid, resource: Uid, context: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        "principal": {"type": principal.type, "id": principal.id},
        "action": {"type": action.type, "id": action.id},
        "resource": {"type": resource.type, "id": resource.id},
        "context": json.dumps(context) if context else "{}",
    }


def compile_policies(
    policies: str | Iterable[tuple[str, str]], schema_text: str | None = None, *, validated: bool = True
) -> Compiled:
    """Compile policies (one text, or parts as id and text) for a schema; raises PoliciesRefused with every finding.

    A policy is known by its @id; without one it is its number in the text, or its part's id (and number).
    `validated=False` spares the check against the schema for what passed it before; requests are checked all the same.
    """
    schema = reading.schema(_cedar(), schema_text)
    parts = [("", policies)] if isinstance(policies, str) else list(policies)
    chunks: list[Chunk] = []
    known: list[Policy] = []
    heads: list[Any] = []
    findings: list[Finding] = []
    taken: set[str] = set()
    for name, source in parts:
        read, wrong = reading.read(_cedar(), source)
        if wrong:
            findings += wrong
            continue
        tops = reading.heads(_cedar(), read)
        for number, (chunk, head) in enumerate(zip(read, tops, strict=True)):
            policy = reading.policy_of(chunk, head, reading.given_id(name, number, len(read)))
            if policy.id in taken:
                message = N_("Another policy has the id %(id)s already.")
                findings.append(Finding(policy.line, 1, message, {"id": policy.id}, policy.id))
            if "?" in {token.text[0] for token in chunk.tokens}:
                message = N_("A template cannot be used here: write the person or the thing in place of the slot.")
                findings.append(Finding(policy.line, 1, message, {}, policy.id))
            taken.add(policy.id)
            known.append(policy)
        chunks += read
        heads += tops
    if not findings and len(chunks) > policy_text.MAX_POLICIES:
        findings.append(reading.too_many(len(chunks)))
    if not findings and schema is not None and validated:
        findings = reading.validate(_cedar(), chunks, known, schema)
    if findings:
        raise PoliciesRefused(findings)
    return Compiled(chunks, known, heads, schema)


def findings_of(policies: str, schema_text: str | None = None) -> tuple[Finding, ...]:
    """Return what is wrong with policies, or nothing; raises PoliciesRefused for a schema that does not hold."""
    try:
        compile_policies(policies, schema_text)
    except PoliciesRefused as refused:
        if refused.where == "schema":
            raise
        return refused.findings
    return ()
