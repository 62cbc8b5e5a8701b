"""One stack for all tests of this folder that do not break it; a test that does makes its own."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.production.stack import Stack


@pytest.fixture(scope="session")
def _docker() -> None:
    """Say what is missing in one line, instead of failing in each test."""
    command = shutil.which("docker")
    if command is None or subprocess.run([command, "version"], capture_output=True, check=False).returncode:
        pytest.exit("make production-test needs root and a docker daemon: docs/operations/testing.md", returncode=2)


@pytest.fixture(scope="session")
def stack(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a running installation with the workspace `acme`."""
    made = Stack(tmp_path_factory.mktemp("stack") / "comptoir", f"comptoir-test-{uuid4().hex[:8]}")
    try:
        made.setup()
        made.up()
        made.comptoir("tenant", "create", "--slug", "acme", "--name", "Acme", "--owner", "owner@acme.example")
        yield made
    finally:
        made.down()


@pytest.fixture
def stack_folder(tmp_path: Path) -> Path:
    """Return the folder of a stack that a test makes for itself."""
    return tmp_path / "comptoir"
