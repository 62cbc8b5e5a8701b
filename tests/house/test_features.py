"""The list of promises names tests that are there, and claims nothing as kept without one."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEST = re.compile(r"`(tests/[^`]+?\.py)::([^`]+)`")
STATES = ("kept", "seen", "partly: ", "not yet claimed")


def rows() -> list[list[str]]:
    """Return the cells of every row: promise, where it is seen, kept by, state."""
    text = (ROOT / "docs" / "features.md").read_text(encoding="utf-8")
    tables = text[text.index("\n## ") :]
    lines = [line for line in tables.splitlines() if line.startswith("| ") and not line.startswith("| Promise |")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def names_in(path: Path) -> set[str]:
    """Return the names of a file's tests, those of a class after its name."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        within = [(f"{node.name}::", one) for one in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        found |= {f"{prefix}{one.name}" for prefix, one in within if isinstance(one, ast.FunctionDef)}
    return {name for name in found if name.rpartition("::")[2].startswith("test_")}


def test_every_test_that_is_named_exists() -> None:
    named = {found for row in rows() for found in TEST.findall(row[2])}
    assert len(named) > 100
    files = {path: names_in(ROOT / path) for path, _name in named if (ROOT / path).is_file()}
    assert sorted(f"{path}::{name}" for path, name in named if name not in files.get(path, ())) == []


def test_every_row_has_its_four_cells_and_a_known_state() -> None:
    assert [row for row in rows() if len(row) != len(("promise", "where", "kept by", "state"))] == []
    assert [row for row in rows() if not (row[3] in STATES or row[3].startswith("partly: "))] == []


@pytest.mark.parametrize(("state", "has_tests"), [("kept", True), ("seen", False), ("not yet claimed", False)])
def test_only_what_a_test_keeps_is_claimed_as_kept(state: str, has_tests: bool) -> None:
    assert [row for row in rows() if row[3] == state and bool(TEST.search(row[2])) is not has_tests] == []
