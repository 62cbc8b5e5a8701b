"""What the books refuse: one class per rule, and the translation of the database's own refusals into them.

The codes are raised by the triggers of migrations/tenant/head.sql.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from webapp.kernel.errors import N_, Conflict, DomainError


class Unbalanced(DomainError):
    """The postings do not sum to zero per currency (CB001)."""

    code = "unbalanced"
    message = N_("The postings of an entry must sum to zero in every currency.")


class EntryClosed(Conflict):
    """The entry is reconciled, locked or reversed (CB002)."""

    code = "entry_closed"
    message = N_("The entry is closed: it cannot be changed or deleted any more, only reversed.")


class PeriodClosed(Conflict):
    """The day lies in a closed period (CB003)."""

    code = "period_closed"
    message = N_("The period of this date is closed. Choose another date, or ask an owner to reopen the period.")


class OverdraftExceeded(Conflict):
    """The account's overdraft limit would be passed (CB004)."""

    code = "overdraft_exceeded"
    message = N_("There is not enough available on the account: its overdraft limit would be passed.")


class AccountClosed(Conflict):
    """The account takes no postings on that day (CB006)."""

    code = "account_closed"
    message = N_("The account does not take postings on this date: it was not open then.")


class HoldSettled(Conflict):
    """The hold was captured, released or has expired (CB007)."""

    code = "hold_settled"
    message = N_("The hold was already captured, released or has expired.")


class BalanceTooLarge(Conflict):
    """A balance would leave the numbers that the database can add (SQLSTATE 22003)."""

    code = "balance_too_large"
    message = N_("The balance of an account would become larger than can be kept.")


REFUSALS: dict[str, type[DomainError]] = {
    "CB001": Unbalanced,
    "CB002": EntryClosed,
    "CB003": PeriodClosed,
    "CB004": OverdraftExceeded,
    "CB006": AccountClosed,
    "CB007": HoldSettled,
    "22003": BalanceTooLarge,
}

OF_THE_DAY = {"period_closed": "date", "account_closed": "date"}
"""At which field a form says a refusal that another day would lift."""
OF_THE_SUM = ("overdraft_exceeded", "balance_too_large")
"""Refusals that another amount would lift."""


@contextmanager
def book_rules() -> Iterator[None]:
    """Turn a refusal of the database into the error that says the same to people."""
    try:
        yield
    except DBAPIError as error:
        refusal = REFUSALS.get(getattr(error.orig, "sqlstate", None) or "")
        if refusal is None:
            raise
        raise refusal from None
