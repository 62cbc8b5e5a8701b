"""The decision log: written beside the hot path by one thread for each process, never waited for by a decision.

A decision puts a line into a bounded queue. When the queue is full the line is dropped and counted: a slow database
costs lines of the log, and no decision.
"""

import json
import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tenants.office.policies.rules import Answer, Question
from webapp.kernel.db import Database, NotBoundError, TenantRef

JOURNAL = "policy_journal"
"""Under this name an application keeps its log among its extensions."""
QUEUE_MAX = 50_000
FLUSH_SECONDS = 0.25
ROWS_AT_ONCE = 2_000
CLOSE_SECONDS = 5.0
PERCENT = 100

log = structlog.get_logger()

_WRITE = text("""
    INSERT INTO policy_decision (store_id, decision_id, at, version, subject_type, subject_id, action, resource_type,
        resource_id, told, permit, code, policies, microseconds, asked_by, request_id)
    SELECT d.store_id, d.decision_id, d.at, d.version, d.subject_type, d.subject_id, d.action, d.resource_type,
        d.resource_id, d.told, d.permit, d.code, d.policies, d.microseconds, d.asked_by, d.request_id
    FROM jsonb_to_recordset(CAST(:lines AS jsonb)) AS d (store_id bigint, decision_id uuid, at timestamptz,
        version integer, subject_type text, subject_id text, action text, resource_type text, resource_id text,
        told jsonb, permit boolean, code text, policies text[], microseconds integer, asked_by uuid, request_id text)
    JOIN policy_store s ON s.id = d.store_id
""")
"""One statement for many lines; those of a store that was removed meanwhile go nowhere."""


@dataclass(frozen=True, slots=True)
class Line:
    """One decision to be kept."""

    tenant: TenantRef
    store_id: int
    decision_id: UUID
    at: datetime
    version: int
    question: Question
    answer: Answer
    asked_by: UUID
    request_id: str

    def written(self) -> dict[str, Any]:
        """Return it as a row."""
        question, answer = self.question, self.answer
        return {
            "store_id": self.store_id,
            "decision_id": str(self.decision_id),
            "at": self.at.isoformat(),
            "version": self.version,
            "subject_type": question.subject.type,
            "subject_id": question.subject.id,
            "action": question.action,
            "resource_type": question.resource.type,
            "resource_id": question.resource.id,
            "told": question.told,
            "permit": answer.permit,
            "code": answer.code.value,
            "policies": list(answer.policies),
            "microseconds": answer.microseconds,
            "asked_by": str(self.asked_by),
            "request_id": self.request_id,
        }


class Journal:
    """The queue of one process and the thread that empties it; the thread begins with the first line."""

    def __init__(
        self, database: Database, *, queue_max: int = QUEUE_MAX, chance: Callable[[], float] = random.random
    ) -> None:
        self._database = database
        self._queue: deque[Line] = deque()
        self._queue_max = queue_max
        self._chance = chance
        self._lock = threading.Lock()
        self._flushing = threading.Lock()
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self.written = self.dropped = 0

    def put(self, line: Line, *, percent: int) -> None:
        """Take a line, or a sample of the lines; never waits, and drops it when too many wait already."""
        if percent < PERCENT and self._chance() * PERCENT >= percent:
            return
        if len(self._queue) >= self._queue_max or self._over.is_set():
            self.dropped += 1
            return
        self._queue.append(line)
        if self._thread is None:
            self._begin()

    def flush(self) -> int:
        """Write what waits and return how many lines that were; what cannot be written is dropped and counted."""
        count = 0
        with self._flushing:
            while self._queue:
                lines = [self._queue.popleft() for _ in range(min(ROWS_AT_ONCE, len(self._queue)))]
                count += self._write(lines)
        return count

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._over.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_SECONDS)
        self.flush()

    def _begin(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="decision log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait(FLUSH_SECONDS)
            self.flush()

    def _write(self, lines: list[Line]) -> int:
        by_tenant: dict[TenantRef, list[Line]] = defaultdict(list)
        for line in lines:
            by_tenant[line.tenant].append(line)
        count = 0
        for tenant, some in by_tenant.items():
            try:
                with self._database.tenant(tenant) as session:
                    session.execute(_WRITE, {"lines": json.dumps([line.written() for line in some])})
            except (SQLAlchemyError, psycopg.Error, NotBoundError) as error:
                self.dropped += len(some)
                log.warning("decisions.not_written", lines=len(some), reason=str(error).splitlines()[0])
                continue
            count += len(some)
        self.written += count
        return count
