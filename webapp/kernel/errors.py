"""Anticipated failures: one class per failure, beside the function that raises it, all rooted here.

A door maps these once, to a page and to a problem document (RFC 9457).
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar


def N_(message: str) -> str:  # noqa: N802 - the name that gettext's extraction tools know
    """Mark a message for translation; the door translates it in the reader's language."""
    return message


class Word(str):
    """A word of the domain among a message's params; the door translates it together with the message."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: `field` is its name or JSON pointer path ("postings/0/amount")."""

    field: str
    code: str
    message: str
    params: dict[str, Any] = dataclasses.field(default_factory=dict)


class DomainError(Exception):
    """A refusal that was anticipated; `message` is English with %(name)s placeholders, translated at the door."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 422
    title: ClassVar[str] = N_("The request was refused")
    message: ClassVar[str] = ""

    def __init__(self, message: str = "", *, errors: tuple[FieldError, ...] = (), **params: Any) -> None:
        self.text = message or type(self).message
        self.params = params
        self.errors = errors
        self.more: dict[str, Any] = {}
        """Further members of the problem document (RFC 9457, 3.2)."""
        super().__init__(self.text % params if params else self.text)


class Invalid(DomainError):
    """Input that does not hold; `errors` names the fields."""

    code = "invalid"
    title = N_("Some of what was entered cannot be accepted")
    message = N_("Please correct what is marked and send it again.")


class NotFound(DomainError):
    """What was asked for does not exist, or not for this actor."""

    code = "not_found"
    status = 404
    title = N_("Not found")
    message = N_("There is nothing here, or nothing that you may see.")


class Conflict(DomainError):
    """The present state does not allow it."""

    code = "conflict"
    status = 409
    title = N_("This is not possible now")


class Stale(DomainError):
    """The thing was changed by someone else since it was read (RFC 9110, 412)."""

    code = "stale"
    status = 412
    title = N_("Changed in the meantime")
    message = N_("Someone changed this since you opened it. Reload to see the newest version, then repeat your change.")
