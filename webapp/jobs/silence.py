"""Which running jobs fell silent, measured by a steady time: the machine's clock may be moved under them."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

GAP_SECONDS_MAX = 5.0
"""Who did not look for so long (the database was away, the machine slept) has to listen anew."""


class Silence:
    """Remembers since when each job's heartbeat is the same; what the heartbeat says is compared with nothing else."""

    def __init__(self, *, seconds: float, steady: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._steady = seconds, steady
        self._since: dict[UUID, tuple[datetime | None, float]] = {}
        self._looked = float("-inf")

    def among(self, running: Mapping[UUID, datetime | None]) -> dict[UUID, datetime | None]:
        """Return those whose heartbeat has not changed for longer than the seconds; call it every second or so."""
        now = self._steady()
        if now - self._looked > GAP_SECONDS_MAX:
            self._since.clear()
        self._looked = now
        self._since = {
            job_id: found if (found := self._since.get(job_id)) and found[0] == beat else (beat, now)
            for job_id, beat in running.items()
        }
        return {job_id: beat for job_id, (beat, since) in self._since.items() if now - since > self._seconds}
