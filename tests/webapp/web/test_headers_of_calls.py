"""What the headers of calls promise: pages of lists, versions, limits, numbers of requests, ends of calls."""

import io
import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask, Response, jsonify

from tests.cast import Cast, Person
from tests.hands import Clock
from tests.webapp.web.conftest import CALLS_A_MINUTE
from webapp.web import changes, contract
from webapp.web.contract import End, promises

ACCOUNT = {"name": "Bank", "kind": "asset", "currency": "EUR"}
LATER = (datetime.now(UTC) + timedelta(days=30)).isoformat()
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def filled(person: Person) -> int:
    """Put two of everything that lists show into a workspace; return an account's id."""
    bank = person.api("POST", "/accounts", json=ACCOUNT).json["id"]
    cost = person.api("POST", "/accounts", json={"name": "Cost", "kind": "expense", "currency": "EUR"}).json["id"]
    for number in (1, 2):
        lines = [
            {"account_id": one, "amount": sign + "1.00", "currency": "EUR"} for one, sign in ((cost, ""), (bank, "-"))
        ]
        made = [
            ("/entries", {"date": "2026-11-02", "description": "x", "postings": lines}),
            ("/holds", {"account_id": bank, "amount": "0.01", "currency": "EUR"}),
            ("/invitations", {"email": f"guest-{number}@example.org"}),
            ("/tokens", {"name": f"token {number}", "scopes": ["ledger:read"]}),
            ("/access/roles", {"name": f"own-{number}", "title": "Own", "permissions": ["jobs:jobs:read"]}),
            ("/access/grants", {"person_id": str(person.id), "permissions": ["jobs:jobs:read"], "until": LATER}),
            ("/policy-stores", {"slug": f"store-{number}", "name": "Store"}),
            ("/service-accounts", {"name": f"Program {number}", "role": "auditor"}),
            (
                "/applications",
                {"name": f"Reports {number}", "redirect_uris": ["https://a.example/b"], "scopes": ["ledger:read"]},
            ),
            ("/period-closings", {"starts": f"200{number}-01-01", "ends": f"200{number}-12-31"}),
        ]
        for path, body in made:
            assert person.api("POST", path, json=body).status_code == 201, path
        upload = {
            "account_id": str(bank),
            "file": (io.BytesIO(b"Date;Text;Amount\n2026-11-02;x;1.00\n" * number), "a.csv"),
        }
        assert person.api("POST", "/imports", data=upload, content_type="multipart/form-data").status_code == 202
    return int(bank)


LISTS = [
    "/access/grants",
    "/access/roles",
    "/accounts",
    "/applications",
    "/audit-events",
    "/entries",
    "/holds",
    "/imports",
    "/invitations",
    "/jobs",
    "/members",
    "/period-closings",
    "/policy-stores",
    "/service-accounts",
    "/tokens",
]


def test_every_list_leads_to_its_next_page_and_keeps_to_its_limit(cast: Cast):
    filled(cast.alice)
    for path in LISTS:
        first = cast.alice.api("GET", f"{path}?limit=1")
        assert len(first.json["data"]) == 1, path
        found = re.fullmatch(r"<(/api/v1/t/[^>]+)>; rel=\"next\"", first.headers["Link"])
        assert found, first.headers["Link"]
        second = cast.app.test_client().get(found[1], headers={"Authorization": f"Bearer {cast.alice.token}"})
        assert len(second.json["data"]) == 1
        assert second.json["data"] != first.json["data"]
        whole = cast.alice.api("GET", f"{path}?limit=500")
        assert whole.status_code == 200
        assert "Link" not in whole.headers
        assert whole.json["data"][:2] == [first.json["data"][0], second.json["data"][0]]


def test_every_list_of_the_description_is_among_these(app: Flask):
    told = app.test_client().get("/api/v1/openapi.json").get_json()["paths"]
    lists = {
        path.removeprefix("/api/v1/t/{slug}")
        for path, methods in told.items()
        if any(one["name"] == "cursor" for one in methods.get("get", {}).get("parameters", ()))
    }
    assert {path for path in lists if "{" not in path} == set(LISTS)
    for path in lists:
        assert "Link" in told["/api/v1/t/{slug}" + path]["get"]["responses"]["200"]["headers"]


@pytest.mark.parametrize("limit", ["0", "501", "-1", "x", "1.5"])
@pytest.mark.parametrize("path", LISTS)
def test_a_limit_out_of_bounds_is_refused(cast: Cast, path: str, limit: str):
    answer = cast.alice.api("GET", f"{path}?limit={limit}")
    assert answer.status_code == 422
    assert answer.json["errors"][0]["pointer"] == "/limit"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/entries?expand=postings.account.parent", "expand"),
        ("/entries?expand=", "expand"),
        ("/entries?fields=id,colour", "fields"),
        ("/entries?fields=", "fields"),
        ("/entries?sort=amount", "sort"),
        ("/entries/1?expand=account", "expand"),
        ("/accounts?expand=parent", "expand"),
        ("/accounts?fields=id,colour", "fields"),
        ("/audit-events?sort=at", "sort"),
        ("/members?expand=person", "expand"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_not_ignored(cast: Cast, path: str, name: str):
    answer = cast.alice.api("GET", path)
    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json["errors"]] == [f"/{name}"]


def test_every_list_answers_with_the_fields_alone_that_were_asked_for(cast: Cast):
    filled(cast.alice)
    told = cast.app.test_client().get("/api/v1/openapi.json").json
    narrowed, rows = set(), 0
    for path, calls in told["paths"].items():
        asked = {one["name"]: one for one in calls.get("get", {}).get("parameters", ())}
        if "cursor" not in asked:
            continue
        assert "fields" in asked, path
        if path.count("{") > 1:
            continue  # the rows of one import, the lines of one reconciliation
        names = re.findall(r"\w+", asked["fields"]["schema"]["pattern"])[:2]
        answer = cast.alice.api("GET", path.partition("{slug}")[2], query_string={"fields": ",".join(names)})
        assert answer.status_code == 200, path
        assert all(set(row) == set(names) for row in answer.json["data"]), path
        narrowed.add(path)
        rows += len(answer.json["data"])
    assert len(narrowed) >= 9
    assert rows > 5


def test_accounts_of_postings_are_expanded(cast: Cast):
    bank = filled(cast.alice)
    plain = cast.alice.api("GET", "/entries/1").json
    assert "account" not in plain["postings"][0]
    one = cast.alice.api("GET", "/entries/1?expand=postings.account").json
    (posting,) = (line for line in one["postings"] if line["account_id"] == bank)
    assert posting["account"] == {
        "id": bank,
        "name": "Bank",
        "kind": "asset",
        "currency": "EUR",
        "code": None,
        "parent_id": None,
    }
    listed = cast.alice.api("GET", "/entries?expand=postings.account&fields=id,postings&limit=1").json["data"][0]
    assert set(listed) == {"id", "postings"}
    assert all(line["account"]["id"] == line["account_id"] for line in listed["postings"])


def version_of(answer: Any) -> str:
    """Return the ETag of an answer, a strong one."""
    tag: str = answer.headers["ETag"]
    assert re.fullmatch(r'"v\d+"', tag)
    return tag


def test_a_new_entry_and_an_edited_one_tell_their_version(cast: Cast):
    filled(cast.alice)
    read = cast.alice.api("GET", "/entries/1")
    body = {name: read.json[name] for name in ("date", "description")}
    body["postings"] = [
        {name: line[name] for name in ("account_id", "amount", "currency")} for line in read.json["postings"]
    ]
    made = cast.alice.api("POST", "/entries", json=body, headers={"Idempotency-Key": "etag"})
    again = cast.alice.api("POST", "/entries", json=body, headers={"Idempotency-Key": "etag"})
    assert version_of(made) == version_of(again) == '"v1"'
    assert again.headers["Idempotency-Replayed"] == "true"
    # The version of the answer is one to change by, without reading again.
    path = f"/entries/{made.json['id']}"
    edited = cast.alice.api("PUT", path, json={**body, "note": "n"}, headers={"If-Match": version_of(made)})
    assert edited.status_code == 200
    assert version_of(edited) == version_of(cast.alice.api("GET", path)) != version_of(made)


def test_what_was_not_changed_is_not_sent_again(cast: Cast):
    filled(cast.alice)
    for path in ("/entries/1", "/accounts/1"):
        first = cast.alice.api("GET", path)
        again = cast.alice.api("GET", path, headers={"If-None-Match": version_of(first)})
        assert (again.status_code, again.data) == (304, b"")
        assert cast.alice.api("GET", path, headers={"If-None-Match": '"v999"'}).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("PUT", "/entries/1"), ("DELETE", "/entries/1"), ("PUT", "/accounts/1")])
def test_a_change_needs_the_present_version(cast: Cast, method: str, path: str):
    filled(cast.alice)
    lines = [
        {"account_id": 2, "amount": "1.00", "currency": "EUR"},
        {"account_id": 1, "amount": "-1.00", "currency": "EUR"},
    ]
    entry = {"date": "2026-11-02", "description": "y", "postings": lines}
    body: dict[str, Any] = (
        {} if method == "DELETE" else {"json": {**ACCOUNT, "name": "New"} if "acc" in path else entry}
    )
    missing = cast.alice.api(method, path, **body)
    assert (missing.status_code, missing.json["code"]) == (428, "if_match_missing")
    for given in ('"v7"', "anything", "*", 'W/"v1"x', '"v99999999999"'):
        failed = cast.alice.api(method, path, headers={"If-Match": given}, **body)
        assert (failed.status_code, failed.mimetype) == (412, "application/problem+json"), given
    done = cast.alice.api(method, path, headers={"If-Match": '"v1"'}, **body)
    assert done.status_code in {200, 204}


def test_every_answer_tells_what_is_left_of_the_limit(narrow: Cast, clock: Clock):
    first = narrow.alice.api("GET", "/accounts")
    assert first.headers["RateLimit-Policy"] == f'"tok";q={CALLS_A_MINUTE};w=60'
    assert first.headers["RateLimit"] == f'"tok";r={CALLS_A_MINUTE - 1};t=45'
    assert first.headers["X-RateLimit-Limit"] == str(CALLS_A_MINUTE)
    assert first.headers["X-RateLimit-Remaining"] == str(CALLS_A_MINUTE - 1)
    assert first.headers["X-RateLimit-Reset"] == str(int(clock.at.timestamp()) + 45)
    refused = narrow.alice.api("GET", "/accounts/99")
    assert refused.status_code == 404
    assert refused.headers["RateLimit"] == f'"tok";r={CALLS_A_MINUTE - 2};t=45'


def test_a_token_that_calls_too_often_is_told_so_and_another_is_not(narrow: Cast, clock: Clock):
    statuses = [narrow.alice.api("GET", "/accounts/99").status_code for _ in range(CALLS_A_MINUTE + 2)]
    assert statuses == [404] * CALLS_A_MINUTE + [429] * 2
    answer = narrow.alice.api("GET", "/accounts/99")
    assert (answer.headers["Retry-After"], answer.headers["RateLimit"]) == ("45", '"tok";r=0;t=45')
    assert narrow.bob.api("GET", "/accounts/99").status_code == 404
    clock.forward(seconds=int(answer.headers["Retry-After"]))
    assert narrow.alice.api("GET", "/accounts/99").status_code == 404


def test_strangers_are_counted_by_their_address(narrow: Cast):
    url = f"/api/v1/t/{narrow.acme.slug}/accounts"
    statuses = {narrow.app.test_client().get(url).status_code for _ in range(CALLS_A_MINUTE + 1)}
    assert statuses == {401, 429}


def test_the_number_of_a_request_is_echoed(cast: Cast):
    answer = cast.alice.api("GET", "/accounts/99", headers={"X-Request-Id": "mine-1"})
    assert (answer.headers["X-Request-Id"], answer.json["request_id"]) == ("mine-1", "mine-1")
    for unusable in ("a b", "a" * 65, "é"):
        made = cast.alice.api("GET", "/accounts", headers={"X-Request-Id": unusable}).headers["X-Request-Id"]
        assert re.fullmatch("[0-9a-f]{32}", made)


def test_a_trace_goes_on_in_the_number_of_the_request(cast: Cast):
    parent = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert cast.alice.api("GET", "/accounts", headers={"traceparent": parent}).headers["X-Request-Id"] == TRACE
    both = {"traceparent": parent, "X-Request-Id": "mine-2"}
    assert cast.alice.api("GET", "/accounts", headers=both).headers["X-Request-Id"] == "mine-2"
    for wrong in (f"00-{'0' * 32}-00f067aa0ba902b7-01", f"ff-{TRACE}-00f067aa0ba902b7-01", TRACE, f"{parent}-x"):
        assert cast.alice.api("GET", "/accounts", headers={"traceparent": wrong}).headers["X-Request-Id"] != TRACE


def test_the_end_of_a_call_is_announced():
    end = End(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "/api/v1/docs#newCall")
    app = Flask("old")

    @promises(end=end)
    def old() -> Response:
        return jsonify(old=True)

    app.add_url_rule("/old", view_func=old)
    app.add_url_rule("/new", "new", lambda: "")
    contract.install(app)
    headers = app.test_client().get("/old").headers
    assert headers["Deprecation"] == "@1767225600"
    assert headers["Sunset"] == "Fri, 01 Jan 2027 00:00:00 GMT"
    assert headers["Link"] == '</api/v1/docs#newCall>; rel="deprecation"'
    assert "Deprecation" not in app.test_client().get("/new").headers


def test_the_feed_tells_the_releases_and_the_calls_that_are_to_go(app: Flask):
    answer = app.test_client().get("/api/v1/changes.atom")
    assert answer.mimetype == "application/atom+xml"
    told = ET.fromstring(answer.data)  # noqa: S314 - our own answer
    assert told.findtext("{*}entry/{*}title") == "0.1.0: the first version"
    assert told.findtext("{*}id").endswith("/api/v1/changes.atom")
    again = app.test_client().get("/api/v1/changes.atom", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    end = End(datetime(2027, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC), "/api/v1/docs#newCall")
    old = Flask("old")
    old.add_url_rule("/old", view_func=promises(end=end)(lambda: ""), endpoint="old")
    newest = changes.changes(old)[0]
    assert (newest.title, newest.at, newest.link) == ("GET /old is to go", end.deprecated, end.instead)
    assert "until 2028-01-01" in newest.text


def test_the_description_says_that_a_call_comes_to_an_end(app: Flask):
    from webapp.web.description import _describe_answers, _describe_request  # noqa: PLC0415 - private, for this test alone

    end = End(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC), "/api/v1/docs#newCall")
    operation: dict[str, Any] = {"responses": {"200": {"description": "OK"}}}
    _describe_request(operation, contract.Contract(end=end), None)
    _describe_answers("get", operation, contract.Contract(end=end))
    assert operation["deprecated"] is True
    assert {"Deprecation", "Sunset", "Link"} <= set(operation["responses"]["200"]["headers"])
    told = app.test_client().get("/api/v1/openapi.json").get_json()
    assert not [one for methods in told["paths"].values() for one in methods.values() if one.get("deprecated")]
