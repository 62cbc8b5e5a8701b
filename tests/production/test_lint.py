"""The images' recipes hold against hadolint, and a faulty one does not; a bill of what is inside can be drawn up."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / ".tools/ops/bin"
RECIPES = sorted((ROOT / "ops/image").glob("*Dockerfile"))


def hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    words = [TOOLS / "hadolint", "-c", ROOT / "ops/image/hadolint.yaml", path]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
@pytest.mark.line("compose.lint")
def test_a_recipe_is_clean(path: Path):
    done = hadolint(path)
    assert done.returncode == 0, done.stdout


@pytest.mark.line("compose.lint")
def test_a_faulty_recipe_is_found(tmp_path: Path):
    path = tmp_path / "Dockerfile"
    path.write_text("FROM debian\nRUN cd /tmp && sudo apt-get install curl\n", encoding="utf-8")
    assert hadolint(path).returncode != 0


@pytest.mark.line("ci.sbom")
def test_the_bill_of_materials_names_what_is_locked(tmp_path: Path):
    path = tmp_path / "sbom.json"
    done = subprocess.run(["make", "sbom", f"SBOM={path}"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    named = {one["name"] for one in json.loads(path.read_text(encoding="utf-8"))["components"]}
    assert {"flask", "sqlalchemy", "cedarpy", "psycopg"} <= named
    assert "pytest" not in named
