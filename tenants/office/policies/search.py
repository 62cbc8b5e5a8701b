"""Who may, on what, and what may be done: searches through the known entities (AuthZEN 1.0, Search APIs)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from tenants.office.policies.point import Point
from tenants.office.policies.rules import Party, Question

TRIED_MAX = 5_000
"""So many candidates are tried for one page; a page that ends there names where the next one goes on."""
AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Found:
    """One page of results, in the order of their names, and the name after which the next page goes on, if any."""

    names: tuple[str, ...]
    goes_on_after: str | None


def search(point: Point, question: Question, searched: str, *, after: str = "", limit: int = 200) -> Found:
    """Return who or what the question is permitted for, tried one candidate after the other."""
    if searched == "action":
        candidates = point.verbs(question.subject.type, question.resource.type)
    else:
        candidates = point.names(getattr(question, searched).type)
    left = [name for name in candidates if name > after] if after else candidates
    found: list[str] = []
    tried, last = 0, after
    for some in _parts(left[:TRIED_MAX]):
        answers = point.decide_many([_with(question, searched, name) for name in some], keep=False)
        for name, answer in zip(some, answers, strict=True):
            if answer.permit and len(found) == limit:
                return Found(tuple(found), last)
            tried, last = tried + 1, name
            if answer.permit:
                found.append(name)
    return Found(tuple(found), last if len(left) > tried else None)


def _parts(names: list[str]) -> Iterator[list[str]]:
    rest = iter(names)
    while some := list(islice(rest, AT_ONCE)):
        yield some


def _with(question: Question, searched: str, name: str) -> Question:
    if searched == "action":
        return replace(question, action=name)
    party = getattr(question, searched)
    asked = Party(party.type, name)
    return replace(question, subject=asked) if searched == "subject" else replace(question, resource=asked)
