"""What the closing of a period says: from when to when, and why."""

from dataclasses import dataclass
from datetime import date

from webapp.kernel.errors import N_, FieldError

FIRST_DAY = date(1900, 1, 1)
LAST_DAY = date(2999, 12, 31)
NOTE_LENGTH_MAX = 1000


@dataclass(frozen=True, slots=True)
class ClosingDraft:
    """A period to close, both days included."""

    starts: date
    ends: date
    note: str = ""


def draft_errors(draft: ClosingDraft) -> tuple[FieldError, ...]:
    """Return everything that is wrong with a draft by itself."""
    errors = [
        FieldError(name, "range", N_("The date lies between 1900 and 2999."))
        for name in ("starts", "ends")
        if not FIRST_DAY <= getattr(draft, name) <= LAST_DAY
    ]
    if draft.ends < draft.starts:
        errors.append(FieldError("ends", "before_start", N_("A period does not end before it begins.")))
    if len(draft.note) > NOTE_LENGTH_MAX or "\x00" in draft.note:
        errors.append(FieldError("note", "length", N_("At most %(maximum)s characters."), {"maximum": NOTE_LENGTH_MAX}))
    return tuple(errors)
