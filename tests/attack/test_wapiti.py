"""wapiti against every page that a signed-in owner can reach, and the forms that stand on them."""

import json
from pathlib import Path
from typing import Any

from flask import Flask

from tests.attack.conftest import run
from tests.furnished import furnish
from webapp.settings import Settings

MODULES = "sql,xss,exec,file,crlf,redirect,permanentxss,ssti"
SCAN_SECONDS_MAX, MODULE_SECONDS_MAX = 300, 120
"""For finding pages and forms; for each kind of attack."""
LEFT_OUT = ("/sign-out", "/profile/sessions", "/removal", "/profile/password")
"""They end the session that attacks."""


def findings(report: Path) -> list[str]:
    """Return what the attacker found, besides what it says of every page without HTTPS."""
    told: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return [
        f"{kind}: {one['method']} {one['path']} {one['parameter']}: {one['info']}"
        for kind, found in {**told["vulnerabilities"], **told["anomalies"]}.items()
        for one in found
        if not (kind == "Internal Server Error" and "429" in one["info"])
    ]


def attack(address: str, report: Path, *more: str) -> list[str]:
    """Attack everything below an address and return what was found."""
    words = ["-u", address, "--scope", "folder", "-m", MODULES, "--flush-session", "--no-bugreport", "-v", "0"]
    words += [
        "--max-scan-time",
        str(SCAN_SECONDS_MAX),
        "--max-attack-time",
        str(MODULE_SECONDS_MAX),
        "--store-session",
        str(report.parent),
    ]
    said = run("wapiti", *words, "-f", "json", "-o", str(report), *more)
    assert report.exists(), said[-2000:]
    return findings(report)


def test_the_attacker_finds_the_fault_that_is_there(broken: str, tmp_path: Path) -> None:
    found = attack(f"{broken}/", tmp_path / "report.json")
    assert any("SQL" in one for one in found), found
    assert any("script" in one.lower() for one in found), found


def test_no_page_or_form_gives_way(app: Flask, owner: Any, settings: Settings, live: str, tmp_path: Path) -> None:
    made = furnish(app, owner, settings)
    kept = tmp_path / "cookies.json"
    cookie = {"value": made.alice.session_secret, "expires": None, "secure": False, "port": None, "version": 0}
    kept.write_text(json.dumps({"127.0.0.1": {"/": {"comptoir": cookie}}}), encoding="utf-8")
    out = [word for path in LEFT_OUT for word in ("-x", f"{live}{path}*")]
    starts = [
        word
        for page in ("entries", "accounts", "imports", "members")
        for word in ("-s", f"{live}/t/{made.acme.slug}/{page}")
    ]
    found = attack(f"{live}/t/{made.acme.slug}/", tmp_path / "report.json", "-c", str(kept), *starts, *out)
    assert not found, "\n".join(found)
    assert made.alice.browser().get("/profile").status_code == 200, "the attack was over before its end"
