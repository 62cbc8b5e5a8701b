"""The OpenID AuthZEN 1.0 certification scenario, all seven sub-levels, with its fixture loaded over our own API.

Facts from openid/authzen, certification/authorization-api-1_0-scenario.md (2026); the section of each case is named.
"""

from typing import Any

import pytest

from tests.cast import Cast
from tests.tenants.office.policies.conftest import Store, make_store

ALICE, BOB = {"type": "user", "id": "alice"}, {"type": "user", "id": "bob"}
ADMIN = BOB | {"properties": {"role": "admin"}}
ONE, TWO = {"type": "record", "id": "record-1"}, {"type": "record", "id": "record-2"}
ACTIVE = ONE | {"properties": {"status": "active"}}
ARCHIVED = TWO | {"properties": {"status": "archived"}}
READ, WRITE = {"name": "read"}, {"name": "write"}
HERE = {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}


def asked(subject: Any, action: Any, resource: Any, **more: Any) -> dict[str, Any]:
    """Write an evaluation."""
    return {"subject": subject, "action": action, "resource": resource, **more}


def delete(soft: bool) -> dict[str, Any]:
    """Write the action that has a property."""
    return {"name": "delete", "properties": {"soft": soft}}


WITH_MORE = asked(
    ALICE | {"properties": {"department": "Sales", "role": "manager"}},
    READ | {"properties": {"method": "GET"}},
    ONE | {"properties": {"status": "active", "owner": "bob"}},
)
BASIC = [
    ("core 2.2.1", asked(ALICE, READ, ONE), True),
    ("core rule 2", asked(ALICE, WRITE, ONE), True),
    ("core rule 3", asked(BOB, READ, ONE), True),
    ("core 2.2.2", asked(BOB, WRITE, ONE), False),
    ("core 2.2.3", asked(ALICE, READ, ONE, context=HERE), True),
    ("properties 2.2.4", asked(ALICE, WRITE, ARCHIVED), False),
    ("properties 2.2.5", asked(ADMIN, WRITE, ARCHIVED), True),
    ("properties 2.2.6", asked(ALICE, delete(soft=True), ONE), True),
    ("properties 2.2.7", asked(ALICE, delete(soft=False), ONE), False),
    ("core 2.2.8", WITH_MORE, True),
    ("core 2.2.9", asked(ALICE, READ, ONE, foo="bar", futureField={"nested": True}), True),
]
REFUSED = [
    *({name: part for name, part in asked(ALICE, READ, ONE).items() if name != gone} for gone in asked(1, 2, 3)),
    asked({"id": "alice"}, READ, ONE),
    asked({"type": "user"}, READ, ONE),
    asked(ALICE, {}, ONE),
    asked(ALICE, READ, {"id": "record-1"}),
    asked(ALICE, READ, {"type": "record"}),
    asked("alice", READ, ONE),
    asked(ALICE, {"name": 123}, ONE),
]
BATCHES = [
    ("core 3.2.1", {"subject": ALICE, "action": READ, "evaluations": [{"resource": ONE}, {"resource": TWO}]}, None),
    (
        "core 3.2.2",
        {"subject": BOB, "resource": ONE, "evaluations": [{"action": READ}, {"action": WRITE}]},
        [True, False],
    ),
    (
        "properties 3.2.3",
        {"subject": ALICE, "action": WRITE, "evaluations": [{"resource": ACTIVE}, {"resource": ARCHIVED}]},
        [True, False],
    ),
    (
        "properties 3.2.4",
        {"action": WRITE, "resource": ARCHIVED, "evaluations": [{"subject": ALICE}, {"subject": ADMIN}]},
        [False, True],
    ),
    ("core 3.2.5", {"evaluations": [asked(ALICE, READ, ONE), asked(BOB, WRITE, ONE)]}, [True, False]),
    (
        "core 3.2.6",
        {
            "subject": ALICE,
            "action": READ,
            "context": {"time": HERE["time"]},
            "evaluations": [{"resource": ONE}, {"resource": TWO, "context": {"source": "batch-override"}}],
        },
        None,
    ),
    (
        "properties 3.2.7",
        asked(ALICE, WRITE, ACTIVE, evaluations=[{}, {"resource": ARCHIVED}]),
        [True, False],
    ),
    (
        "core 3.4.1",
        {
            "subject": ALICE,
            "action": READ,
            "options": {"evaluations_semantic": "execute_all"},
            "evaluations": [{"resource": ONE}, {}],
        },
        [True, False],
    ),
]
SOME_USER, SOME_RECORD = {"type": "user"}, {"type": "record"}
SEARCHES = [
    ("core 4.2.1", "subject", asked(SOME_USER, READ, ONE), {"alice", "bob"}),
    ("core 4.2.2", "subject", asked(SOME_USER, READ, ONE, context=HERE), {"alice", "bob"}),
    ("core 4.2.3", "subject", asked(ALICE, READ, ONE), {"alice", "bob"}),
    ("properties 4.2.4", "subject", asked(SOME_USER, WRITE, ARCHIVED), {"bob"}),
    ("core 4.3.1", "resource", asked(ALICE, READ, SOME_RECORD), {"record-1", "record-2"}),
    ("core 4.3.2", "resource", asked(ALICE, READ, SOME_RECORD, context=HERE), {"record-1", "record-2"}),
    ("core 4.3.3", "resource", asked(ALICE, READ, ONE), {"record-1", "record-2"}),
    ("properties 4.3.4", "resource", asked(ADMIN, WRITE, SOME_RECORD), {"record-2"}),
    ("core 4.4.1", "action", {"subject": ALICE, "resource": ONE}, {"read", "write"}),
    ("core 4.4.2", "action", {"subject": ALICE, "resource": ONE, "context": HERE}, {"read", "write"}),
    ("properties 4.4.3", "action", {"subject": ADMIN, "resource": ARCHIVED}, {"read", "write"}),
    ("core 4.6.1", "action", {"subject": {"type": "user", "id": "nonexistent-user"}, "resource": ONE}, set()),
    ("core 4.6.2", "subject", asked({"type": "spaceship"}, READ, ONE), set()),
    ("core 4.6.2", "resource", asked(ALICE, READ, {"type": "spaceship"}), set()),
]
SEARCHES_REFUSED = [
    ("subject", {"subject": SOME_USER, "resource": ONE}),
    ("resource", {"action": READ, "resource": SOME_RECORD}),
    ("action", {"subject": ALICE}),
    ("subject", asked(SOME_USER, READ, SOME_RECORD)),
    ("resource", asked(SOME_USER, READ, SOME_RECORD)),
    ("action", {"subject": SOME_USER, "resource": ONE}),
]


@pytest.fixture
def store(cast: Cast) -> Store:
    """Return the fixture of section 1, loaded over our own API."""
    return make_store(cast.alice)


def test_the_scenario_passes_at_its_levels_basic_batch_search_and_discovery(store: Store):
    _basic(store)
    _batch(store)
    _search(store)
    _pages(store)
    _discovery(store)


def _basic(store: Store) -> None:
    for case, body, expected in BASIC:
        for _again in range(2):  # 2.6: the same request has the same decision
            answer = store.ask("evaluation", body)
            assert (answer.status_code, answer.mimetype) == (200, "application/json"), case
            assert answer.json["decision"] is expected, case
            assert answer.json["context"]["reason"], case
    for body in REFUSED:
        assert store.ask("evaluation", body).status_code == 400, body
    for data in (b"", b"{", b"[]", b'"alice"', b'{"subject": NaN}'):
        assert store.ask("evaluation", data).status_code == 400, data
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert store.ask("evaluation", BASIC[0][1], **{"Content-Type": kind}).status_code == 400
    for number in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "any text / (of theirs)"):
        assert store.ask("evaluation", BASIC[0][1], **{"X-Request-ID": number}).headers["X-Request-ID"] == number
        assert store.ask("evaluation", b"{", **{"X-Request-ID": number}).headers["X-Request-ID"] == number
    assert store.ask("evaluation", BASIC[0][1]).headers["X-Request-ID"]


def _batch(store: Store) -> None:
    for case, body, expected in BATCHES:
        answer = store.ask("evaluations", body)
        assert answer.status_code == 200, case
        made = [one["decision"] for one in answer.json["evaluations"]]
        assert len(made) == len(body["evaluations"]), case
        assert all(isinstance(one, bool) for one in made), case
        assert expected is None or made == expected, case
        assert "decision" not in answer.json, case
    for more in ({}, {"evaluations": []}):  # 3.4.2 and 3.4.3
        assert store.ask("evaluations", asked(ALICE, READ, ONE, **more)).json["decision"] is True
    for semantic, expected in (("deny_on_first_deny", [True, False]), ("permit_on_first_permit", [True])):
        body = {"subject": BOB, "resource": ONE, "options": {"evaluations_semantic": semantic}}
        body["evaluations"] = [{"action": READ}, {"action": WRITE}, {"action": READ}]
        assert [one["decision"] for one in store.ask("evaluations", body).json["evaluations"]] == expected, semantic
    assert store.ask("evaluations", body | {"options": {"evaluations_semantic": "any"}}).status_code == 400
    assert store.ask("evaluations", body | {"evaluations": "all"}).status_code == 400
    assert store.ask("evaluations", body | {"subject": "bob"}).status_code == 400


def _search(store: Store) -> None:
    for case, searched, body, expected in SEARCHES:
        answer = store.ask(f"search/{searched}", body)
        assert answer.status_code == 200, case
        results = answer.json["results"]
        if searched != "action":
            assert {one["type"] for one in results} <= {body[searched]["type"]}, case
        assert {one["name" if searched == "action" else "id"] for one in results} == expected, case
    for searched, body in SEARCHES_REFUSED:
        assert store.ask(f"search/{searched}", body).status_code == 400, body


def _pages(store: Store) -> None:
    body = asked(SOME_USER, READ, ONE)
    first = store.ask("search/subject", body | {"page": {"limit": 1}}).json
    assert (first["results"], first["page"]["count"]) == ([ALICE], 1)
    token = {"page": {"token": first["page"]["next_token"]}}
    assert store.ask("search/subject", body | token).json == {"page": {"next_token": "", "count": 1}, "results": [BOB]}
    assert store.ask("search/subject", body | {"action": WRITE} | token).status_code == 400
    assert store.ask("search/subject", body | {"page": token["page"] | {"limit": 2}}).status_code == 400
    assert store.ask("search/resource", asked(ALICE, READ, SOME_RECORD) | token).status_code == 400
    assert store.ask("search/subject", body | {"page": {"limit": 9}}).json["page"]["next_token"] == ""
    assert "page" not in store.ask("search/subject", body).json


def _discovery(store: Store) -> None:
    client = store.person.app.test_client()
    answer = client.get(f"/.well-known/authzen-configuration{store.base}", base_url="https://pdp.example.org")
    assert (answer.status_code, answer.mimetype) == (200, "application/json")
    base = f"https://pdp.example.org{store.base}"
    assert answer.json["policy_decision_point"] == base
    assert answer.json["access_evaluation_endpoint"] == f"{base}/access/v1/evaluation"
    for name, address in answer.json.items():
        if name.endswith("_endpoint"):
            path = address.removeprefix(f"{base}/access/v1/")
            assert store.ask(path, b"{").status_code == 400, name  # it is there and wants another body
