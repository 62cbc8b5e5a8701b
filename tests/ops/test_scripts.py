"""The scripts of ops/: found sound by shellcheck, and ready to say what they do."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHEBANGS = (b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh")
SCRIPTS = sorted(
    path
    for path in (ROOT / "ops").rglob("*")
    if path.is_file() and path.read_bytes().splitlines()[:1][0:1] and path.read_bytes().startswith(SHEBANGS)
)
VERBS = [
    path for path in SCRIPTS if path.parent == ROOT / "ops" and os.access(path, os.X_OK) and path.name != "compose"
]


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="needs Debian's package shellcheck")
def test_shellcheck_finds_nothing(tmp_path: Path):
    done = subprocess.run(["shellcheck", *SCRIPTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    seeded = tmp_path / "seeded"
    seeded.write_text('#!/usr/bin/env bash\ncd $1\nrm -rf "$2/"*\n')
    assert subprocess.run(["shellcheck", seeded], capture_output=True, check=False).returncode == 1


@pytest.mark.parametrize("script", VERBS, ids=lambda one: one.name)
def test_a_script_says_what_it_does_and_stops_at_the_first_failure(script: Path):
    text = script.read_text()
    assert "set -euo pipefail" in text
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False, timeout=10)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: ops/{script.name}")


def test_no_script_names_the_major_version_of_the_database():
    named = [
        path.name
        for path in (*SCRIPTS, *(ROOT / "ops/postgres").glob("*.conf"))
        if "standin" not in path.parts and re.search(r"postgresql/[0-9]+", path.read_text())
    ]
    assert named == [], "PGDATA of the image says it"
