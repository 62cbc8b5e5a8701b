"""What is looked for in a trail, read from an address."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from webapp.audit.queries import Search
from webapp.kernel.errors import N_

TEXT_LENGTH_MAX = 200
WAYS = ("session", "token", "job", "cli", "link")
FIELDS = ("q", "actor", "action", "object_type", "object_id", "via", "through_id", "date_from", "date_to")


def values_of(arguments: Mapping[str, str]) -> dict[str, str]:
    """Return what was asked for, as it was typed, without what no database holds."""
    return {name: arguments.get(name, "").replace("\0", "").strip()[:TEXT_LENGTH_MAX] for name in FIELDS}


def search_of(values: Mapping[str, str]) -> tuple[Search, dict[str, str]]:
    """Return the search and the errors by field; a field with an error is left out."""
    errors: dict[str, str] = {}
    days: dict[str, date | None] = {}
    for name in ("date_from", "date_to"):
        try:
            days[name] = date.fromisoformat(values[name]) if values.get(name) else None
        except ValueError:
            days[name] = None
            errors[name] = N_("This is not a date. Write it as 2026-11-20.")
    return search_for(values, days["date_from"], days["date_to"]), errors


def search_for(values: Mapping[str, str], first: date | None, last: date | None) -> Search:
    """Return the search for texts by field and for days (UTC), the last one included."""
    return Search(
        words=values.get("q") or "",
        actor=values.get("actor") or "",
        action=values.get("action") or "",
        object_type=values.get("object_type") or "",
        object_id=values.get("object_id") or "",
        via=values.get("via") or "",
        through_id=values.get("through_id") or "",
        start=_midnight(first) if first else None,
        end=_midnight(last + timedelta(days=1)) if last and last < date.max else None,
    )


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, UTC)
