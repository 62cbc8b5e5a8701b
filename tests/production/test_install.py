"""A stranger's path from an empty machine to the signed-in page, what the doctor says on it, and the way out."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.production.lines import Measured
from tests.production.stack import DOMAIN, Stack, until

pytestmark = pytest.mark.usefixtures("_docker")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stack, str]]:
    """Return an installation made by the last of the three commands, and what that printed."""
    made = Stack(tmp_path_factory.mktemp("install") / "comptoir", f"comptoir-test-{uuid4().hex[:8]}")
    try:
        words = ("--domain", DOMAIN, "--operator", "me@books.test")
        began = time.monotonic()
        told = made.run("ops/setup", *words, seconds=600).stdout
        made.up_seconds = time.monotonic() - began
        yield made, told
    finally:
        made.down()


@pytest.mark.line("setup.install")
def test_one_command_leads_to_the_signed_in_page(installed: tuple[Stack, str], measured: Measured):
    stack, told = installed
    measured(f"set up, started and well in {stack.up_seconds:.0f} s (images at hand)")
    found = re.search(r"https://\S+?(/sign-in/\S+)", told)
    assert found is not None, told
    with stack.pool() as site:
        page = site.request("GET", found[1], headers=dict(site.headers))
        assert page.status == 200
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.data.decode())
        assert token is not None
        cookies = "; ".join(line.partition(";")[0] for line in page.headers.getlist("Set-Cookie"))
        origin = f"https://{DOMAIN}:{stack.https_port}"
        headers = {**dict(site.headers), "Cookie": cookies, "Origin": origin, "Referer": f"{origin}{found[1]}"}
        signed_in = site.request(
            "POST", found[1], headers=headers, fields={"csrf_token": token[1]}, redirect=False, encode_multipart=False
        )
        assert signed_in.status == 303, signed_in.data.decode()[:2000]
        cookies = "; ".join([cookies, *(line.partition(";")[0] for line in signed_in.headers.getlist("Set-Cookie"))])
        home = site.request(
            "GET",
            signed_in.headers["Location"].removeprefix(origin),
            headers={**headers, "Cookie": cookies},
            redirect=False,
        )
        assert home.status == 200
        assert "me@books.test" in home.data.decode()

        def protection() -> str:
            seen = site.request("GET", "/platform/installation", headers={**headers, "Cookie": cookies}, redirect=False)
            return str(seen.data.decode().partition('id="protection"')[2].partition("</section>")[0])

        # The first backup is taken by itself; there was no drill yet, and the page says so.
        shown = until(lambda: " ago" in (told := protection()) and told, seconds=180, what="the first backup's age")
        assert "DrillMissing" in shown
        assert "BackupOld" not in shown


@pytest.mark.line("backup.nightly")
def test_the_clock_has_each_workspace_backed_up_and_the_key_of_the_setup_opens_it(
    installed: tuple[Stack, str], measured: Measured
):
    stack, _ = installed
    stack.comptoir("tenant", "create", "--slug", "night", "--name", "Night", "--owner", "owner@night.example")
    # Whatever the hour is: a workspace that has missed a night is made up for by day.
    stack.sql("UPDATE platform.tenant SET created_at = created_at - interval '2 days' WHERE slug = 'night'")
    began = time.monotonic()

    def taken() -> str:
        lines = stack.comptoir("backup", "list", "--tenant", "night").splitlines()
        return next((line for line in lines if "done" in line), "")

    told = until(taken, seconds=180, what="a backup of the workspace night")
    measured(f"made up for by the clock within {time.monotonic() - began:.0f} s")
    name = re.search(r"\S+\.comptoir\S*", told)
    assert name is not None, told
    identity = stack.folder / "identity"
    identity.write_text((stack.folder / ".production/secrets/backup_identity").read_text())
    identity.chmod(0o444)
    words = ("run", "--rm", "--no-deps", "-T", "-v", f"{identity}:/run/identity:ro", "worker", "backup", "verify")
    whole = stack.compose(*words, "--identity", "/run/identity", name[0])
    assert "night" in whole


@pytest.mark.line("setup.doctor")
def test_the_doctor_says_that_all_is_well_and_what_is_not(installed: tuple[Stack, str]):
    stack, _ = installed
    well = stack.run("ops/doctor", check=False)
    assert well.returncode == 0, well.stdout
    assert "all is well" in well.stdout
    assert re.search(r"well {3}web-blue is up \(comptoir:\S+, [0-9a-f]{12}", well.stdout)

    environment = stack.folder / ".env"
    before = environment.read_text()
    environment.write_text(f"{before}WEB_REPLICA=3\n")
    product = stack.folder / ".production/product.env"
    product.write_text(f"{product.read_text()}COMPTOIR_SMPT_URL=x\n")
    (stack.folder / ".production/nginx/maintenance").touch()
    stack.compose("stop", "clock")
    ill = stack.run("ops/doctor", check=False)
    assert ill.returncode == 1
    for told in (".env has WEB_REPLICA", "has COMPTOIR_SMPT_URL", "maintenance page is shown", "clock is exited"):
        assert told in ill.stdout, ill.stdout
    environment.write_text(before)


@pytest.mark.line("setup.reset")
def test_a_reset_asks_twice_and_leaves_nothing(installed: tuple[Stack, str]):
    stack, _ = installed

    def reset(*answers: str) -> str:
        script = f"printf '%s\\n' {' '.join(repr(one) for one in answers)} | ops/reset --with-secrets"
        done = stack.run("bash", "-c", f"set -o pipefail; {script}", check=False)
        return f"{done.returncode} {done.stdout} {done.stderr}"

    assert "nothing was changed" in reset("another.name", "delete everything")
    assert "nothing was changed" in reset(DOMAIN, "yes")
    assert stack.services()
    assert "It is gone" in reset(DOMAIN, "delete everything")
    assert not Path(stack.folder / ".production").exists()
    left = stack.run("docker", "ps", "-aq", "--filter", f"label=com.docker.compose.project={stack.project}").stdout
    assert left == ""
    volumes = stack.run("docker", "volume", "ls", "-q", "--filter", f"label=com.docker.compose.project={stack.project}")
    assert volumes.stdout == ""
