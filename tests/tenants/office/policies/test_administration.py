"""Policies in versions: drafted, tried, replayed, activated, rolled back, by page and by call."""

import io
import json
from typing import Any

from flask import Flask

from tenants.demo import certification
from tenants.office.policies.journal import JOURNAL
from tests.cast import Cast
from tests.tenants.office.policies.conftest import Store, make_store
from webapp.app import create_app
from webapp.settings import Settings
from webapp.web.state import KEY

ALICE = {"type": "user", "id": "alice"}
READ, ONE = {"name": "read"}, {"type": "record", "id": "record-1"}
ASKED = {"subject": ALICE, "action": READ, "resource": ONE}
FORBID = '@id("closed")\nforbid (principal, action == Action::"read", resource == record::"record-1");\n'
STRICTER = certification.POLICIES + FORBID


def test_a_draft_is_replayed_activated_in_every_process_and_rolled_back(cast: Cast, settings: Settings):
    store = make_store(cast.alice)
    other = create_app(settings)
    try:
        _replayed_and_activated(store, other)
    finally:
        other.extensions[JOURNAL].close()
        other.extensions[KEY].database.close()


def _replayed_and_activated(store: Store, other: Flask) -> None:
    for _again in range(3):
        assert _decided(store, other) == [True, True]
    for app in (store.person.app, other):
        app.extensions[JOURNAL].flush()
    log = store.api("GET", "/decisions?subject_id=alice").json["data"]
    assert (len(log), log[0]["decision"], log[0]["policies"]) == (6, True, ["readers-read"])
    assert store.api("GET", "/decisions?decision=false").json["data"] == []
    draft = store.draft(STRICTER, note="Closed").json
    assert (draft["number"], draft["state"], draft["changes"]) == (2, "draft", 1)
    replayed = store.api("POST", "/replay", json={}).json
    assert (replayed["asked"], replayed["newly_denied"], replayed["newly_permitted"]) == (6, 6, 0)
    assert {one["because"] for one in replayed["changed"]} == {"policies"}
    assert replayed["changed"][0]["policies"] == ["closed"]
    assert _decided(store, other) == [True, True], "a draft decides nothing"
    stale = store.api("POST", "/versions/2/activation", json={"changes": 9})
    assert (stale.status_code, stale.json["code"]) == (412, "stale")
    assert store.api("POST", "/versions/2/activation", json={"changes": 1}).status_code == 200
    assert _decided(store, other) == [False, False], "every process decides by the new version at the next request"
    assert store.api("POST", "/versions/2/activation", json={}).json["code"] == "nothing_to_activate"
    assert store.api("POST", "/rollback").json["number"] == 1
    assert _decided(store, other) == [True, True]
    states = [one["state"] for one in store.api("GET", "/versions").json["data"]]
    assert states == ["retired", "active"]
    put = [{"type": "user", "id": "alice", "attributes": {}, "parents": []}]
    assert store.api("POST", "/entities", json={"put": put}).status_code == 200
    assert _decided(store, other) == [False, False], "entities count at once too"


def _decided(store: Store, other: Flask) -> list[bool]:
    """Ask both processes."""
    person, app = store.person, store.person.app
    answers = []
    for one in (app, other):
        person.app = one
        answers.append(store.ask("evaluation", ASKED).json["decision"])
    person.app = app
    return answers


def test_what_is_wrong_is_refused_at_its_place_and_nothing_changes(store: Store):
    broken = certification.POLICIES + "permit (principal, action, resource) when { principal.nobody };\n"
    refused = store.draft(broken)
    line = broken.count("\n")
    assert (refused.status_code, refused.json["code"]) == (422, "policies_refused")
    assert refused.json["errors"][0]["pointer"] == f"/policies/{line}"
    assert store.draft("permit (principal, action, resource", certification.SCHEMA).status_code == 422
    assert (
        store.draft(certification.POLICIES, "entity user = { a: Strange };").json["errors"][0]["pointer"] == "/schema/1"
    )
    wide = "type T0 = { a: String };" + "".join(f"type T{n} = {{ a: T{n - 1}, b: T{n - 1} }};" for n in range(1, 40))
    assert store.draft("", wide + "entity user = { x: T39 };").status_code == 422, "types that grow without bounds"
    for entity, word in (
        ({"type": "ghost", "id": "x"}, "type"),
        ({"type": "record", "id": "x", "attributes": {"status": 7}}, "status"),
        ({"type": "record", "id": "x", "attributes": {"colour": "red"}}, "colour"),
        ({"type": "record", "id": "x", "parents": [{"type": "team", "id": "readers"}]}, "parents"),
        ({"type": "record", "id": "x", "attributes": {"status": "a" * 20_000}}, "bytes"),
    ):
        wrong = store.api("POST", "/entities", json={"put": [entity]})
        assert wrong.status_code == 422, entity
        assert word in wrong.json["errors"][0]["detail"], wrong.json
    nested = store.draft("", "entity team in [team];\nentity user in [team];").json
    deep = [{"type": "team", "id": f"t{n}", "parents": [{"type": "team", "id": f"t{n + 1}"}]} for n in range(12)]
    empty = Store(store.person, "teams")
    assert store.person.api("POST", "/policy-stores", json={"slug": "teams", "name": "T"}).status_code == 201
    assert empty.api("POST", "/entities", json={"put": deep}).json["code"] == "no_schema"
    assert empty.draft("", nested["schema_text"]).status_code == 200
    assert empty.api("POST", "/entities", json={"put": deep}).status_code == 422, "more levels than are allowed"
    assert empty.api("POST", "/entities", json={"put": deep[:9]}).json == {"entities": 9}
    ring = [deep[0] | {"parents": [{"type": "team", "id": "t0"}]}]
    assert empty.api("POST", "/entities", json={"put": ring}).status_code == 422, "nothing stands in itself"
    assert empty.ask("evaluation", ASKED).json["context"]["code"] == "not_active"
    assert store.ask("evaluation", ASKED).json["decision"] is True


def test_a_second_pair_of_eyes_activates_where_the_store_wants_it(cast: Cast):
    store = make_store(cast.alice)
    settings = {"name": "Certification", "four_eyes": True, "log_percent": 0, "log_days": 7}
    assert store.api("PUT", json=settings).json["four_eyes"] is True
    assert store.draft(STRICTER).status_code == 200
    alone = store.api("POST", "/versions/2/activation", json={})
    assert (alone.status_code, alone.json["code"]) == (409, "four_eyes")
    # A machine is no pair of eyes: whoever holds its secret would have two.
    machine = cast.alice.api("POST", "/service-accounts", json={"name": "eyes", "role": "admin"}).json["id"]
    token = {"name": "t", "scopes": ["policies:write"], "days": 1}
    secret = cast.alice.api("POST", f"/service-accounts/{machine}/tokens", json=token).json["token"]
    by_machine = {"headers": {"Authorization": f"Bearer {secret}"}}
    assert store.api("POST", "/versions/2/activation", json={}, **by_machine).json["code"] == "four_eyes"
    text = {"schema_text": certification.SCHEMA, "policies": STRICTER + "\n"}
    assert store.api("PUT", "/draft", json=text, **by_machine).status_code == 200
    assert store.api("POST", "/versions/2/activation", json={}).json["code"] == "four_eyes"
    for person in (cast.dave, cast.bob, cast.carol):
        refused = Store(person, store.slug).api("POST", "/versions/2/activation", json={})
        assert (refused.status_code, refused.json["code"]) == (403, "forbidden")
    assert Store(cast.carol, store.slug).ask("evaluation", ASKED).status_code == 200
    stranger = Store(cast.mallory, store.slug)
    assert stranger.api("GET").status_code == 404
    headers = {"Authorization": f"Bearer {cast.mallory.token}"}
    assert store.ask("evaluation", ASKED, **headers).status_code == 404
    assert store.ask("evaluation", ASKED, Authorization="").status_code == 401
    assert store.ask("evaluation", ASKED).json["decision"] is True
    store.person.app.extensions[JOURNAL].flush()
    assert store.api("GET", "/decisions").json["data"] == [], "no decision is recorded where none is wanted"


def test_a_store_is_taken_along_as_a_file(store: Store):
    whole = store.api("GET", "/export").json
    made = store.person.api("POST", "/policy-store-imports", json={"slug": "copy", "file": whole})
    assert made.status_code == 201, made.text
    copy = Store(store.person, "copy")
    assert (made.json["active"], made.json["draft"]) == (None, 1)
    assert copy.api("POST", "/versions/1/activation", json={}).status_code == 200
    assert copy.ask("evaluation", ASKED).json["decision"] is True
    assert copy.api("GET", "/export").json == whole
    for file in ({}, {"format": "other"}, whole | {"entities": [{"type": 1}]}):
        refused = store.person.api("POST", "/policy-store-imports", json={"slug": "third", "file": file})
        assert refused.status_code == 422, refused.text
    assert store.person.api("GET", "/policy-stores/third").status_code == 404
    acts = [one["action"] for one in store.person.api("GET", "/audit-events?limit=50").json["data"]]
    assert {"policy_store.exported", "policy_store.imported", "policy_store.activated"} <= set(acts)


def test_the_pages_do_what_the_calls_do(cast: Cast):
    slug = cast.acme.slug
    alice, browser = cast.alice, cast.alice.browser()

    def post(path: str, status: int = 303, **form: Any) -> Any:
        answer = alice.post(f"/t/{slug}/policies{path}", form)
        assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[-1500:]}"
        return answer

    def page(path: str, status: int = 200) -> str:
        answer = browser.get(f"/t/{slug}/policies{path}")
        assert answer.status_code == status, f"{path}: {answer.text[-1500:]}"
        return str(answer.text)

    assert "No policy store yet" in page("")
    post("", 422, slug="Not a slug", name="")
    post("", slug="shop", name="Web shop")
    assert "everything is denied" in page("")
    wrong = post("/shop/draft", 422, schema_text=certification.SCHEMA, policies="permit (principal, action, resource")
    assert 'id="findings"' in wrong.text
    post("/shop/draft", schema_text=certification.SCHEMA, policies=certification.POLICIES, note="First")
    written = json.dumps([{"type": "team", "id": "readers"}, {"type": "record", "id": "record-1"}])
    post("/shop/entities", entities=written)
    post("/shop/entities", 422, entities="nonsense")
    alice_in = [{"type": "user", "id": "alice", "parents": [{"type": "team", "id": "readers"}]}]
    post("/shop/entities", entities=json.dumps(alice_in))
    bench = "/shop/bench?subject_type=user&subject_id=alice&action=read&resource_type=record&resource_id=record-1"
    assert "Permitted" in page(bench)
    page(bench.replace("subject_id=alice", "subject_id="), 422)
    assert "Not replayed yet" in page("/shop/versions/1/replay")
    post("/shop/versions/1/replay")
    assert "Nothing would change" in page("/shop/versions/1/replay")
    assert "0 of 0 recorded decisions would change" in page("/shop/versions/1")
    post("/shop/versions/1/activation", changes="1")
    post("/shop/draft", schema_text=certification.SCHEMA, policies=STRICTER, note="Closed")
    shown = page("/shop/versions/2")
    assert 'class="code__added"' in shown
    post("/shop/versions/2/activation")
    post("/shop/rollback")
    assert "badge--good" in page("/shop/versions/1")
    post("/shop", name="Shop", log_percent="50", log_days="90", four_eyes="1")
    post("/shop", 422, name="Shop", log_percent="x", log_days="0")
    file = browser.get(f"/t/{slug}/policies/shop/export")
    assert file.headers["Content-Disposition"] == 'attachment; filename="shop.policy-store.json"'
    post("/imports", import_slug="shop-two", file=(io.BytesIO(file.data), "shop.json"))
    post("/imports", 422, import_slug="shop-two", file=(io.BytesIO(b"no"), "shop.json"))
    page("/shop/entities")
    page("/shop/decisions?subject_id=alice&decision_id=none")
    post("/shop-two/draft/deletion")
    post("/shop-two/removal")
    page("/shop-two", 404)
    assert cast.carol.browser().get(f"/t/{slug}/policies/shop").status_code == 200
    assert cast.carol.browser().get(f"/t/{slug}/policies/shop/draft").status_code == 403
