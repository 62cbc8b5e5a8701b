"""How the backup of the whole installation fares, by what its services write for Prometheus (`*.prom`)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

BACKUP_LATE_AFTER = timedelta(hours=26)
DRILL_LATE_AFTER = timedelta(days=8)
"""After so long the alerts BackupOld and DrillMissing (ops/prometheus/rules.yml) say so, too."""
FILE_BYTES_MAX = 64 * 1024
"""Both files have about 2 KB; one that is larger is not what it should be."""

Samples = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Protection:
    """When the newest good backup ended and when a drill last found all equal (UTC; None: not known)."""

    backed_up_at: datetime | None
    is_backup_late: bool
    has_backup_failed: bool
    """The last try of any kind (full, differential, configuration) ended badly."""
    drilled_at: datetime | None
    is_drill_late: bool
    has_drill_failed: bool


def protection(*, folder: str, at: datetime) -> Protection | None:
    """Return what the files tell; None where no folder is named. What cannot be read is not known, and late."""
    if not folder:
        return None
    backups, drills = _samples(Path(folder) / "backup.prom"), _samples(Path(folder) / "drill.prom")
    backed_up_at = _newest(backups, "comptoir_backup_last_success_timestamp_seconds")
    drilled_at = _newest(drills, "comptoir_drill_last_success_timestamp_seconds")
    return Protection(
        backed_up_at=backed_up_at,
        is_backup_late=backed_up_at is None or at - backed_up_at > BACKUP_LATE_AFTER,
        has_backup_failed=_is_nought(backups, "comptoir_backup_success"),
        drilled_at=drilled_at,
        is_drill_late=drilled_at is None or at - drilled_at > DRILL_LATE_AFTER,
        has_drill_failed=_is_nought(drills, "comptoir_drill_success"),
    )


def _samples(path: Path) -> Samples:
    """Read a file of measures; nothing where it is missing, too large or damaged."""
    try:
        if not path.is_file():
            return []
        with path.open("rb") as file:
            said = file.read(FILE_BYTES_MAX + 1)
        if len(said) > FILE_BYTES_MAX:
            return []
        families = list(text_string_to_metric_families(said.decode()))
    except (OSError, ValueError):
        return []
    return [(one.name, one.value) for family in families for one in family.samples]


def _newest(samples: Samples, name: str) -> datetime | None:
    seconds = [value for its_name, value in samples if its_name == name]
    try:
        return datetime.fromtimestamp(max(seconds), UTC) if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


def _is_nought(samples: Samples, name: str) -> bool:
    return any(value == 0 for its_name, value in samples if its_name == name)
