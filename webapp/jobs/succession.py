"""What a worker does about its predecessors on the same machine, which may have been killed in the middle of a job."""

import contextlib
import os
import socket
from pathlib import Path
from typing import Any
from uuid import UUID

from redis import Redis
from rq import Worker
from rq.serializers import JSONSerializer

from webapp.jobs.delivery import carried


def bury_the_dead(connection: "Redis[Any]") -> list[UUID]:
    """Take dead workers of this machine off RQ's list and return the jobs that they were at.

    A worker of another machine is never judged: its jobs are found by their heartbeat. Raises RedisError.
    """
    left = []
    for worker in Worker.all(connection=connection, serializer=JSONSerializer):
        if worker.hostname != socket.gethostname() or _lives(worker.pid):
            continue
        if delivery := worker.get_current_job_id():
            with contextlib.suppress(ValueError):
                left.append(carried(delivery))
        worker.register_death()
    return left


def _lives(pid: int | None) -> bool:
    """Tell whether another process has this id; our own id, seen on an older worker, is that of a dead one."""
    if pid is None or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError, IndexError):
        # A process that only waits to be buried works no more.
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in {"Z", "X"}
    return True
