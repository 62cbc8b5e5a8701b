"""The tenant schema as migrations/tenant/head.sql made it on that day; the chain begins after it."""

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing: schemas of this revision are made by the ready script."""
