"""The scripts of backup and drill themselves, with pgBackRest played by a few lines."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABEL = "20261121-020000F"
PLACES = {"/etc/comptoir/": "/etc/", "/etc/pgbackrest/": "/etc/", "/var/lib/": "/lib/", "/tmp/": "/tmp/"}  # noqa: S108 where the scripts write
PGBACKREST = f"""#!/bin/bash
echo "$*" >>"$CALLS"
case "$*" in
  *" restore") echo "restored as asked" >&2; exit 1 ;;
  *" backup --repo=1 "*) exit 1 ;;
  *--output=text*) echo "    comptoir-version: 1.1.0" ;;
  *) echo '[{{"backup":[{{"label":"{LABEL}","info":{{"size":1000}},"timestamp":{{"stop":1}}}}]}}]' ;;
esac
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the scripts as they lie in their container."""
    for name in ("etc/conf.d", "lib/postgresql", "lib/pgbackrest", "lib/comptoir/facts", "lib/comptoir/metrics"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("tools", "tmp"):
        (tmp_path / name).mkdir()
    for name in ("backup.sh", "drill.sh", "restore.sh", "measures.sh"):
        words = (ROOT / "ops/postgres" / name).read_text()
        words = re.sub("|".join(PLACES), lambda one: f"{tmp_path}{PLACES[one[0]]}", words)
        (tmp_path / "etc" / name).write_text(words)
    (tmp_path / "tools/pgbackrest").write_text(PGBACKREST)
    (tmp_path / "tools/pgbackrest").chmod(0o755)
    return tmp_path


def run(folder: Path, script: str, *words: str, container: str = "1.0.0") -> str:
    """Run a script in a container that was made for a version; return what it said."""
    asked = ["bash", folder / "etc" / script, *words]
    path = f"{folder}/tools:{os.environ['PATH']}"
    environ = {"PATH": path, "COMPTOIR_VERSION": container, "CALLS": f"{folder}/calls"}
    environ["PGDATA"] = f"{folder}/lib/postgresql/18/docker"
    return subprocess.run(asked, env=environ, capture_output=True, text=True, check=False, timeout=20).stdout


def test_a_drill_takes_a_backup_of_the_version_that_serves_though_its_container_is_older(folder: Path):
    (folder / "lib/comptoir/facts" / f"{LABEL}.tsv").write_text("facts\tpoint\tyes\t1.0.0\n")
    assert "was made by Comptoir 1.1.0 and this is 1.0.0" in run(folder, "drill.sh", "now")
    (folder / "lib/comptoir/facts/version").write_text("1.1.0\n")
    assert "restored as asked" in run(folder, "drill.sh", "now")


def test_the_second_target_gets_no_backup_at_each_new_try_of_the_first(folder: Path):
    (folder / "etc/conf.d/second.conf").write_text("[global]\nrepo2-type=s3\n")
    for _ in range(2):
        assert "backup to target 1 ended with an error" in run(folder, "backup.sh", "full")
    calls = (folder / "calls").read_text()
    assert calls.count("backup --repo=1 --type=full") == 2 and calls.count("backup --repo=2 --type=full") == 1
    run(folder, "backup.sh", "diff")
    assert "backup --repo=2 --type=diff" in (folder / "calls").read_text()
