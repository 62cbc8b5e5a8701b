"""Policies and schemas read from text, with every finding at its line and column.

The engine's module is handed in, as only `engine` imports it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

from webapp.access import policy_text
from webapp.access.policy_text import Chunk, Finding
from webapp.kernel.errors import N_, DomainError, FieldError

MAX_FINDINGS = 50
ENGINE_SAYS = N_("This cannot be read: %(reason)s")


class PoliciesRefused(DomainError):
    """Policies or a schema that do not hold; `findings` say what is wrong at which line and column."""

    code = "policies_refused"
    title = N_("These policies cannot be accepted")
    message = N_("Correct what is marked; nothing was changed.")

    def __init__(self, findings: Sequence[Finding], *, where: str = "policies") -> None:
        self.findings, self.where = tuple(findings), where
        errors = tuple(
            FieldError(f"{where}/{found.line}", "policy", found.message, dict(found.params)) for found in self.findings
        )
        super().__init__(errors=errors)


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy: its id (@id, or its number), effect, annotations and text with the line where it begins."""

    id: str
    effect: str
    annotations: Mapping[str, str]
    text: str
    line: int


def read(cedar: ModuleType, source: str) -> tuple[list[Chunk], list[Finding]]:
    """Part a text into policies and let the engine read each; nothing too large or too deep reaches it."""
    large = policy_text.too_large(source)
    if large:
        return [], [large]
    found = policy_text.chunks(source)
    if len(found) > policy_text.MAX_POLICIES:
        return [], [too_many(len(found))]
    findings = [finding for chunk in found if (finding := policy_text.pathological(chunk))]
    if findings:
        return [], findings[:MAX_FINDINGS]
    if not _refusal(cedar, source):
        return found, []
    for chunk in found:
        message = _refusal(cedar, chunk.text)
        if message:
            line, column = policy_text.locate(source, chunk.tokens, message, partial(_refusal, cedar))
            findings.append(Finding(line, column, ENGINE_SAYS, {"reason": message}))
        if len(findings) == MAX_FINDINGS:
            break
    return [], findings or [Finding(1, 1, ENGINE_SAYS, {"reason": _refusal(cedar, source)})]


def _refusal(cedar: ModuleType, source: str) -> str:
    """Return why the engine cannot read a text of policies, or nothing."""
    try:
        cedar.PolicySet.from_str(source)
    except ValueError as error:
        return str(error)
    return ""


def heads(cedar: ModuleType, read: Sequence[Chunk]) -> list[Any]:
    """Return effect, annotations and scope of each policy as the engine's own nodes."""
    nodes = cedar.policies_to_pst("\n".join(chunk.head for chunk in read))
    found = {**nodes.static_policies, **nodes.templates}
    return [found[f"policy{number}"] for number in range(len(read))]


def given_id(name: str, number: int, count: int) -> str:
    """Return what a policy without an @id is called: its number, or its part's name."""
    if not name:
        return f"policy{number}"
    return name if count == 1 else f"{name}#{number}"


def policy_of(chunk: Chunk, head: Any, given: str) -> Policy:
    """Describe one policy by its text and its head."""
    annotations = dict(head.annotations)
    line, _column = policy_text.place(chunk.source, chunk.tokens[0].at)
    return Policy(annotations.get("id") or given, head.effect, annotations, chunk.text, line)


def too_many(count: int) -> Finding:
    """Refuse a set with more policies than a set may have."""
    message = N_("There are %(count)d policies; at most %(most)d are accepted.")
    return Finding(0, 0, message, {"count": count, "most": policy_text.MAX_POLICIES})


def schema(cedar: ModuleType, text: str | None) -> Any:
    """Read a schema; raises PoliciesRefused with the place."""
    if text is None:
        return None
    large = policy_text.schema_too_large(text)
    if large:
        raise PoliciesRefused([large], where="schema")
    message = _schema_refusal(cedar, text)
    if message:
        line, column = policy_text.locate(text, policy_text.tokens(text), message, partial(_schema_refusal, cedar))
        raise PoliciesRefused([Finding(line, column, ENGINE_SAYS, {"reason": message})], where="schema")
    return cedar.Schema.from_str(text)


def _schema_refusal(cedar: ModuleType, text: str) -> str:
    try:
        cedar.Schema.from_str(text)
    except ValueError as error:
        return str(error)
    return ""


def validate(cedar: ModuleType, chunks: Sequence[Chunk], known: Sequence[Policy], schema: Any) -> list[Finding]:
    """Return what the schema does not allow, at the name that the engine's message speaks of."""
    result = cedar.validate_policies("\n".join(chunk.text for chunk in chunks), schema)
    findings = []
    for error in result.errors[:MAX_FINDINGS]:
        number = int(error.policy_id.removeprefix("policy"))
        chunk, told = chunks[number], error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        line, column = policy_text.locate(chunk.source, chunk.tokens, told, lambda _text: "")
        findings.append(Finding(line, column, ENGINE_SAYS, {"reason": told}, known[number].id))
    return findings
