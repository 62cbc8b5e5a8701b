"""Tables are a room's own; where SQL over many rows names those of another room, docs/architecture.md says so."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWNER = re.compile(r'__tablename__ = "(\w+)"')
NAMED = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+([a-z_]+)")
ROW = re.compile(r"^\| `([\w/]+\.py)` \| ([a-z_ ]+) \|", re.MULTILINE)


def owners() -> dict[str, Path]:
    """Return the room of each table."""
    return {
        table: models.parent
        for models in (ROOT / "tenants").glob("*/*/models.py")
        for table in OWNER.findall(models.read_text(encoding="utf-8"))
    }


def named(source: str) -> set[str]:
    """Return the tables that the SQL of a file names."""
    texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
    return {table for one in texts if isinstance(one, str) for table in NAMED.findall(one)}


def seams() -> dict[str, set[str]]:
    """Return the files that name tables of other rooms, and these."""
    rooms, found = owners(), {}
    for path in sorted((ROOT / "tenants").rglob("*.py")):
        tables = named(path.read_text(encoding="utf-8"))
        others = {table for table in tables if table in rooms and rooms[table] not in path.parents}
        if others:
            found[path.relative_to(ROOT / "tenants").as_posix()] = others
    return found


def test_sql_over_tables_of_another_room_is_a_seam_that_the_architecture_names():
    said = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert seams() == {file: set(tables.split()) for file, tables in ROW.findall(said)}


def test_the_search_sees_what_a_statement_names():
    assert named('_A = text("UPDATE entry SET day = 1 WHERE EXISTS (SELECT FROM hold h)")') == {"entry", "hold"}
    assert owners()["entry"].name == "ledger"
