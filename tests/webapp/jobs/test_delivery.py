"""A job leaves for Valkey once its transaction is committed, never before; the sweep finds what is due."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import Engine, text

from tests import hands
from tests.cast import Cast
from tests.webapp.tenancy.mutation import mutate
from webapp.app import create_app
from webapp.jobs import commands
from webapp.jobs.delivery import Courier, connect
from webapp.kernel.actor import Actor
from webapp.kernel.db import Database, bind_platform
from webapp.settings import Settings
from webapp.web import unit
from webapp.web.state import KEY
from webapp.web.unit import open_unit

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACTOR = Actor.system("test", via="cli")


class Witness:
    """Looks, at the moment of delivery and from another connection, whether the job's row is there."""

    def __init__(self, owner: Engine) -> None:
        self.owner = owner
        self.seen: list[tuple[UUID, bool]] = []

    def after_commit(self, session: Any) -> None:
        for _queue, job_id in session.info.pop("deliver", []):
            with self.owner.connect() as connection:
                found = connection.scalar(text("SELECT count(*) FROM platform.job WHERE id = :id"), {"id": job_id})
            self.seen.append((job_id, found == 1))


@pytest.fixture
def witness(owner: Engine) -> Witness:
    return Witness(owner)


@pytest.fixture
def office(settings: Settings, owner: Engine, witness: Witness) -> Iterator[Flask]:
    """Return an application with addresses that queue a job and end in different ways."""
    made = create_app(settings, after_commit=witness.after_commit)

    def queue(end: str) -> Any:
        session = open_unit()
        bind_platform(session)
        commands.enqueue(
            session=session, actor=ACTOR, at=datetime.now(UTC), job_id=uuid4(), kind="witnessed", arguments={}
        )
        if end == "breaks":
            raise LookupError(end)
        if end == "cannot-commit":
            # A constraint that is looked at when the transaction is committed.
            session.execute(text("SELECT 1"))
            session.connection().connection.driver_connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return ("", {"well": 200, "elsewhere": 303, "refused": 422}[end])

    made.add_url_rule("/queue/<end>", view_func=queue)
    yield made
    made.extensions[KEY].database.close()
    made.extensions[KEY].redis.close()
    with owner.begin() as connection:
        connection.execute(text("DELETE FROM platform.job WHERE kind = 'witnessed'"))


def kept(owner: Engine) -> int:
    """Return how many of the jobs are rows."""
    with owner.connect() as connection:
        return int(connection.scalar(text("SELECT count(*) FROM platform.job WHERE kind = 'witnessed'")) or 0)


@pytest.mark.parametrize("end", ["well", "elsewhere"])
def test_a_job_is_delivered_when_its_row_is_committed(office: Flask, witness: Witness, owner: Engine, end: str):
    office.test_client().get(f"/queue/{end}")
    assert [there for _job_id, there in witness.seen] == [True]
    assert kept(owner) == 1


@pytest.mark.parametrize("end", ["refused", "breaks", "cannot-commit"])
def test_a_job_of_an_act_that_came_to_nothing_is_neither_kept_nor_delivered(
    office: Flask, witness: Witness, owner: Engine, end: str
):
    assert office.test_client().get(f"/queue/{end}").status_code >= 400
    assert witness.seen == []
    assert kept(owner) == 0


def test_a_build_that_delivers_before_the_commit_turns_red(
    office: Flask, witness: Witness, owner: Engine, monkeypatch: pytest.MonkeyPatch
):
    mutate(
        monkeypatch,
        unit.close_unit,
        "unit.__exit__(None, None, None)",
        "services().after_commit(session); unit.__exit__",
    )
    office.test_client().get("/queue/well")
    assert [there for _job_id, there in witness.seen] == [False]


def test_a_page_that_queues_a_job_delivers_it(cast: Cast, settings: Settings):
    valkey: Redis[Any] = connect(settings.redis_url)
    queue = Queue("mail", connection=valkey, serializer=JSONSerializer)
    before = set(queue.job_ids)
    assert cast.alice.api("POST", "/invitations", json={"email": f"{uuid4().hex}@example.org"}).status_code == 201
    (new,) = set(queue.job_ids) - before
    with cast.app.extensions[KEY].database.platform() as session:
        kind = session.scalar(text("SELECT kind FROM job WHERE id = :id"), {"id": new[:36]})
    valkey.close()
    assert kind == "mail.send"


def test_a_valkey_that_is_away_costs_no_act(cast: Cast, settings: Settings, owner: Engine):
    nowhere: Redis[Any] = connect("redis://127.0.0.1:1/0")
    office = create_app(settings, after_commit=Courier(nowhere).after_commit)
    try:
        cast.alice.app = office
        email = f"{uuid4().hex}@example.org"
        assert cast.alice.api("POST", "/invitations", json={"email": email}).status_code == 201
        with office.extensions[KEY].database.platform() as session:
            due = commands.sweep(session=session, at=datetime.now(UTC) + timedelta(seconds=1))
        mine = {job.id for job in hands.queued(office.extensions[KEY].database, to=email)}
    finally:
        nowhere.close()
        office.extensions[KEY].database.close()
        office.extensions[KEY].redis.close()
    assert mine <= {job_id for _queue, job_id in due}
    assert mine


def queued(database: Database, at: datetime = AT, **values: Any) -> UUID:
    """Queue a job and set what its row says."""
    job_id = uuid4()
    with database.platform() as session:
        commands.enqueue(session=session, actor=ACTOR, at=at, job_id=job_id, kind="swept", arguments={}, **values)
    return job_id


def sweep(database: Database, at: datetime) -> set[UUID]:
    """Sweep and return what is to be delivered."""
    with database.platform() as session:
        return {job_id for _queue, job_id in commands.sweep(session=session, at=at)}


def test_the_sweep_finds_what_is_due_and_nothing_else(database: Database, cast: Cast):
    never = queued(database)
    later = queued(database, delay=timedelta(minutes=5))
    held = queued(database)
    lost = queued(database)
    over = queued(database)
    with database.tenant(cast.acme.ref) as session:
        waits = commands.enqueue(session=session, actor=ACTOR, at=AT, job_id=uuid4(), kind="swept", arguments={})
    with database.platform() as session:
        session.execute(
            text("UPDATE job SET delivered_at = :at WHERE id = :id"), {"id": held, "at": AT - timedelta(seconds=2)}
        )
        session.execute(
            text("UPDATE job SET delivered_at = :at WHERE id = :id"), {"id": lost, "at": AT - timedelta(minutes=1)}
        )
        session.execute(text("UPDATE job SET state = 'done' WHERE id = :id"), {"id": over})
        session.execute(text("UPDATE tenant SET suspended_at = now() WHERE id = :id"), {"id": cast.acme.ref.id})
    mine = {never, later, held, lost, over, waits}
    assert sweep(database, AT) & mine == {never, lost}
    assert sweep(database, AT + timedelta(seconds=1)) & mine == set(), "what was just delivered is left alone"
    with database.platform() as session:
        session.execute(text("UPDATE tenant SET suspended_at = NULL WHERE id = :id"), {"id": cast.acme.ref.id})
    assert sweep(database, AT + timedelta(minutes=6)) & mine == {never, later, held, lost, waits}
    with database.platform() as session:
        session.execute(text("DELETE FROM job WHERE kind = 'swept'"))


def test_the_pauses_between_tries_grow(database: Database):
    job_id, pauses, at = queued(database), [], AT
    for _ in range(commands.ATTEMPTS_MAX):
        with database.platform() as session:
            claim = commands.claim(session=session, job_id=job_id, at=at)
            assert claim is not None
        with database.platform() as session:
            commands.fail(session=session, claim=claim, at=at, error="broken")
            state, due = session.execute(
                text("SELECT state, available_at FROM job WHERE id = :id"), {"id": job_id}
            ).one()
        if state == "queued":
            pauses.append((due - at).total_seconds())
            with database.platform() as session:
                early = commands.claim(session=session, job_id=job_id, at=due - timedelta(milliseconds=1))
            assert early is None, "nobody begins it before its time"
            at = due
    assert pauses == [2.0, 4.0]
    assert state == "parked"
    with database.platform() as session:
        session.execute(text("DELETE FROM job WHERE kind = 'swept'"))
