"""Background work, as the workspace sees it."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from tests.cast import Cast, Workspace
from webapp.jobs import commands
from webapp.kernel.actor import Actor


def queued(workspace: Workspace, kind: str = "imports.check") -> UUID:
    """Queue a job of a workspace."""
    owner = workspace.owner
    actor = Actor(person_id=owner.id, label="", via="session")
    with workspace.begin() as session:
        return commands.enqueue(
            session=session, actor=actor, at=datetime.now(UTC), job_id=uuid4(), kind=kind, arguments={}, queue="imports"
        )


def put(cast: Cast, job_id: UUID, **values: object) -> None:
    """Put a job into a state."""
    changes = ", ".join(f"{name} = :{name}" for name in values)
    with cast.app.extensions["comptoir"].database.platform() as session:
        session.execute(text(f"UPDATE job SET {changes} WHERE id = :id"), {"id": job_id, **values})


def test_a_job_shows_its_progress_and_how_long_it_takes(cast: Cast) -> None:
    job_id = queued(cast.acme)
    put(cast, job_id, state="running", progress_done=250, progress_total=1000, started_at=datetime.now(UTC))
    found = cast.bob.api("GET", f"/jobs/{job_id}").json
    assert (found["state"], found["done"], found["total"]) == ("running", 250, 1000)
    assert found["seconds_left"] >= 1
    page = cast.bob.browser().get(f"/t/{cast.acme.slug}/jobs").get_data(as_text=True)
    assert 'value="250"' in page
    assert 'data-hx-trigger="every 2s"' in page


def test_another_workspaces_job_does_not_exist(cast: Cast) -> None:
    job_id = queued(cast.bravo)
    unknown = cast.alice.api("GET", f"/jobs/{uuid4()}")
    for method, path in (("GET", ""), ("POST", "/cancellation"), ("POST", "/retry")):
        answer = cast.alice.api(method, f"/jobs/{job_id}{path}")
        assert answer.status_code == 404
        assert answer.json["detail"] == unknown.json["detail"]
    assert cast.alice.api("GET", "/jobs").json["data"] == []
    assert cast.mallory.api("GET", f"/jobs/{job_id}").json["state"] == "queued"
    assert cast.alice.post(f"/t/{cast.acme.slug}/jobs/{job_id}/cancellation").status_code == 404


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_asked(cast: Cast) -> None:
    waiting, running = queued(cast.acme), queued(cast.acme)
    put(cast, running, state="running")
    assert cast.alice.api("POST", f"/jobs/{waiting}/cancellation").json["state"] == "cancelled"
    asked = cast.alice.api("POST", f"/jobs/{running}/cancellation").json
    assert asked["state"] == "running"
    assert asked["cancel_requested_at"] is not None
    again = cast.alice.api("POST", f"/jobs/{waiting}/cancellation")
    assert again.status_code == 409
    assert "cancelled" in again.json["detail"]


def test_a_parked_job_shows_its_reason_and_can_be_tried_again(cast: Cast) -> None:
    job_id = queued(cast.acme)
    put(cast, job_id, state="parked", attempts=3, error="The disk <is> full")
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/jobs?state=parked").get_data(as_text=True)
    assert "The disk &lt;is&gt; full" in page
    again = cast.alice.api("POST", f"/jobs/{job_id}/retry").json
    assert (again["state"], again["attempts"], again["error"]) == ("queued", 0, None)
    assert cast.alice.api("POST", f"/jobs/{job_id}/retry").status_code == 409
    events = cast.alice.api("GET", f"/audit-events?action=job.retried&object_id={job_id}").json["data"]
    assert [event["actor"] for event in events] == [cast.alice.email]


def test_a_member_watches_but_does_not_touch(cast: Cast) -> None:
    job_id = queued(cast.acme)
    assert cast.bob.api("POST", f"/jobs/{job_id}/cancellation").status_code == 403
    assert "/cancellation" not in cast.bob.browser().get(f"/t/{cast.acme.slug}/jobs").get_data(as_text=True)


def test_the_list_is_paged_newest_first_and_filtered(cast: Cast) -> None:
    made = [queued(cast.acme) for _ in range(5)]
    first = cast.alice.api("GET", "/jobs?limit=3").json
    second = cast.alice.api("GET", f"/jobs?limit=3&cursor={first['next_cursor']}").json
    assert [row["id"] for row in first["data"] + second["data"]] == [str(job_id) for job_id in reversed(made)]
    assert cast.alice.api("GET", "/jobs?state=done").json["data"] == []
    assert cast.alice.api("GET", "/jobs?state=odd").status_code == 422


def test_the_fragment_alone_is_answered_when_it_asks_for_itself(cast: Cast) -> None:
    queued(cast.acme)
    headers = {"HX-Request": "true", "HX-Request-Type": "partial", "HX-Target": "div#job-list"}
    part = cast.alice.browser().get(f"/t/{cast.acme.slug}/jobs", headers=headers).get_data(as_text=True)
    assert part.lstrip().startswith('<div id="job-list"')
    assert "<html" not in part


def test_an_empty_list_says_what_will_stand_there(cast: Cast) -> None:
    page = cast.alice.browser().get(f"/t/{cast.acme.slug}/jobs").get_data(as_text=True)
    assert "Nothing to do in the background" in page
    assert "every 2s" not in page


def test_a_job_of_a_later_time_is_planned_and_nothing_asks_for_it_again_and_again(cast: Cast) -> None:
    put(cast, queued(cast.acme), available_at=datetime.now(UTC) + timedelta(days=1))
    page = cast.bob.browser().get(f"/t/{cast.acme.slug}/jobs").get_data(as_text=True)
    assert "Planned" in page
    assert "every 2s" not in page
