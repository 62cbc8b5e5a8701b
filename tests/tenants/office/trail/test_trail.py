"""The trail: what was done can be found again and read."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, event, text

from tenants.office.trail import words
from tenants.office.trail.rules import Value, changes_of, value_of
from tests.cast import Cast
from webapp.audit import queries
from webapp.audit.queries import Search

ROOT = Path(__file__).parents[4]


def test_every_act_is_found_by_object_action_and_person(cast: Cast) -> None:
    account = cast.alice.api("POST", "/accounts", json={"name": "Till", "kind": "asset", "currency": "EUR"}).json
    cast.dave.api("POST", "/accounts", json={"name": "Bank", "kind": "asset", "currency": "EUR"})
    of_object = cast.carol.api("GET", f"/audit-events?object_type=account&object_id={account['id']}").json["data"]
    assert [one["difference"]["name"] for one in of_object] == [[None, "Till"]]
    of_dave = cast.carol.api("GET", f"/audit-events?actor={cast.dave.email.upper()}").json["data"]
    assert {one["actor"] for one in of_dave} == {cast.dave.email}
    of_action = cast.carol.api("GET", "/audit-events?action=account.opened").json["data"]
    assert len(of_action) == 2
    assert of_action[0]["via"] == "token"
    assert of_action[0]["request_id"]
    assert {one["source_address"] for one in of_action} == {"127.0.0.1"}
    assert {f"cpt_live_{one['through_id']}" for one in of_action} == {
        person.token.rpartition("_")[0] for person in (cast.alice, cast.dave)
    }
    assert len({one["decision_id"] for one in of_action} - {""}) == 2


def test_the_trail_is_paged_newest_first_by_a_cursor_that_cannot_be_forged(cast: Cast) -> None:
    for number in range(5):
        cast.alice.api("POST", "/accounts", json={"name": f"A{number}", "kind": "asset", "currency": "EUR"})
    first = cast.alice.api("GET", "/audit-events?limit=3").json
    second = cast.alice.api("GET", f"/audit-events?limit=3&cursor={first['next_cursor']}").json
    ids = [one["id"] for one in first["data"] + second["data"]]
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
    assert page.index("&lt;i&gt;Old") < page.rindex(">New<")


def test_accounts_are_told_by_number_and_name_and_what_is_empty_is_left_out(cast: Cast) -> None:
    opened = [
        cast.alice.api("POST", "/accounts", json={"name": name, "kind": kind, "currency": "EUR", "code": code}).json
        for name, kind, code in (("Harbour bank", "asset", "5121"), ("Rent & <b>co</b>", "expense", None))
    ]
    lines = [
        {"account_id": one["id"], "amount": amount, "currency": "EUR"}
        for one, amount in zip(opened, ("-5", "5"), strict=True)
    ]
    entry = {"date": "2026-11-02", "description": "Office", "postings": lines}
    assert cast.alice.api("POST", "/entries", json=entry).status_code == 201
    trail = f"/t/{cast.acme.slug}/audit-events"
    booked = cast.carol.browser().get(f"{trail}?action=entry.posted").get_data(as_text=True)
    row = re.search(r'<tr id="event-.*?</tr>', booked, re.DOTALL)[0]
    assert "5121 Harbour bank" in row
    assert "Rent &amp; &lt;b&gt;co&lt;/b&gt;" in row
    for empty in ("nothing", "Memo", "Rate", "Tags"):
        assert empty not in row, empty
    acts = cast.carol.browser().get(f"{trail}?action=account.opened").get_data(as_text=True)
    assert re.search(r"Account <bdi[^>]*>5121 Harbour bank</bdi>", acts)


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
    changes = changes_of({"field": [before, after]})
    if not changes:
        assert value_of(before).is_empty and value_of(after).is_empty
        return
    (change,) = changes
    assert change.before == value_of(before)
    assert change.after == value_of(after)


def test_values_are_told_by_their_type() -> None:
    assert value_of(True) == Value("yes_no", "yes")
    assert value_of(12) == Value("number", "12")
    assert value_of(["a", 1]).parts == (("1", Value("text", "a")), ("2", Value("number", "1")))
    assert value_of({"a": {"b": {"c": {"d": 1}}}}).parts[0][1].parts[0][1].parts[0][1] == Value("text", '{"d": 1}')


def test_a_rare_act_among_many_is_found_by_an_index_of_each_filter(cast: Cast, owner: Engine) -> None:
    noise = """
        WITH made AS (
            INSERT INTO audit_event (at, actor_id, actor_label, via, action, object_type, object_id, through_id)
            SELECT now() - (20000 - n) * interval '1 minute', gen_random_uuid(), 'somebody@example.org', 'job', 'noise',
                'noise', n::text, 'noise' FROM generate_series(1, 20000) n RETURNING id
        )
        INSERT INTO audit_words SELECT id, 1, array_to_tsvector(ARRAY['via=job', 'noise', 'w' || id]) FROM made
    """
    with owner.begin() as connection:
        connection.execute(text(f"SET LOCAL search_path = {cast.acme.ref.schema}"))
        connection.execute(text(noise))
    cast.alice.api("POST", "/accounts", json={"name": "Till", "kind": "asset", "currency": "EUR"})
    with owner.begin() as connection:
        connection.execute(text(f"ANALYZE {cast.acme.ref.schema}.audit_event, {cast.acme.ref.schema}.audit_words"))
        connection.execute(text(f"SELECT brin_summarize_new_values('{cast.acme.ref.schema}.audit_at')"))
    day = datetime.now(UTC) - timedelta(days=9)
    for search, before in (
        (Search(action="account.opened"), None),
        (Search(actor_id=str(cast.alice.id)), None),
        (Search(object_type="account", object_id="1"), None),
        (Search(action="account.opened", actor_id=str(cast.alice.id)), None),
        (Search(action="never.done"), None),
        (Search(actor_id=str(uuid4())), 15000),
        (Search(actor="Never a robot"), None),
        (Search(through_id="never"), None),
        (Search(words="w777 NOISE"), None),
        (Search(words="never"), None),
        (Search(via="token"), None),
        (Search(start=day, end=day + timedelta(hours=1)), None),
    ):
        plan = plan_of(cast, search, before)
        assert "Seq Scan" not in plan.replace("Seq Scan on audit_unsealed", ""), (search, plan)
        rows = [int(number) for number in re.findall(r"Rows Removed by (?:Filter|Index Recheck): (\d+)", plan)]
        assert sum(rows) < (3000 if search.start else 100), (search, plan)
    common = [event.object_id for event in queries_of(cast, Search(words="noise"))]
    assert common == [str(number) for number in range(20000, 19949, -1)], "a word of every event: the newest page"
    assert [event.object_id for event in queries_of(cast, Search(words="noise", object_id="7"))] == ["7"]
    found = queries_of(cast, Search(words="till acc", via="token", start=day))
    assert [event.action for event in found] == ["account.opened"]
    assert queries_of(cast, Search(words="till", via="job")) == []
    assert len(queries_of(cast, Search(start=day, end=day + timedelta(hours=1)))) == 51


def queries_of(cast: Cast, search: Search) -> list[Any]:
    """Return a page of what is found."""
    with cast.acme.begin() as session:
        return queries.events(session=session, limit=51, search=search)


def plan_of(cast: Cast, search: Search, before_id: int | None) -> str:
    """Return how the database finds a page of events."""
    asked: list[tuple[str, Any]] = []
    with cast.acme.begin() as session:
        listener = lambda *args: asked.append((args[2], args[3]))  # noqa: E731 - it is removed again by identity
        event.listen(session.get_bind(), "before_cursor_execute", listener)
        try:
            queries.events(session=session, limit=51, search=search, before_id=before_id)
        finally:
            event.remove(session.get_bind(), "before_cursor_execute", listener)
        statement, values = asked[-1]
        if search.words or search.actor or search.via or search.start:
            # So few events are read through as quickly; that there is a way by the index is what matters.
            session.execute(text("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off"))
        rows = session.connection().exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}", values).all()
    return "\n".join(row[0] for row in rows)


def test_the_page_tells_acts_objects_and_fields_in_words_and_still_takes_their_names(cast: Cast) -> None:
    till = {"name": "Till", "kind": "asset", "currency": "EUR", "opened_on": "2026-02-03"}
    assert cast.alice.api("POST", "/accounts", json=till).status_code == 201
    assert cast.carol.api("POST", "/accounts", json=till).status_code == 403
    browser = cast.alice.browser()
    assert ">Open and change accounts<" in browser.get(f"/t/{cast.acme.slug}/audit-events?action=access.refused").text
    page = browser.get(f"/t/{cast.acme.slug}/audit-events?action=account.opened").text
    assert "Account opened" in page
    assert "Feb 3, 2026" in page
    assert "Assets" in page
    assert '<option value="account.opened" selected>' in page
    other = browser.get(f"/t/{cast.acme.slug}/audit-events?action=something.else").text
    assert '<option value="something.else" selected>' in other


def test_every_act_of_the_product_has_its_words() -> None:
    acts = set()
    for path in [*(ROOT / "tenants").rglob("*.py"), *(ROOT / "webapp").rglob("*.py")]:
        source = path.read_text(encoding="utf-8")
        acts |= set(re.findall(r'action="([a-z_]+\.[a-z_]+)"', source))
        acts |= set(re.findall(r'else "([a-z_]+\.[a-z_]+)",\n *object_type', source))
    assert len(acts) > 30
    of_the_platform = ("person.", "session.")
    assert {act for act in acts if not act.startswith(of_the_platform)} - set(words.ACTIONS) == set()


def test_amounts_of_an_event_are_told_with_their_currency() -> None:
    (balance, _currency) = changes_of({"balance": [None, 1250], "currency": [None, "EUR"]})
    assert balance.after == Value("money", "1250", currency="EUR")
    (posting,) = changes_of({"postings": [None, [{"amount": -5, "currency": "JPY"}]]})
    assert posting.after.parts[0][1].parts[0][1] == Value("money", "-5", currency="JPY")
    (unknown, _currency) = changes_of({"amount": [None, 5], "currency": [None, "???"]})
    assert unknown.after == Value("number", "5")
    (captured, _entry) = changes_of({"captured": [None, 250], "currency": ["EUR", "EUR"], "entry_id": [None, 7]})
    assert captured.after == Value("money", "250", currency="EUR")
