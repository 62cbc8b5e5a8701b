"""One stack for all tests of this folder that do not break it; a test that does makes its own."""

import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.production.lines import LINES, Measured, Proof, table
from tests.production.stack import ROOT, Stack, running

PROOFS: dict[str, Proof] = defaultdict(Proof)


@pytest.fixture
def measured(record_property: Callable[[str, object], None]) -> Measured:
    """Return the function that puts what was measured into the table."""
    return lambda text: record_property("measured", text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Count a test for the lines that it proves."""
    outcome: Any = yield
    report = outcome.get_result()
    for name in {name for mark in item.iter_markers("line") for name in mark.args}:
        proof = PROOFS[name]
        proof.seconds += report.duration
        if report.failed:
            proof.failed.append(item.name)
        elif report.skipped:
            proof.skipped += 1
        elif report.when == "call":
            proof.passed += 1
        if report.when == "call":
            proof.measured += [str(text) for key, text in report.user_properties if key == "measured"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of every line, and keep it for who reads later."""
    if not PROOFS:
        return
    rows = list(table(PROOFS))
    terminalreporter.section("what is promised of an installation")
    terminalreporter.write_line("\n".join(rows))
    (ROOT / ".tools").mkdir(exist_ok=True)
    (ROOT / ".tools/production-test.md").write_text("\n".join([*rows, ""]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a line that nobody promised, and a test that proves none."""
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        names = {name for mark in item.iter_markers("line") for name in mark.args}
        if not names or names - LINES.keys():
            raise pytest.UsageError(f"{item.nodeid} proves {sorted(names) or 'no line'}: tests/production/lines.py")


@pytest.fixture(scope="session")
def _docker() -> None:
    """Say what is missing in one line, instead of failing in each test."""
    command = shutil.which("docker")
    if command is None or subprocess.run([command, "version"], capture_output=True, check=False).returncode:
        pytest.exit("make production-test needs root and a docker daemon: docs/operations/testing.md", returncode=2)


@pytest.fixture(scope="session")
def stack(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a running installation with the workspace `acme`."""
    with running(tmp_path_factory.mktemp("stack") / "comptoir") as made:
        yield made


@pytest.fixture
def stack_folder(tmp_path: Path) -> Path:
    """Return the folder of a stack that a test makes for itself."""
    return tmp_path / "comptoir"
