"""What a job's code is given: its arguments, its tenant's transactions, and a way to say how far it is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.jobs import commands
from webapp.jobs.commands import Claim
from webapp.kernel.actor import Actor
from webapp.kernel.clock import Clock
from webapp.kernel.crypto import KeyRing, ring_of
from webapp.kernel.db import Database, TenantRef
from webapp.settings import Settings


class JobCancelled(Exception):
    """A person asked the job to stop; raised at a beat, rolls the job's transaction back."""


class TryLater(Exception):
    """What the job needs is away for now; it runs again after `delay`, as often as its code asks for it."""

    def __init__(self, reason: str, delay: timedelta) -> None:
        self.delay = delay
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class JobContext:
    """One run of one job."""

    claim: Claim
    settings: Settings
    database: Database
    clock: Clock
    new_id: Callable[[], UUID]
    new_secret: Callable[[], str]
    after_commit: Callable[[Session], None]

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the job's JSON arguments."""
        return self.claim.arguments

    @property
    def actor(self) -> Actor:
        """Return the actor of what the job does: the person who started it from there, through a job."""
        return Actor(
            person_id=self.claim.created_by,
            label=self.claim.label,
            via="job",
            request_id=self.claim.request_id,
            source_address=self.claim.source_address,
            through_id=str(self.claim.id),
        )

    @property
    def keys(self) -> KeyRing:
        """Return what seals and opens fields."""
        return ring_of(self.database)

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Open one transaction bound to the job's tenant (or to the platform); commit, deliver what it enqueued."""
        tenant = self.claim.tenant_id
        unit = self.database.platform() if tenant is None else self.database.tenant(TenantRef(tenant))
        with unit as session:
            session.info["trace"] = self.claim.trace
            yield session
        self.after_commit(session)

    def beat(self, *, done: int | None = None, total: int | None = None) -> None:
        """Say that the job is alive and how far it is, in a transaction of its own (at least every 5 s).

        Raises JobCancelled.
        """
        with self.database.platform() as session:
            stop = commands.beat(session=session, claim=self.claim, at=self.clock(), done=done, total=total)
        if stop:
            raise JobCancelled


Handler = Callable[[JobContext], None]
"""The code of one kind of job."""
