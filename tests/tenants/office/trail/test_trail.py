"""The trail: what was done can be found again and read."""

from hypothesis import given
from hypothesis import strategies as st

from tenants.office.trail.rules import Value, changes_of, value_of
from tests.cast import Cast


def test_every_act_is_found_by_object_action_and_person(cast: Cast) -> None:
    account = cast.alice.api("POST", "/accounts", json={"name": "Till", "kind": "asset", "currency": "EUR"}).json
    cast.dave.api("POST", "/accounts", json={"name": "Bank", "kind": "asset", "currency": "EUR"})
    of_object = cast.carol.api("GET", f"/audit-events?object_type=account&object_id={account['id']}").json["data"]
    assert [event["difference"]["name"] for event in of_object] == [[None, "Till"]]
    of_dave = cast.carol.api("GET", f"/audit-events?actor={cast.dave.email.upper()}").json["data"]
    assert {event["actor"] for event in of_dave} == {cast.dave.email}
    of_action = cast.carol.api("GET", "/audit-events?action=account.opened").json["data"]
    assert len(of_action) == 2
    assert of_action[0]["via"] == "token"
    assert of_action[0]["request_id"]


def test_the_trail_is_paged_newest_first_by_a_cursor_that_cannot_be_forged(cast: Cast) -> None:
    for number in range(5):
        cast.alice.api("POST", "/accounts", json={"name": f"A{number}", "kind": "asset", "currency": "EUR"})
    first = cast.alice.api("GET", "/audit-events?limit=3").json
    second = cast.alice.api("GET", f"/audit-events?limit=3&cursor={first['next_cursor']}").json
    ids = [event["id"] for event in first["data"] + second["data"]]
    assert ids == sorted(ids, reverse=True)
    assert len(ids) == 5
    assert cast.alice.api("GET", "/audit-events?cursor=WzNd.forged").status_code == 422
    jobs = cast.alice.api("GET", f"/jobs?cursor={first['next_cursor']}")
    assert jobs.status_code == 422


def test_another_workspace_sees_nothing_of_it(cast: Cast) -> None:
    made = cast.alice.api("POST", "/accounts", json={"name": "Hidden", "kind": "asset", "currency": "EUR"})
    assert made.status_code == 201
    assert "Hidden" not in cast.mallory.api("GET", "/audit-events").text
    mine = cast.alice.api("GET", "/audit-events").json["data"][0]["id"]
    assert cast.mallory.api("GET", f"/audit-events/{mine}").status_code == 404
    assert cast.alice.api("GET", f"/audit-events/{mine}").json["id"] == mine
    assert cast.alice.api("GET", f"/audit-events/{2**63 - 1}").status_code == 404


def test_the_page_shows_before_and_after_as_text(cast: Cast) -> None:
    made = cast.alice.api("POST", "/accounts", json={"name": "<i>Old</i>", "kind": "asset", "currency": "EUR"})
    body = {"name": "New", "kind": "asset", "currency": "EUR"}
    read = {"If-Match": made.headers["ETag"]}
    changed = cast.alice.api("PUT", f"/accounts/{made.json['id']}", json=body, headers=read)
    assert changed.status_code == 200
    page = cast.carol.browser().get(f"/t/{cast.acme.slug}/audit-events?action=account.changed").get_data(as_text=True)
    assert "&lt;i&gt;Old&lt;/i&gt;" in page
    assert "<i>Old" not in page
    assert page.index("&lt;i&gt;Old") < page.index(">New<")


def test_a_search_without_a_hit_offers_to_clear_it(cast: Cast) -> None:
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/audit-events?actor=nobody%00@example.org")
    assert page.status_code == 200
    assert "Clear filters" in page.get_data(as_text=True)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


@given(JSON, JSON)
def test_any_difference_can_be_read(before: object, after: object) -> None:
    (change,) = changes_of({"field": [before, after]})
    assert change.before == value_of(before)
    assert change.after == value_of(after)


def test_values_are_told_by_their_type() -> None:
    assert value_of(True) == Value("yes_no", "yes")
    assert value_of(12) == Value("number", "12")
    assert value_of(["a", 1]).parts == (("1", Value("text", "a")), ("2", Value("number", "1")))
    assert value_of({"a": {"b": {"c": {"d": 1}}}}).parts[0][1].parts[0][1].parts[0][1] == Value("text", '{"d": 1}')
