"""When something that keeps ending may be started again."""

from dataclasses import dataclass

BACK_OFF_SECONDS = (0.2, 0.5, 1, 2, 5)
STEADY_AFTER_SECONDS = 5
"""What lived so long does not end because of how it starts."""


@dataclass(slots=True)
class Attempts:
    """The starts and ends of one process. Times in seconds of the monotonic clock."""

    failures: int = 0
    started: float = 0.0
    due: float | None = None

    def begun(self, now: float) -> None:
        """Note a start."""
        self.started, self.due = now, None

    def ended(self, now: float) -> float:
        """Note an end; returns the pause before the next start, which grows while ends follow each other quickly."""
        self.failures = 1 if now - self.started > STEADY_AFTER_SECONDS else self.failures + 1
        pause = BACK_OFF_SECONDS[min(self.failures, len(BACK_OFF_SECONDS)) - 1]
        self.due = now + pause
        return pause
