"""Members and invitations, over the JSON API and on the page."""

from uuid import uuid4

from tests.cast import Cast
from tests.hands import letters, link_in, queued, work
from webapp.access.asker import Asker
from webapp.access.guard import permitted
from webapp.access.permissions import WITHOUT_ROOMS, Permission, Role
from webapp.settings import Settings


def test_a_member_reads_who_is_in_the_workspace(cast: Cast) -> None:
    answer = cast.bob.api("GET", "/members")
    assert answer.status_code == 200
    assert {row["role"] for row in answer.json["data"]} == {"owner", "accountant", "member", "auditor"}
    assert cast.mallory.email not in answer.text


def test_members_come_in_pages(cast: Cast) -> None:
    first = cast.alice.api("GET", "/members?limit=3").json
    second = cast.alice.api("GET", f"/members?limit=3&cursor={first['next_cursor']}").json
    assert (first["has_more"], second["has_more"]) == (True, False)
    assert len({row["person_id"] for row in first["data"] + second["data"]}) == 4


def test_only_an_owner_invites_and_the_refusal_names_the_role(cast: Cast) -> None:
    answer = cast.dave.api("POST", "/invitations", json={"email": "new@example.org"})
    assert answer.status_code == 403
    assert "accountant" in answer.json["detail"]


def test_an_invitation_goes_out_by_mail_and_the_job_forgets_the_link(cast: Cast, settings: Settings) -> None:
    email = f"nour-{uuid4().hex[:8]}@example.org"
    made = cast.alice.api("POST", "/invitations", json={"email": email, "role": "accountant"})
    assert made.status_code == 201, made.text
    assert cast.alice.api("GET", made.headers["Location"].partition(cast.acme.slug)[2]).json == made.json
    work(settings, "mail.send")
    (letter,) = letters(settings, email)
    assert link_in(letter).startswith("/invitations/")
    kept = queued(cast.alice.app.extensions["comptoir"].database, to=email)
    assert ["values" in job.arguments for job in kept] == [False]


def test_a_refused_invitation_sends_nothing(cast: Cast, settings: Settings) -> None:
    answer = cast.alice.api("POST", "/invitations", json={"email": cast.bob.email})
    assert answer.status_code == 409
    assert answer.json["code"] == "already_member"
    work(settings, "mail.send")
    assert letters(settings, cast.bob.email) == []


def test_a_second_invitation_to_the_same_address_replaces_the_first(cast: Cast) -> None:
    first = cast.alice.api("POST", "/invitations", json={"email": "Twice@example.org"}).json
    second = cast.alice.api("POST", "/invitations", json={"email": "twice@example.org", "role": "auditor"}).json
    listed = cast.alice.api("GET", "/invitations").json["data"]
    assert [row["id"] for row in listed] == [second["id"]] != [first["id"]]


def test_a_withdrawn_invitation_is_gone(cast: Cast) -> None:
    made = cast.alice.api("POST", "/invitations", json={"email": "gone@example.org"}).json
    assert cast.alice.api("DELETE", f"/invitations/{made['id']}").status_code == 204
    assert cast.alice.api("GET", f"/invitations/{made['id']}").status_code == 404
    assert cast.alice.api("DELETE", f"/invitations/{made['id']}").status_code == 404


def test_another_workspaces_invitation_cannot_be_withdrawn(cast: Cast) -> None:
    made = cast.alice.api("POST", "/invitations", json={"email": "safe@example.org"}).json
    assert cast.mallory.api("DELETE", f"/invitations/{made['id']}").status_code == 404
    assert cast.alice.api("GET", f"/invitations/{made['id']}").status_code == 200


def test_a_new_role_holds_at_once_and_is_in_the_trail(cast: Cast) -> None:
    assert cast.bob.api("POST", "/invitations", json={"email": "x@example.org"}).status_code == 403
    changed = cast.alice.api("PUT", f"/members/{cast.bob.id}", json={"role": "owner"})
    assert changed.json["role"] == "owner"
    assert cast.bob.api("POST", "/invitations", json={"email": "x@example.org"}).status_code == 201
    events = cast.alice.api("GET", f"/audit-events?object_type=member&object_id={cast.bob.id}").json["data"]
    assert events[0]["difference"]["role"] == ["member", "owner"]


def test_the_last_owner_stays_one(cast: Cast) -> None:
    for answer in (
        cast.alice.api("PUT", f"/members/{cast.alice.id}", json={"role": "member"}),
        cast.alice.api("DELETE", f"/members/{cast.alice.id}"),
    ):
        assert answer.status_code == 409
        assert answer.json["code"] == "last_owner"
    page = cast.alice.post(f"/t/{cast.acme.slug}/members/{cast.alice.id}/removal")
    assert page.status_code == 422
    assert "last owner" in page.get_data(as_text=True)


def test_a_removed_member_is_out_within_one_request_and_their_token_does_not_come_back(cast: Cast) -> None:
    assert cast.alice.api("DELETE", f"/members/{cast.bob.id}").status_code == 204
    assert cast.bob.api("GET", "/members").status_code == 401
    assert cast.bob.browser().get(f"/t/{cast.acme.slug}/members").status_code == 404
    cast.alice.api("POST", "/invitations", json={"email": cast.bob.email})
    assert cast.bob.api("GET", "/members").status_code == 401


def test_an_unknown_person_is_no_member(cast: Cast) -> None:
    assert cast.alice.api("GET", f"/members/{cast.mallory.id}").status_code == 404
    assert cast.alice.api("DELETE", f"/members/{cast.mallory.id}").status_code == 404
    assert cast.alice.api("PUT", f"/members/{uuid4()}", json={"role": "owner"}).status_code == 404


def test_the_page_keeps_what_was_typed_and_says_what_is_wrong(cast: Cast) -> None:
    path = f"/t/{cast.acme.slug}/invitations"
    page = cast.alice.post(path, {"email": "no address", "role": "auditor"})
    text = page.get_data(as_text=True)
    assert page.status_code == 422
    assert 'value="no address"' in text
    assert "This is not an e-mail address." in text
    assert cast.alice.post(path, {"email": "a@example.org", "role": "emperor"}).status_code == 422
    sent = cast.alice.post(path, {"email": "a@example.org", "role": "auditor"})
    assert sent.status_code == 303
    assert "a@example.org" in cast.alice.browser().get(f"/t/{cast.acme.slug}/members").get_data(as_text=True)


def test_the_page_offers_a_member_nothing_that_would_be_refused(cast: Cast) -> None:
    page = cast.bob.browser().get(f"/t/{cast.acme.slug}/members").get_data(as_text=True)
    assert "/invitations" not in page
    assert "/removal" not in page
    assert cast.bob.post(f"/t/{cast.acme.slug}/members/{cast.carol.id}/removal").status_code == 403


def test_invitations_of_an_owner_end_with_the_owner(cast: Cast, settings: Settings) -> None:
    for person, act in (
        (cast.dave, lambda: cast.alice.api("DELETE", f"/members/{cast.dave.id}")),
        (cast.bob, lambda: cast.alice.api("PUT", f"/members/{cast.bob.id}", json={"role": "member"})),
    ):
        assert cast.alice.api("PUT", f"/members/{person.id}", json={"role": "owner"}).status_code == 200
        email = f"friend-{uuid4().hex[:8]}@example.org"
        made = person.api("POST", "/invitations", json={"email": email, "role": "owner"}).json
        kept = cast.alice.api("POST", "/invitations", json={"email": f"k{email}"}).json
        work(settings, "mail.send")
        (letter,) = letters(settings, email)
        assert act().status_code in {200, 204}
        open_now = {row["id"] for row in cast.alice.api("GET", "/invitations").json["data"]}
        assert kept["id"] in open_now
        assert made["id"] not in open_now
        assert cast.app.test_client().get(link_in(letter)).status_code == 410
        trail = cast.alice.api("GET", f"/audit-events?object_type=invitation&object_id={made['id']}").json["data"]
        assert [event["action"] for event in trail] == ["invitation.revoked", "invitation.sent"]


def test_roles_whose_rooms_are_not_built_are_offered_to_nobody_and_kept_by_who_has_one(cast: Cast) -> None:
    pages = {name: f"/t/{cast.acme.slug}/{name}" for name in ("members", "service-accounts", "second-factor")}
    for page in pages.values():
        html = cast.alice.browser().get(page).text
        assert 'value="auditor"' in html, "the others are"
        assert 'value="technician"' not in html
        assert 'value="customer"' not in html
    assert cast.alice.api("PUT", f"/members/{cast.bob.id}", json={"role": "technician"}).status_code == 200
    html = cast.alice.browser().get(pages["members"]).text
    assert html.count('value="technician" selected') == html.count('value="technician"') == 1


def test_no_room_gives_anything_to_the_roles_that_are_not_offered() -> None:
    everybodys = permitted(asker=Asker(Role.CUSTOMER))
    for role in WITHOUT_ROOMS:
        assert permitted(asker=Asker(role)) <= everybodys | {Permission.MEMBERS_MEMBERS_READ}, role
    assert {one.scope.partition(":")[0] for one in everybodys} <= {"access", "tokens", "policies"}
