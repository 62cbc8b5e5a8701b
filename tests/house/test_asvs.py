"""docs/security/asvs.md has every requirement of levels 1 and 2 once, and names tests and documents that are there."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "security" / "asvs.md"
STATES = {"met", "documented", "not met", "not applicable"}
ROW = re.compile(
    r"\| v5\.0\.0-(?P<id>\d+\.\d+\.\d+) \| (?P<level>[12]) \| (?P<words>[^|]+) \| (?P<state>[^|]+) \| (?P<by>.+) \|"
)


def rows() -> list[re.Match[str]]:
    return [match for line in TABLE.read_text(encoding="utf-8").splitlines() if (match := ROW.fullmatch(line))]


@cache
def functions_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_requirement_of_levels_1_and_2_is_there_once() -> None:
    found = rows()
    assert Counter(one["level"] for one in found) == {"1": 70, "2": 183}
    assert len({one["id"] for one in found}) == 253
    assert {one["state"] for one in found} <= STATES
    assert all(len(one["words"]) < 80 and len(one["by"]) > 3 for one in found)


def test_what_is_met_is_kept_by_tests_that_are_there() -> None:
    missing = []
    for one in rows():
        named = re.findall(r"`([^`]+)`", one["by"])
        if one["state"] == "met":
            assert named, one["id"]
            missing += [
                name
                for name in named
                if not (ROOT / name.partition("::")[0]).is_file()
                or name.partition("::")[2] not in functions_of(name.partition("::")[0])
            ]
        elif one["state"] == "documented":
            missing += [name for name in named if not (ROOT / name).is_file()]
            assert named, one["id"]
    assert missing == []


def test_the_sum_at_the_top_is_that_of_the_rows() -> None:
    counted = Counter(one["state"] for one in rows())
    said = ", ".join(f"{counted[state]} {state}" for state in ("met", "documented", "not met", "not applicable"))
    assert f"At the time of writing: {said}." in TABLE.read_text(encoding="utf-8")
