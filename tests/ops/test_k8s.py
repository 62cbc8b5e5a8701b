"""What the cluster's files promise, read from the files; `make production-test` renders and validates them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

BASE = Path(__file__).resolve().parents[2] / "ops/k8s/base"
OBJECTS: list[dict[str, Any]] = [
    one
    for path in sorted(BASE.glob("*.yaml"))
    if path.name != "kustomization.yaml"
    for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
]


def named(kind: str, name: str) -> dict[str, Any]:
    return next(one for one in OBJECTS if one["kind"] == kind and one["metadata"]["name"] == name)


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    for one in OBJECTS:
        if one["kind"] in {"Deployment", "Job"}:
            yield one["metadata"]["name"], one["spec"]["template"]["spec"]


@pytest.mark.parametrize(("name", "spec"), list(pods()), ids=[name for name, _ in pods()])
def test_a_pod_may_do_as_little_as_can_be(name: str, spec: dict[str, Any]):
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    for container in spec["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert set(container["resources"]) == {"requests", "limits"}
        assert container["image"] == "comptoir"
        assert name == "migrate" or "livenessProbe" in container


def test_web_grows_from_3_to_20_and_is_never_short_of_one():
    scaler = named("HorizontalPodAutoscaler", "web")["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 20)
    reach = {one["resource"]["name"]: one["resource"]["target"]["averageUtilization"] for one in scaler["metrics"]}
    assert reach == {"cpu": 70, "memory": 80}
    assert named("Deployment", "web")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert named("PodDisruptionBudget", "web")["spec"]["minAvailable"] == 2


def test_there_is_one_clock_and_migrations_go_past_the_pooler():
    clock = named("Deployment", "clock")["spec"]
    assert (clock["replicas"], clock["strategy"]) == (1, {"type": "Recreate"})
    env = {
        one["name"]: one["value"] for one in named("Job", "migrate")["spec"]["template"]["spec"]["containers"][0]["env"]
    }
    assert env["COMPTOIR_DATABASE_POOLER"] == "false"


def test_web_holds_no_password_of_the_owner_and_nobody_reaches_what_is_not_said():
    mounted = named("Deployment", "web")["spec"]["template"]["spec"]["volumes"][1]["secret"]["items"]
    assert {one["key"] for one in mounted} == {"master_keys", "secret_key", "smtp_password", "valkey_url", "web_url"}
    assert named("NetworkPolicy", "nothing")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    world = named("NetworkPolicy", "out")["spec"]["egress"][-1]["to"][0]["ipBlock"]
    assert {"10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(world["except"])
