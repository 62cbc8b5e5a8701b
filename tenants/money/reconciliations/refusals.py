"""What reconciling refuses: one class per rule."""

from webapp.kernel.errors import N_, Conflict


class AlreadyBegun(Conflict):
    """The account has a reconciliation that is not finished."""

    code = "reconciliation_begun"
    message = N_("A reconciliation of this account is begun already. Go on with it, or give it up first.")


class AlreadyFinished(Conflict):
    """The reconciliation is finished: its entries are closed."""

    code = "reconciliation_finished"
    message = N_("The reconciliation is finished already.")


class DifferenceLeft(Conflict):
    """Statement and ticked entries do not come to the same."""

    code = "reconciliation_difference"
    message = N_("There is still a difference of %(difference)s %(currency)s between the statement and what is ticked.")


class NotTheLast(Conflict):
    """Only the newest reconciliation in force is undone: the ones after it begin with its balance."""

    code = "reconciliation_not_last"
    message = N_("Only the newest reconciliation of an account can be undone, while no other is begun.")


class TooManyTicks(Conflict):
    """One reconciliation closes so many entries at most."""

    code = "too_many_ticks"
    message = N_("One reconciliation takes at most %(maximum)s entries. Reconcile an earlier statement first.")
