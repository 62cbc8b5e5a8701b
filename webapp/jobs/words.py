"""What people read of a job: its kind in words. Marked for translation, translated at the door."""

from webapp.kernel.errors import N_

KINDS = {
    "backups.erase": N_("Erasing a workspace"),
    "backups.export": N_("Exporting the workspace"),
    "backups.take": N_("Backing up a workspace"),
    "holds.expire": N_("Letting holds expire"),
    "identity.send_change": N_("Asking two mailboxes for a change of address"),
    "identity.send_link": N_("Sending a link by mail"),
    "policies.forget": N_("Forgetting old decisions of policy stores"),
    "policies.replay": N_("Asking recorded decisions again"),
    "identity.tell_locked": N_("Telling a person of guesses"),
    "imports.check": N_("Reading a statement"),
    "imports.publish": N_("Booking a statement"),
    "imports.reverse": N_("Taking a statement back out"),
    "keys.reseal": N_("Sealing fields with new keys"),
    "keys.rotate": N_("Making new keys"),
    "mail.send": N_("Sending a mail"),
    "tenancy.create": N_("Making a workspace"),
    "tenancy.remove": N_("Removing a workspace"),
}


def kind_name(kind: str) -> str:
    """Return a job's kind in words (English), or the kind itself when it has none."""
    return KINDS.get(kind, kind)
