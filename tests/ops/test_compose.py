"""What the compose file promises of every service, read from the file itself."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.production.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict] = COMPOSE["services"]
ONCE = {"certbot", "migrate"}
WITHOUT_A_COMMAND = {"collector", "nginx-exporter", "tempo"}
"""Their images hold one program and nothing to ask it with; Prometheus and Grafana notice when they are away."""


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_may_do_as_little_as_can_be(name: str):
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "mem_limit" in service
    assert "pids_limit" in service
    assert "cpus" in service or name in ONCE
    assert service["logging"]["options"]["max-size"]
    assert "healthcheck" in service or name in {*ONCE, *WITHOUT_A_COMMAND, "nginx"}


def test_nothing_but_nginx_is_published_and_the_database_knows_no_way_out():
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["nginx"]
    assert {name for name, one in COMPOSE["networks"].items() if one.get("internal")} >= {"front", "data"}
    assert SERVICES["postgres"]["networks"] == ["data"]
    assert SERVICES["valkey"]["networks"] == ["data"]


def test_who_watches_is_apart_from_what_runs():
    watchers = {name: one for name, one in SERVICES.items() if "observability" in one.get("profiles", [])}
    for name, one in watchers.items():
        assert one["user"] not in {"0", "root"}, name
        assert not one.get("secrets"), name
        assert all(mount.endswith(":ro") for mount in one.get("volumes", []) if mount.startswith((".", "/"))), name
    assert [name for name, one in watchers.items() if "out" in one["networks"]] == ["alertmanager"]
    for name, one in SERVICES.items():
        assert name in watchers or not set(one.get("depends_on", {})) & set(watchers), name


def test_no_secret_is_a_setting_and_web_does_not_know_the_owners():
    for name, one in SERVICES.items():
        for setting, value in (one.get("environment") or {}).items():
            assert not re.search(r"PASSWORD|SECRET|KEY", setting) or setting.endswith("_FILE"), (name, setting)
            assert not re.search(r"://[^@/]*:[^@/]*@", str(value)), (name, setting)
    assert "pooled_owner_url" not in SERVICES["web-blue"]["secrets"]
    assert SERVICES["web-blue"]["secrets"] == SERVICES["web-green"]["secrets"]


def test_every_image_is_pinned_to_a_line():
    for name, one in SERVICES.items():
        tag = one["image"].rpartition("}")[2] or one["image"]
        assert "latest" not in one["image"], name
        assert ":" in one["image"], (name, tag)


def test_the_version_that_compose_asks_for_is_the_one_that_set_up_writes():
    assert "run ops/setup first" in COMPOSE["x-product"]["image"]
