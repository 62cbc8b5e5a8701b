"""Every address and every call of the JSON API, taken from the application itself: B does not exist for A."""

from uuid import UUID

import pytest
from sqlalchemy.orm import Session

from tenants import door
from tests.webapp.tenancy.contents import fingerprint
from tests.webapp.tenancy.mutation import mutate
from tests.webapp.tenancy.routes import calls
from tests.webapp.tenancy.stage import Stage, collect_forms, foreign_ids, foreign_workspace, unchanged, watched
from webapp.jobs import queries as jobs
from webapp.tenancy import queries


def test_the_matrix_sees_the_application(stage: Stage):
    found = calls(stage.app)
    assert len([call for call in found if call.is_api]) >= 20
    assert len([call for call in found if not call.is_api]) >= 10


def test_a_foreign_workspace_is_like_one_that_is_nowhere(stage: Stage):
    before = fingerprint(stage.owner, stage.b)
    with watched(stage):
        assert "\n".join(foreign_workspace(stage)) == ""
    assert unchanged(stage, before) == []


def test_foreign_ids_are_like_ids_that_nothing_has(stage: Stage):
    before = fingerprint(stage.owner, stage.b)
    collect_forms(stage)
    reached: dict[str, int] = {}
    with watched(stage):
        assert "\n".join(foreign_ids(stage, reached)) == ""
    assert unchanged(stage, before) == []
    assert len(reached) >= 30
    # A list that is filtered by an id of B is as empty as one that is filtered by an unknown id.
    answered = [call for call, status in reached.items() if status not in {404, 422}]
    assert all(call.startswith("GET ") and "_id>" not in call for call in answered), answered
    reads = [status for call, status in reached.items() if call.startswith("GET") and "_id>" in call]
    assert set(reads) == {404}


def test_a_build_that_forgets_who_asks_turns_the_matrix_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    def anybody(*, session: Session, slug: str, person_id: UUID) -> tuple[queries.TenantView, str] | None:
        tenant = queries.tenant_by_slug(session=session, slug=slug)
        return tenant and (tenant, "owner")

    monkeypatch.setattr(queries, "membership", anybody)
    assert foreign_workspace(stage)


def test_a_build_whose_tokens_open_every_workspace_of_their_person_turns_the_matrix_red(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    mutate(monkeypatch, door._place_of, "here.tenant.slug == g.slug", "True")
    assert foreign_workspace(stage)


def test_a_build_that_shows_every_job_by_its_id_turns_the_matrix_red(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    mutate(monkeypatch, jobs.job, "if tenant_id is not None:", "if False:")
    assert foreign_ids(stage)
