"""The whole of it runs from the real compose file: well, closed, and reachable through nginx alone."""

import json

import pytest

from tests.production.lines import Measured
from tests.production.stack import DOMAIN, Stack


@pytest.mark.line("compose.up", "compose.hardened", "image.hardened")
def test_everything_is_well_and_hardened(stack: Stack, measured: Measured):
    measured(f"all well {stack.up_seconds:.0f} s after the start")
    services = {one["Service"]: one for one in stack.services()}
    assert services["migrate"]["ExitCode"] == 0
    lasting = {"backup", "clock", "nginx", "pgbouncer", "postgres", "valkey", "web-blue", "worker"}
    assert {name: services[name]["Health"] for name in lasting} == dict.fromkeys(lasting, "healthy")
    for name in sorted(lasting):
        seen = json.loads(stack.run("docker", "inspect", services[name]["ID"]).stdout)[0]
        host = seen["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["Memory"] and host["PidsLimit"], name
        assert seen["Config"]["User"] not in {"", "0", "root"}, name
        assert bool(host["PortBindings"]) == (name == "nginx"), name


@pytest.mark.line("compose.up")
def test_a_person_reaches_the_sign_in_page_and_readiness_through_tls(stack: Stack):
    with stack.pool() as site:
        assert site.request("GET", "/readyz").status == 200
        page = site.request("GET", "/sign-in")
    assert page.status == 200
    assert page.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    assert "Comptoir" in page.data.decode()


@pytest.mark.line("compose.up")
def test_a_program_posts_through_the_door(stack: Stack):
    token = stack.token("acme", "owner@acme.example")
    with stack.pool() as site:
        answer = site.request(
            "GET",
            "/api/v1/t/acme/accounts",
            headers={"Host": f"{DOMAIN}:{stack.https_port}", "Authorization": f"Bearer {token}"},
        )
    assert answer.status == 200


@pytest.mark.line("compose.hardened")
def test_the_database_is_isolated_as_the_doctor_wants_it(stack: Stack):
    assert stack.comptoir("doctor") == "all is well: every workspace is apart from every other"
