"""Decisions beside bare cedarpy (handles, schema, 50 policies) in the same run, with 50 and with 1,000 policies."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from unittest.mock import patch

import cedarpy
from flask import g

from tenants.office.policies.journal import JOURNAL
from tests.bench.stage import Stage
from tests.bench.table import middle, percentile, show
from tests.cast import raise_curtain
from webapp.access import guard
from webapp.access.asker import Asker
from webapp.access.engine import Compiled, Facts, Request, Uid, compile_policies
from webapp.access.extent import Extent
from webapp.access.permissions import Permission, Role
from webapp.access.rulebook import TALLY
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY

ROUNDS = 15
EACH = 400
BATCH = 100
PAGES, WARM = 400, 40
OK = 200
SCHEMA = """
entity Role;
entity Person in [Role] { second_factor: Bool };
entity Site;
entity Invoice in [Site] { owner: Person, amount: Long };
entity Report in [Site];
action read, write, approve, remove appliesTo {
  principal: Person, resource: [Invoice, Report], context: { mfa: Bool, amount: Long, hour: Long }
};
"""
ACTIONS = ("read", "write", "approve", "remove")
ASKED = Request(
    Uid("Person", "ann"),
    Uid("Action", "approve"),
    Uid("Invoice", "7"),
    {"mfa": True, "amount": 900, "hour": 11},
)


def policies(count: int) -> str:
    """Return so many policies of a business: by role, action and kind, some by site or person, some forbidding."""
    made = []
    for number in range(count):
        action = ACTIONS[number % 4]
        if number % 10 == 9:
            scope = f'principal, action == Action::"{action}", resource in Site::"{number}"'
            made.append(f'@id("wall{number}") forbid ({scope}) unless {{ context.mfa }};')
        elif number % 10 == 8:
            scope = f'principal == Person::"p{number}", action, resource is Invoice'
            made.append(f'@id("grant{number}") permit ({scope}) when {{ context.amount < {number} }};')
        else:
            scope = f'principal in Role::"r{number % (count // 5)}", action == Action::"{action}", resource is Invoice'
            made.append(
                f'@id("role{number}") permit ({scope}) when {{ context.mfa && context.amount < {number * 100 + 1000}'
                " && context.hour >= 8 && context.hour < 18 };"
            )
    return "\n".join(made)


ENTITIES = [
    {
        "uid": {"type": "Person", "id": "ann"},
        "attrs": {"second_factor": True},
        "parents": [{"type": "Role", "id": "r2"}, {"type": "Role", "id": "r6"}],
    },
    {"uid": {"type": "Role", "id": "r2"}, "attrs": {}, "parents": []},
    {"uid": {"type": "Role", "id": "r6"}, "attrs": {}, "parents": []},
    {
        "uid": {"type": "Invoice", "id": "7"},
        "attrs": {"owner": {"__entity": {"type": "Person", "id": "ann"}}, "amount": 900},
        "parents": [{"type": "Site", "id": "9"}],
    },
    {"uid": {"type": "Site", "id": "9"}, "attrs": {}, "parents": []},
]


def bare(text: str) -> Callable[[], object]:
    """Return one decision of cedarpy alone, everything parsed beforehand."""
    schema = cedarpy.Schema.from_str(SCHEMA)
    handle = cedarpy.PolicySet.from_str(text)
    entities = cedarpy.Entities.from_json_str(json.dumps(ENTITIES), schema)
    request = {
        "principal": 'Person::"ann"',
        "action": 'Action::"approve"',
        "resource": 'Invoice::"7"',
        "context": dict(ASKED.context),
    }
    return lambda: cedarpy.is_authorized(request, handle, entities, schema)


def ours(compiled: Compiled, facts: Facts) -> Callable[[], object]:
    """Return one decision of the engine."""
    return lambda: compiled.decide(ASKED.principal, ASKED.action, ASKED.resource, ASKED.context, facts)


def batch(compiled: Compiled, facts: Facts) -> Callable[[], object]:
    """Return a batch of decisions, each with a context of its own."""
    requests = [
        Request(ASKED.principal, Uid("Action", ACTIONS[n % 4]), ASKED.resource, {**ASKED.context, "amount": n})
        for n in range(BATCH)
    ]
    return lambda: compiled.decide_many(requests, facts)


def microseconds(call: Callable[[], object], each: int) -> float:
    """Return what one call takes, as the mean of so many."""
    began = time.perf_counter()
    for _ in range(each):
        call()
    return (time.perf_counter() - began) / each * 1e6


def browse() -> None:
    """Let a member of each role look at every page a hundred times, as the guard of a process sees it."""
    pages = [one for one in Permission if one.value.endswith(":read")]
    for _ in range(100):
        for role in Role:
            for permission in pages:
                guard.decide(permission, asker=Asker(role, at=datetime.now(UTC)))


def measure_guard() -> None:
    """Measure what the guard adds to a request, in process, and how often it remembers."""
    guard.product_rulebook.cache_clear()
    before, remembered = TALLY.asked, TALLY.remembered
    browse()
    ratio = (TALLY.remembered - remembered) / (TALLY.asked - before)

    def one() -> object:
        return guard.decide(Permission.LEDGER_ENTRIES_READ, asker=Asker(Role.MEMBER, at=datetime.now(UTC)))

    taken = [microseconds(one, EACH) for _ in range(ROUNDS)]
    everything = [
        microseconds(lambda: guard.permitted(asker=Asker(Role.MEMBER, at=datetime.now(UTC))), EACH)
        for _ in range(ROUNDS)
    ]
    show(
        f"The guard of one request (medians of {ROUNDS} rounds); remembered on a browsing trace: {ratio:.1%}",
        ("what", "us", "us, slowest round"),
        [
            ("decide the page", f"{middle(taken):.1f}", f"{percentile(taken, 100):.1f}"),
            ("what the page may offer", f"{middle(everything):.1f}", f"{percentile(everything, 100):.1f}"),
        ],
    )


def let_in(_permission: Permission, **_about: bool) -> None:
    """Let in whoever asks, on every account."""
    g.extent = Extent(is_all=True)


def without_guard() -> ExitStack:
    """Let everybody in and offer everything, without asking the guard."""
    everything = frozenset(Permission)
    stack = ExitStack()
    stack.enter_context(patch("tenants.door.ask", let_in))
    for name in ("tenants.door.permitted", "webapp.access.door.permitted"):
        stack.enter_context(patch(name, lambda **_asker: everything))
    return stack


def measure_page(on: Stage) -> None:
    """Measure an ordinary page of a member with the guard and without it, in process, taking turns."""
    app = create_app(Settings.from_environ(on.environ(COMPTOIR_LOG_LEVEL="WARNING")))
    member = raise_curtain(app, on.owner).bob
    browser, path = member.browser(), f"/t/{member.workspace.slug if member.workspace else ''}/accounts"

    def milliseconds() -> float:
        began = time.perf_counter()
        answer = browser.get(path)
        if answer.status_code != OK:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        return (time.perf_counter() - began) * 1e3

    taken: dict[str, list[float]] = {"without the guard (floor)": [], "with the guard": []}
    for number in range(PAGES + WARM):
        for name, around in zip(taken, (without_guard, nullcontext), strict=True):
            with around():
                took = milliseconds()
            if number >= WARM:
                taken[name].append(took)
    app.extensions[JOURNAL].close()
    app.extensions[KEY].database.close()
    floor = next(iter(taken.values()))
    show(
        f"The page of accounts for a member ({PAGES} of each, in turns)",
        ("what", "median ms", "p95 ms", "p95 more"),
        [
            (
                name,
                f"{middle(values):.2f}",
                f"{percentile(values, 95):.2f}",
                f"{percentile(values, 95) - percentile(floor, 95):+.2f}",
            )
            for name, values in taken.items()
        ],
    )


def measure(on: Stage) -> None:
    """Measure and print; the cases take turns, so that a busy moment meets them all."""
    few, many = compile_policies(policies(50), SCHEMA), compile_policies(policies(1000), SCHEMA)
    few_facts, many_facts = few.facts(ENTITIES), many.facts(ENTITIES)
    calls = {
        "bare cedarpy, 50 policies (floor)": (bare(policies(50)), EACH),
        "engine, 50 policies": (ours(few, few_facts), EACH),
        "engine, 1,000 policies": (ours(many, many_facts), EACH),
        "bare cedarpy, 1,000 policies": (bare(policies(1000)), EACH // 10),
        f"engine, 1,000 policies, in batches of {BATCH}, each": (batch(many, many_facts), EACH // BATCH),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(ROUNDS):
        for name, (call, each) in calls.items():
            share = BATCH if "batches" in name else 1
            taken[name].append(microseconds(call, each) / share)
    floor = middle(next(iter(taken.values())))
    show(
        f"Decisions in process, schema on (medians of {ROUNDS} rounds)",
        ("what", "us", "us, slowest round", "decisions/s", "of the floor"),
        [
            (
                name,
                f"{middle(values):.1f}",
                f"{percentile(values, 100):.1f}",
                f"{1e6 / middle(values):,.0f}",
                f"{middle(values) / floor:.2f}x",
            )
            for name, values in taken.items()
        ],
    )
    measure_guard()
    measure_page(on)
