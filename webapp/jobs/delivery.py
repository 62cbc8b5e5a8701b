"""The way of job ids to Valkey, after the commit. What is lost there, the clock's sweep delivers again."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

QUEUES = ("imports", "mail", "default")
PERFORM = "webapp.worker.perform"
RESULT_SECONDS = 60
JOB_SECONDS_MAX = 3600

log = structlog.get_logger()


class Courier:
    """Carries ids of committed jobs to RQ; JSON only, never pickle."""

    def __init__(self, connection: "Redis[Any]") -> None:
        self._connection = connection

    def deliver(self, jobs: Iterable[tuple[str, UUID]]) -> None:
        """Put each (queue, id) on its queue; a failure is logged and left to the sweep."""
        for name, job_id in jobs:
            queue = Queue(name, connection=self._connection, serializer=JSONSerializer)
            try:
                queue.enqueue_call(
                    PERFORM,
                    args=(str(job_id),),
                    timeout=JOB_SECONDS_MAX,
                    result_ttl=RESULT_SECONDS,
                    failure_ttl=RESULT_SECONDS,
                )
            except RedisError as error:
                log.warning("job.not_delivered", job_id=str(job_id), reason=str(error))

    def after_commit(self, session: Session) -> None:
        """Deliver what the committed transaction enqueued."""
        self.deliver(session.info.pop("deliver", []))
