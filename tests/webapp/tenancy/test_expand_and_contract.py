"""The version before serves on while the next one migrates: what adds runs at once, what takes away waits."""

from pathlib import Path

import pytest

from webapp.tenancy.schema import ContractWaits, Revisions, UnknownRevision


@pytest.fixture
def release(tmp_path: Path) -> object:
    """Return a maker of versions: a text as `1+ 2- 3+` is a chain that adds, takes away, adds."""

    def make(text: str) -> Revisions:
        folder = tmp_path / text.replace(" ", "")
        (folder / "versions").mkdir(parents=True)
        before = None
        for word in text.split():
            name, kind = f"000{word[0]}", "contract" if word[1] == "-" else "expand"
            (folder / "versions" / f"{name}.py").write_text(
                f'from alembic import op\nrevision = "{name}"\ndown_revision = {before!r}\nkind = "{kind}"\n'
                f'def upgrade():\n    op.execute("SELECT {word[0]}")\n'
            )
            before = name
        return Revisions("tenant", folder)

    return make


def test_a_contract_waits_until_it_is_asked_for(release):
    chain = release("1+ 2+ 3-")
    assert (chain.needed(), chain.head(), chain.suits()) == ("0002", "0003", ["0002", "0003"])
    assert chain.goal("0001", contract=False) == "0002"
    assert chain.goal("0001", contract=True) == "0003"
    assert chain.goal("0003", contract=False) == "0003"
    assert chain.statements("0001", "0002") == ["SELECT 2"]
    assert chain.statements("0002", chain.goal("0002", contract=True)) == ["SELECT 3"]


def test_nothing_is_added_behind_a_contract_that_waits(release):
    chain = release("1+ 2- 3+")
    assert chain.suits() == ["0003"]
    with pytest.raises(ContractWaits, match="0002 takes away"):
        chain.goal("0001", contract=False)
    assert chain.goal("0002", contract=False) == "0003"
    with pytest.raises(UnknownRevision):
        chain.goal("0009", contract=False)


def test_a_version_serves_what_was_added_after_it_and_nothing_that_was_taken_away(release):
    former = release("1+ 2+").suits()
    served = release("1+ 2+ 3+ 4-").served()
    fit = {revision for revision, needed in served if needed in former}
    assert fit == {"0003"}
    assert ("0004", "0003") not in served


def test_a_chain_with_two_ends_or_a_gap_is_refused(release):
    for text in ("1+ 2+", "1+ 2+ 3+"):
        chain = release(text)
        (chain.directory / "versions" / "other.py").write_text('revision = "0009"\ndown_revision = "0001"\n')
        with pytest.raises(LookupError, match="newest revisions instead of one"):
            chain.head()
