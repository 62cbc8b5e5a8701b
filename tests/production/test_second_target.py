"""Backups and the saved configuration go to a second place by S3, and all comes back from there.

A stand-in that keeps all in memory speaks S3 by TLS; everything else is as docs/operations/backup.md says.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.production.books import Books
from tests.production.lines import Measured
from tests.production.stack import ROOT, Stack, until

SERVER = """services:
  s3:
    image: comptoir-standin/s3:5
    networks: {{out: {{aliases: [s3.example]}}}}
    volumes: ["{folder}:/certificate:ro"]
  postgres: &trusting
    volumes: ["{folder}/certificate.pem:/etc/ssl/certs/ca-certificates.crt:ro"]
  backup: *trusting
"""
BUCKET = """import ssl, urllib.request as r
c = ssl.create_default_context(cafile="/certificate/certificate.pem")
signed = "Credential=me/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
h = {"Authorization": f"AWS4-HMAC-SHA256 {signed}"}
q = r.Request("https://s3.example/my-backups", method="PUT", headers=h)
print(r.urlopen(q, context=c).status)
"""


@pytest.fixture(scope="module")
def told() -> str:
    """Return the settings that the page for operators shows, with what it leaves open filled in."""
    page = (ROOT / "docs/operations/backup.md").read_text()
    found = re.findall(r"```ini\n(\[global\]\nrepo2-type=s3\n.*?)```", page, re.DOTALL)[0]
    return str(re.sub("=…", lambda _: f"={uuid4().hex}", found))


@pytest.fixture(scope="module")
def there(_docker: None, tmp_path_factory: pytest.TempPathFactory, told: str) -> Iterator[Stack]:
    """Return a running installation with a second target set as the page says."""
    stack = Stack(tmp_path_factory.mktemp("second") / "comptoir", f"comptoir-second-{uuid4().hex[:8]}")
    files = "docker-compose.production.yml:ops/postgres/second-target.yml:s3.yml"
    environment = stack.folder / ".env"
    try:
        environment.write_text(f"{environment.read_text()}COMPOSE_FILE={files}\n")
        certificate(stack, stack.folder / "s3")
        stack.setup()
        place = stack.folder / ".production/secrets/backup_second_target"
        place.write_text(told)
        place.chmod(0o444)
        stack.compose("up", "-d", "s3")
        server = f"{stack.project}-s3-1"
        created = ("docker", "exec", server, "python3", "-c", BUCKET)
        until(lambda: stack.run(*created, check=False).stdout.strip() == "200", seconds=60, what="the bucket")
        stack.up()
        yield stack
    finally:
        stack.down()


def certificate(stack: Stack, folder: Path) -> None:
    """Make a certificate that vouches for itself, and the compose file of the stand-in beside it."""
    folder.mkdir()
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=s3.example"]
    names = ["-addext", "subjectAltName=DNS:s3.example"]
    out = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "certificate.pem")]
    stack.run(*made, *names, *out)
    (stack.folder / "s3.yml").write_text(SERVER.format(folder=folder))


def inside(stack: Stack, script: str) -> str:
    return stack.compose("exec", "-T", "backup", "bash", "-c", script).strip()


@pytest.mark.line("backup.s3")
def test_a_backup_and_the_configuration_go_to_the_second_target_closed(there: Stack, measured: Measured):
    done = there.run("ops/backup", "full")
    assert '"event":"backup.done"' in done.stdout, done.stdout
    assert "status: ok" in inside(there, "pgbackrest --stanza=comptoir --repo=2 info")
    labels = inside(there, "pgbackrest --stanza=comptoir --repo=2 info --output=json | grep -o '\"label\"' | wc -l")
    assert int(labels) >= 1
    inside(there, "pgbackrest --stanza=comptoir --repo=2 --log-level-console=off --output=text verify")
    saved = inside(there, "pgbackrest --repo=2 repo-ls configuration").splitlines()
    head = inside(there, f"pgbackrest --repo=2 --raw repo-get configuration/{saved[-1]} | head -c 8")
    assert head == "Salted__"
    looked = there.run("ops/restore", "--look", "--second").stdout
    assert looked.startswith("taking the backups of the second target"), looked
    assert re.search(r"^backup \S+F, made by Comptoir", looked, re.MULTILINE), looked
    measured(f"{labels} full backups and {len(saved)} saved configurations in the bucket")


@pytest.mark.line("backup.s3.restore")
def test_the_machines_own_backups_are_lost_with_the_database_and_all_comes_back(there: Stack, measured: Measured):
    books = Books(there)
    books.post("before the fire")
    # Time for the trails to be sealed, too: a restore seals nothing that was not, but the clock after it does.
    books.archived()
    there.compose("stop", "web-blue", "worker", "clock")
    books.archived()
    before = books.facts()
    there.compose("rm", "-sfv", "postgres", "backup", "drill", "pgbouncer", "migrate")
    for volume in ("postgres", "backups"):
        there.run("docker", "volume", "rm", f"{there.project}_{volume}")
    done = there.run("ops/restore", "--yes", check=False, seconds=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "taking those of the second target" in done.stdout
    after = books.facts()
    assert {name for name in before if before[name] != after.get(name)} <= {"rows platform.job"}
    assert books.said() == {"before the fire"}
    measured(str(re.findall(r"restored in [0-9]+ s", done.stdout)[0]))
    there.run("ops/backup", "full")
    assert "status: ok" in inside(there, "pgbackrest --stanza=comptoir --repo=1 info")
