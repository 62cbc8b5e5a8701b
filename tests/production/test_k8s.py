"""The overlays are rendered by kustomize and hold against the schema of Kubernetes 1.32."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VALIDATE = ROOT / ".tools/ops/bin/kubernetes-validate"


def rendered(overlay: str) -> str:
    kubectl = shutil.which("kubectl")
    assert kubectl, "kubectl is missing: Debian 13 has it (apt install kubectl)"
    return subprocess.run(
        [kubectl, "kustomize", str(ROOT / "ops/k8s/overlays" / overlay)], capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize("overlay", ["staging", "production"])
@pytest.mark.line("k8s.schema")
def test_an_overlay_holds_against_the_schema(overlay: str, tmp_path: Path):
    path = tmp_path / f"{overlay}.yaml"
    path.write_text(rendered(overlay), encoding="utf-8")
    done = subprocess.run(
        [VALIDATE, "--kubernetes-version", "1.32", "--strict", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    path.write_text(rendered(overlay).replace("maxSurge: 1", "maxSurges: 1"), encoding="utf-8")
    broken = subprocess.run(
        [VALIDATE, "--kubernetes-version", "1.32", "--strict", path], capture_output=True, text=True, check=False
    )
    assert broken.returncode != 0


@pytest.mark.line("k8s.schema")
def test_staging_is_smaller_and_apart():
    staging = rendered("staging")
    assert "namespace: comptoir-staging" in staging
    assert "minReplicas: 1" in staging
    assert "https://staging.books.example" in staging
    assert "minReplicas: 3" in rendered("production")
