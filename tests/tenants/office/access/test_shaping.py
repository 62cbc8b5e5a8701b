"""A workspace shapes who may do what: own roles, grants until a moment, conditions, and why something is refused."""

import threading
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session

from tenants.office.access import commands
from tests.cast import STAGE, Cast
from webapp.access.asker import Asker
from webapp.access.engine import findings_of
from webapp.access.guard import decide, permitted
from webapp.access.permissions import Permission, Role
from webapp.access.product import policy_files, schema_text, with_own
from webapp.access.rulebook import Rulebook
from webapp.access.shaping import grant_policy, role_policy
from webapp.access.terms import Conditions, condition_words, read_conditions
from webapp.kernel.actor import SYSTEM
from webapp.kernel.errors import Invalid

ACCOUNT = {"name": "Till", "kind": "asset", "currency": "EUR"}
MONDAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def test_an_own_role_permits_from_the_next_request_on_and_its_removal_ends_it(cast: Cast):
    role = {"name": "till-keeper", "title": "Till keeper", "permissions": ["ledger:accounts:write"]}
    assert cast.bob.api("POST", "/accounts", json=ACCOUNT).status_code == 403
    assert cast.alice.api("POST", "/access/roles", json=role).status_code == 201
    assert cast.bob.api("POST", "/accounts", json=ACCOUNT).status_code == 403, "nobody has it yet"
    given_to = cast.alice.api("PUT", "/access/roles/till-keeper/members", json={"person_ids": [str(cast.bob.id)]})
    assert given_to.json["person_ids"] == [str(cast.bob.id)]
    assert cast.bob.api("POST", "/accounts", json=ACCOUNT).status_code == 201
    assert cast.carol.api("POST", "/accounts", json=ACCOUNT).status_code == 403
    why = cast.carol.api("GET", f"/access/explanation?person_id={cast.bob.id}&permission=ledger:accounts:write").json
    assert (why["permit"], why["policies"]) == (True, ["own:till-keeper"])
    who = cast.carol.api("GET", "/access/explanation?permission=ledger:accounts:write").json["person_ids"]
    assert set(who) == {str(one.id) for one in (cast.alice, cast.dave, cast.bob)}
    narrowed = role | {"permissions": ["ledger:holds:write"]}
    del narrowed["name"]
    assert cast.alice.api("PUT", "/access/roles/till-keeper", json=narrowed).status_code == 200
    assert cast.bob.api("POST", "/accounts", json=ACCOUNT | {"name": "B"}).status_code == 403
    assert "ledger:holds:write" in cast.bob.api("GET", "/access/own").json["permissions"]
    assert cast.alice.api("DELETE", "/access/roles/till-keeper").status_code == 204
    own = cast.bob.api("GET", "/access/own").json
    assert (own["own_roles"], "ledger:holds:write" in own["permissions"]) == ([], False)
    done = {one["action"] for one in cast.alice.api("GET", "/audit-events").json["data"]}
    assert {"access.role_made", "access.role_changed", "access.role_assigned", "access.role_removed"} <= done
    # The other workspace has nothing of it, and can do nothing to it.
    assert "till-keeper" not in cast.mallory.api("GET", "/access/roles").text
    assert cast.mallory.api("DELETE", "/access/roles/till-keeper").status_code == 404


def test_a_grant_holds_until_its_end_and_names_the_condition_that_is_missing(cast: Cast):
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    body = {"person_id": str(cast.bob.id), "permissions": ["ledger:accounts:write"], "until": until, "note": "audit"}
    guarded = body | {"conditions": {"second_factor": True}}
    assert cast.alice.api("POST", "/access/grants", json=guarded).status_code == 201
    refused = cast.bob.api("POST", "/accounts", json=ACCOUNT)
    assert refused.status_code == 403
    assert refused.json["missing"] == ["context.second_factor"]
    assert "second factor" in refused.json["detail"]
    page = cast.bob.post(f"/t/{cast.acme.slug}/accounts", {"name": "Till"})
    assert "context.second_factor" in page.text
    made = cast.alice.api("POST", "/access/grants", json=body)
    assert cast.bob.api("POST", "/accounts", json=ACCOUNT).status_code == 201
    assert cast.mallory.api("DELETE", f"/access/grants/{made.json['id']}").status_code == 404
    assert cast.alice.api("DELETE", f"/access/grants/{made.json['id']}").status_code == 204
    assert cast.bob.api("POST", "/accounts", json=ACCOUNT | {"name": "C"}).status_code == 403
    assert cast.alice.api("POST", "/access/grants", json=body | {"until": "2020-01-01T00:00:00Z"}).status_code == 422
    assert cast.dave.api("POST", "/access/grants", json=body).status_code == 403, "an accountant grants nothing"


def test_nobody_gives_more_than_they_may_themselves(cast: Cast):
    cast.alice.api("PUT", f"/members/{cast.dave.id}", json={"role": "admin"})
    beyond = ["workspace:workspace:remove"]
    role = {"name": "closer", "title": "Closer", "permissions": beyond}
    assert cast.dave.api("POST", "/access/roles", json=role).status_code == 422
    assert cast.alice.api("POST", "/access/roles", json=role).status_code == 201
    mine = {"person_ids": [str(cast.dave.id)]}
    assert cast.dave.api("PUT", "/access/roles/closer/members", json=mine).status_code == 422
    grant = {"person_id": str(cast.dave.id), "permissions": beyond, "until": "2026-12-31T00:00:00Z"}
    assert cast.dave.api("POST", "/access/grants", json=grant).status_code in {422, 403}
    assert "workspace:workspace:remove" not in cast.dave.api("GET", "/access/own").json["permissions"]


def test_roles_that_two_people_give_in_the_same_moment_are_both_had(cast: Cast):
    for name in ("day-desk", "night-desk"):
        role = {"name": name, "title": name, "permissions": ["ledger:accounts:write"]}
        assert cast.alice.api("POST", "/access/roles", json=role).status_code == 201

    def give(session: Session, name: str) -> None:
        people = frozenset({cast.bob.id})
        giver = frozenset(Permission)
        commands.assign(session=session, actor=STAGE, at=MONDAY, name=name, person_ids=people, giver=giver)

    def give_too() -> None:
        with cast.acme.begin() as session:
            give(session, "night-desk")

    other = threading.Thread(target=give_too)
    with cast.acme.begin() as first:
        give(first, "day-desk")
        other.start()
        await_a_waiter(cast)
    other.join()
    assert cast.bob.api("GET", "/access/own").json["own_roles"] == ["day-desk", "night-desk"]


def await_a_waiter(cast: Cast) -> None:
    """Wait until a transaction waits for what another one holds."""
    with cast.engine.begin() as connection:
        for _ in range(500):
            if connection.scalar(text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")):
                return
            connection.execute(text("SELECT pg_sleep(0.02)"))
    raise AssertionError("nobody waits")


def test_the_pages_do_what_the_calls_do(cast: Cast):
    base = f"/t/{cast.acme.slug}/access"
    form = {"name": "desk", "title": "Night <desk>", "permissions": ["ledger:holds:write"], "begins": "8:00"}
    wrong = cast.alice.post(f"{base}/roles", form)
    assert wrong.status_code == 422, wrong.text[-1500:]
    assert "08:30" in wrong.text
    made = cast.alice.post(f"{base}/roles", form | {"begins": "08:00", "ends": "18:00"})
    assert made.status_code == 303, made.text
    assert cast.alice.post(f"{base}/roles/desk/members", {"person_ids": [str(cast.bob.id)]}).status_code == 303
    browser = cast.alice.browser()
    shown = browser.get(f"{base}/roles/desk").text
    assert "Night &lt;desk&gt;" in shown
    assert "context.minute &gt;= 480" in shown
    day = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    grant = {"person_id": str(cast.carol.id), "permissions": ["jobs:jobs:write"], "until": day}
    assert cast.alice.post(f"{base}/grants", grant).status_code == 303
    assert "jobs:jobs:write" in browser.get(f"{base}/grants").text
    asked = browser.get(f"{base}/explanation?person_id={cast.carol.id}&permission=jobs:jobs:write").text
    assert "grant:" in asked
    assert "members:members:write" not in cast.bob.browser().get(base).text
    assert browser.get(f"{base}/explanation?permission=nonsense").status_code == 404
    assert cast.alice.post(f"{base}/roles/desk/removal").status_code == 303
    assert browser.get(f"{base}/roles/desk").status_code == 404


conditions = st.builds(
    Conditions,
    st.booleans(),
    st.sampled_from([(), ("192.0.2.0/24",), ("192.0.2.0/24", "2001:db8::/32")]),
    st.sampled_from([None, (480, 1080), (0, 1440)]),
    st.booleans(),
    st.sampled_from([None, MONDAY, MONDAY + timedelta(days=2)]),
)


@settings(max_examples=25, deadline=None)
@given(
    conditions=conditions,
    chosen=st.sets(st.sampled_from(list(Permission)), min_size=1, max_size=5),
    role=st.sampled_from(list(Role)),
    second_factor=st.booleans(),
    network=st.sampled_from(["192.0.2.7", "198.51.100.1", "2001:db8::1", ""]),
    minutes=st.integers(0, 7 * 24 * 60),
)
def test_what_is_shaped_holds_before_the_schema_adds_and_never_takes_away(
    conditions: Conditions, chosen: set[Permission], role: Role, second_factor: bool, network: str, minutes: int
):
    at = MONDAY + timedelta(minutes=minutes - 3 * 24 * 60, seconds=30)
    own = role_policy("desk", chosen, conditions)
    granted = grant_policy(SYSTEM, SYSTEM, chosen, conditions)
    assert findings_of("\n".join([*(text for _name, text in policy_files()), own, granted]), schema_text()) == ()
    book = Rulebook(with_own((("own:desk", own),)), is_own=True)
    asker = Asker(role, ("desk",), second_factor=second_factor, network=network, at=at)
    met = (
        (second_factor or not conditions.second_factor)
        and (
            not conditions.networks
            or network == "192.0.2.7"
            or (network == "2001:db8::1" and len(conditions.networks) > 1)
        )
        and (not conditions.hours or conditions.hours[0] <= at.hour * 60 + at.minute < conditions.hours[1])
        and (not conditions.working_days or at.isoweekday() <= 5)
        and (conditions.until is None or at.replace(microsecond=0) < conditions.until)
    )
    before, now = permitted(asker=Asker(role)), permitted(asker=asker, rulebook=book)
    assert now == before | (chosen if met else set())
    assert permitted(asker=asker, rulebook=book) == now, "what is remembered is the same"
    for permission in chosen - now:
        refused = decide(permission, asker=asker, rulebook=book)
        assert refused.missing
        assert refused.reason % refused.params
        assert all("if this holds" not in condition_words(one)[0] for one in refused.missing)


def test_hours_and_days_are_meant_in_the_time_zone_of_the_workspace(cast: Cast):
    # Half past five in winter is an hour later in Paris, and two in summer; a Sunday evening is a Monday in Tokyo.
    hours = role_policy("desk", {Permission.JOBS_JOBS_WRITE}, Conditions(hours=(480, 1080), working_days=True))
    book = Rulebook(with_own((("own:desk", hours),)), is_own=True)
    for at, zone, permit in (
        ("2026-01-05T17:30", "UTC", True),
        ("2026-01-05T17:30", "Europe/Paris", False),
        ("2026-01-05T16:30", "Europe/Paris", True),
        ("2026-07-06T16:30", "Europe/Paris", False),
        ("2026-07-06T06:30", "Europe/Paris", True),
        ("2026-01-04T23:30", "Asia/Tokyo", True),
        ("2026-01-04T23:30", "UTC", False),
    ):
        moment = datetime.fromisoformat(at).replace(tzinfo=UTC)
        decision = decide(
            Permission.JOBS_JOBS_WRITE, asker=Asker(Role.AUDITOR, ("desk",), at=moment, zone=zone), rulebook=book
        )
        assert decision.permit is permit, (at, zone)
        assert permit or decision.params["zone"] == zone, "the refusal says in which zone"
    alice, base = cast.alice, f"/t/{cast.acme.slug}"
    assert alice.api("GET", "/time-zone").json == {"time_zone": "UTC"}
    assert alice.api("PUT", "/time-zone", json={"time_zone": "Mars/Base"}).json["errors"][0]["pointer"] == "/time_zone"
    assert alice.post(f"{base}/time-zone", {"time_zone": "Mars/Base"}).status_code == 422
    assert cast.dave.api("PUT", "/time-zone", json={"time_zone": "Asia/Tokyo"}).status_code == 403
    assert alice.post(f"{base}/time-zone", {"time_zone": "Asia/Tokyo"}).status_code == 303
    assert alice.api("PUT", "/time-zone", json={"time_zone": "Europe/Paris"}).json == {"time_zone": "Europe/Paris"}
    shown = alice.browser()
    for path in ("/time-zone", "/access/roles", "/access/grants"):
        assert "Europe/Paris" in shown.get(base + path).text, path
    events = alice.api("GET", "/audit-events?action=tenant.time_zone_changed").json["data"]
    assert [one["difference"]["time_zone"] for one in events] != []
    # What is asked with every request knows the zone, of a session and of a token.
    role = {"name": "desk", "title": "Desk", "permissions": ["jobs:jobs:write"]}
    now = datetime.now(UTC).astimezone(ZoneInfo("Asia/Tokyo"))
    open_now = {"begins": f"{now.hour:02d}:00", "ends": "24:00" if now.hour == 23 else f"{now.hour + 1:02d}:00"}
    made = alice.api("POST", "/access/roles", json=role | {"conditions": open_now})
    assert made.status_code == 201, made.text
    alice.api("PUT", "/access/roles/desk/members", json={"person_ids": [str(cast.carol.id)]})
    for zone, permit in (("Asia/Tokyo", True), ("Europe/Paris", False)):
        assert alice.api("PUT", "/time-zone", json={"time_zone": zone}).status_code == 200
        assert ("jobs:jobs:write" in cast.carol.api("GET", "/access/own").json["permissions"]) is permit, zone
        assert ("jobs:write" in cast.carol.browser().get(f"{base}/access").text) is permit, zone


def test_conditions_that_cannot_be_read_are_refused_at_their_fields():
    plain = {"second_factor": False, "networks": "", "begins": "", "ends": "", "working_days": False}
    for wrong, field in (
        ({"networks": "everywhere"}, "networks"),
        ({"networks": "192.0.2.7/24"}, "networks"),
        ({"begins": "25:00", "ends": "26:00"}, "begins"),
        ({"begins": "08:00"}, "ends"),
        ({"begins": "18:00", "ends": "08:00"}, "ends"),
    ):
        with pytest.raises(Invalid) as refused:
            read_conditions(**(plain | wrong))
        assert refused.value.errors[0].field == field
    assert read_conditions(**(plain | {"begins": "08:00", "ends": "24:00"})).hours == (480, 1440)
