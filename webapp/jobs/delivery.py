"""The way of job ids to Valkey, after the commit. What is lost there, the clock's sweep delivers again."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from redis import Redis
from redis.backoff import ConstantBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy.orm import Session

from webapp.kernel.ids import new_id

QUEUES = ("imports", "mail", "default")
PERFORM = "webapp.worker.perform"
RESULT_SECONDS = 60
JOB_SECONDS_MAX = 3600
UUID_LENGTH = 36

log = structlog.get_logger()


def connect(redis_url: str, **options: Any) -> "Redis[Any]":
    """Return a client that tries twice and then says so: whoever waits for Valkey longer does it knowingly."""
    once_more = Retry(ConstantBackoff(0.1), 1)
    return Redis.from_url(redis_url, socket_connect_timeout=2, retry=once_more, **options)


def carried(delivery_id: str) -> UUID:
    """Return the job that a delivery's id names (RQ's name of a delivery: the job's id and a number of its own)."""
    return UUID(delivery_id[:UUID_LENGTH])


class Courier:
    """Carries ids of committed jobs to RQ; JSON only, never pickle."""

    def __init__(self, connection: "Redis[Any]") -> None:
        self._connection = connection

    def _queue(self, name: str) -> Queue:
        return Queue(name, connection=self._connection, serializer=JSONSerializer)

    def deliver(self, jobs: Iterable[tuple[str, UUID]]) -> None:
        """Put each (queue, id) on its queue; a failure is logged and left to the sweep."""
        for name, job_id in jobs:
            try:
                self._queue(name).enqueue_call(
                    PERFORM,
                    args=(str(job_id),),
                    job_id=f"{job_id}-{new_id().hex[-12:]}",
                    timeout=JOB_SECONDS_MAX,
                    result_ttl=RESULT_SECONDS,
                    failure_ttl=RESULT_SECONDS,
                )
            except RedisError as error:
                log.warning("job.not_delivered", job_id=str(job_id), reason=str(error))
                return

    def deliver_missing(self, jobs: Iterable[tuple[str, UUID]]) -> int:
        """Put those on their queues that do not wait there already, and return how many they were.

        Raises RedisError.
        """
        due = list(jobs)
        waiting = {carried(one) for name in {name for name, _ in due} for one in self._queue(name).get_job_ids()}
        missing = [one for one in due if one[1] not in waiting]
        self.deliver(missing)
        return len(missing)

    def after_commit(self, session: Session) -> None:
        """Deliver what the committed transaction enqueued."""
        self.deliver(session.info.pop("deliver", []))
