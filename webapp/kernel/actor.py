"""Who acts, through what, and from where: passed to every command and kept in the audit trail."""

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

Via = Literal["session", "token", "job", "cli", "link"]

SYSTEM = UUID(int=0)
"""The person id of acts that no person started (the clock, a first start)."""


@dataclass(frozen=True, slots=True)
class Actor:
    """One acting person (or the system) for one unit of work."""

    person_id: UUID
    label: str
    """What a service account or the work of the system is called; empty for a person, whom their id names."""
    via: Via
    request_id: str = ""
    source_address: str = ""
    through_id: str = ""
    """Of what they act through: the id of the session, of the token, of the job; the account on the command line."""
    decision_id: str = ""
    """The decision that let them."""

    @classmethod
    def system(cls, label: str, via: Via = "job", *, through_id: str = "") -> "Actor":
        """Return the actor of work that no person started."""
        return cls(person_id=SYSTEM, label=label, via=via, through_id=through_id)
