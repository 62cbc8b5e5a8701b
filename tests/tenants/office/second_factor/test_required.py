"""A workspace asks roles of its choice for a second factor: no way in without one, and a way to get one."""

import secrets
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from flask.testing import FlaskClient

from tests.cast import Cast, Person
from tests.webapp.identity.test_interrupted import form_of, send
from tests.webapp.identity.test_passkeys import Device, add, options, sign_in
from webapp.identity.sessions import open_session
from webapp.web.state import KEY


def require(cast: Cast, *roles: str) -> None:
    """Let Alice choose the roles."""
    answer = cast.alice.api("PUT", "/second-factor", json={"roles": list(roles)})
    assert answer.status_code == 200, answer.text


def home(cast: Cast, client: FlaskClient) -> tuple[int, str]:
    """Return how the workspace's first page answers, and where it leads."""
    answer = client.get(f"/t/{cast.acme.slug}/")
    return answer.status_code, answer.headers.get("Location", "")


def test_a_member_of_such_a_role_is_led_to_set_one_up_and_comes_in_with_it(cast: Cast) -> None:
    require(cast, "accountant", "owner")
    dave = cast.dave.browser()
    led = home(cast, dave)
    assert led == (303, f"/profile/security?needed={cast.acme.slug}")
    assert "A second factor is needed." in dave.get(led[1]).text
    sent = cast.dave.post(f"/t/{cast.acme.slug}/accounts", {"name": "Bank", "kind": "asset", "currency": "EUR"})
    assert (sent.status_code, "Set up a passkey" in sent.text) == (403, True)
    refused = cast.dave.api("GET", "/accounts")
    assert (refused.status_code, refused.json["code"]) == (403, "second_factor_needed")
    device = Device()
    assert add(dave, device).status_code == 201
    assert home(cast, dave)[0] == 200
    assert cast.dave.api("GET", "/accounts").status_code == 200, "a personal token works while its person has one"
    assert home(cast, cast.bob.browser())[0] == 200, "other roles are not asked"
    assert home(cast, cast.alice.browser())[0] == 303, "who chose it is asked as well"

    # A session of the same person that came without it shows it, and a password would not do.
    other = second_session(cast.dave)
    asked = home(cast, other)
    assert asked == (303, f"/confirmation?next=/t/{cast.acme.slug}/&second=1")
    page = other.get(asked[1]).text
    assert "confirm_password" not in page
    given = device.answer(options(other, "/passkeys/challenge/confirmation"))
    shown = send(other, form_of(page, "/confirmation"), confirm_passkey=given)
    assert shown.headers["Location"] == f"/t/{cast.acme.slug}/"
    assert home(cast, other)[0] == 200
    fresh = cast.app.test_client()
    assert sign_in(fresh, device.answer(options(fresh, "/passkeys/challenge/sign_in"))).status_code == 303
    assert home(cast, fresh)[0] == 200


def second_session(person: Person) -> FlaskClient:
    """Return a browser of somebody whose session has not shown the second factor that they have."""
    secret, at = secrets.token_urlsafe(32), datetime.now(UTC)
    with person.app.extensions[KEY].database.platform() as session:
        open_session(
            session=session,
            actor=person.actor,
            at=at,
            session_id=uuid4(),
            secret=secret,
            person_id=person.id,
            life=timedelta(days=1),
            user_agent="test",
        )
    client = person.app.test_client()
    client.set_cookie("comptoir", secret)
    return client


def test_only_owners_choose_and_only_roles_that_there_are(cast: Cast) -> None:
    path = f"/t/{cast.acme.slug}/second-factor"
    assert cast.alice.post(path, {"roles": ["auditor", "member"]}).status_code == 303
    assert cast.carol.api("GET", "/second-factor").status_code == 403, "Carol is an auditor without one now"
    assert cast.dave.api("GET", "/second-factor").json == {"roles": ["auditor", "member"]}
    assert cast.dave.api("PUT", "/second-factor", json={"roles": []}).status_code == 403
    assert cast.dave.post(path, {"roles": []}).status_code == 403
    assert cast.alice.post(path, {"roles": ["king"]}).status_code == 422
    assert cast.alice.api("PUT", "/second-factor", json={"roles": ["king"]}).status_code == 422
    assert cast.alice.post(path, {}).status_code == 303
    assert cast.carol.api("GET", "/accounts").status_code == 200
    (event, *_older) = cast.alice.api("GET", "/audit-events?object_type=second_factor").json["data"]
    assert event["difference"]["roles"] == [["auditor", "member"], []]
