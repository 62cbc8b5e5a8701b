"""What an import refuses, one class each, and the words for what can be wrong with a file or a row."""

from tenants.money.imports.readers.lines import REASONS
from webapp.kernel.errors import N_, Conflict, DomainError, Word


class FileTooLarge(DomainError):
    """The upload passes the limit of this installation."""

    code = "file_too_large"
    status = 413
    title = N_("Too large")
    message = N_("The file is larger than %(megabytes)s MB. Split it and import the parts.")


STATE_WORDS = {
    "received": N_("received"),
    "recognising": N_("being recognised"),
    "needs_mapping": N_("waiting for the meaning of its columns"),
    "checking": N_("being checked"),
    "review": N_("waiting for review"),
    "publishing": N_("being published"),
    "published": N_("published"),
    "reversing": N_("being undone"),
    "reversed": N_("undone"),
    "cancelled": N_("cancelled"),
    "failed": N_("failed"),
}
"""An import's state within a sentence."""


class NotNow(Conflict):
    """The import is in a state in which this cannot be done."""

    code = "import_state"
    message = N_("The import is %(state)s, so this cannot be done now.")

    def __init__(self, *, state: str) -> None:
        super().__init__(state=Word(STATE_WORDS[state]))


class Undecided(Conflict):
    """Doubtful rows wait for a decision."""

    code = "undecided_rows"
    message = N_("%(count)s rows may be in the books already. Decide for each whether to keep, merge or skip it first.")


class RowNotDecidable(Conflict):
    """A row is not one that this decision can be taken on."""

    code = "row_state"
    message = N_("None of the rows that were named can be decided so.")


class MappingUnfit(DomainError):
    """The mapping that was given cannot be used."""

    code = "bad_mapping"
    message = N_("The columns that were chosen do not fit: %(detail)s.")


MESSAGES: dict[str, str] = REASONS | {
    "twice_in_file": N_("The same row was already in this file, with the bank's own number."),
    "already_booked": N_("Already in the books from an earlier import."),
    "skipped_before": N_("You skipped this row beside the same entry before."),
    "near_match": N_("An entry with this amount and a similar counterparty is already in the books."),
    "period_closed": N_(
        "The period of this date is closed. Choose another date, or ask an owner to reopen the period.",
    ),
    "account_closed": N_("The account does not take postings on this date: it was not open then."),
    "overdraft_exceeded": N_("There is not enough available on the account: its overdraft limit would be passed."),
    "code_taken": N_("An account that the file needs cannot be opened: its code is taken."),
    "too_many_accounts": N_("The file needs more accounts than a workspace may have."),
    "invalid": N_("An account that the file needs cannot be opened. Import its rows apart, into an account of yours."),
    "not_that_format": N_("The file is %(found)s, not %(wanted)s."),
    "nothing_to_book": N_("The file was read, and there is no movement in it."),
    "day_range": N_("“%(value)s” lies outside the years that entries can have (1900 to 2999)."),
    "job_parked": N_("The work on this file was given up after three attempts. It can be tried again."),
    "left": N_("Closed or changed since it was imported, so it stayed in the books."),
    "left_changed": N_("Changed since it was imported, so it stayed in the books."),
    "left_hold": N_("A hold was settled by it, so it stayed in the books."),
    "left_locked": N_("Locked since it was imported, so it stayed in the books."),
    "left_period": N_("Its period is closed, so it stayed in the books."),
    "left_reconciled": N_("Reconciled since it was imported, so it stayed in the books."),
    "left_reversed": N_("Reversed since it was imported, so it stayed in the books."),
    "kept": N_("Kept in the books."),
    "reversed": N_("Reversed by a new entry."),
}
"""English messages by code, with %(name)s placeholders, translated at the door."""
