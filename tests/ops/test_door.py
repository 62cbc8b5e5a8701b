"""What nginx says by itself: in three languages, in the product's colours."""

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXTS = (ROOT / "nginx/errors.conf").read_text(encoding="utf-8")
COLOUR = re.compile(r"(--[a-z0-9-]+): (light-dark\([^)]*\));")


def test_the_pages_have_the_products_colours():
    tokens = dict(COLOUR.findall((ROOT / "static/css/tokens.css").read_text(encoding="utf-8")))
    own = dict(COLOUR.findall((ROOT / "nginx/errors/errors.css").read_text(encoding="utf-8")))
    assert len(own) > 5
    assert own.items() <= tokens.items()


def test_every_text_is_there_in_three_languages_and_may_stand_in_json():
    for name in ("error_title", "error_text"):
        block = TEXTS.partition(f"${name} {{")[2].partition("}")[0]
        found = re.findall(r'"~\^(en|fr|ar) ([^"]*)" "([^"]*)";', block)
        assert len(found) == 17
        for status in {status for _, status, _ in found if status}:
            assert {language for language, own, _ in found if own == status} == {"en", "fr", "ar"}
    assert "\\" not in "".join(re.findall(r'" "([^"]*)";', TEXTS))


def test_a_page_takes_nothing_from_elsewhere_and_says_its_reference():
    page = (ROOT / "nginx/errors/page.html").read_text(encoding="utf-8")
    assert "<script" not in page
    assert "style=" not in page
    assert "//" not in page
    assert 'var="request_id"' in page


def test_a_name_whose_certificate_cannot_be_renewed_keeps_no_other_from_being_taken_up(tmp_path: Path):
    live, used = tmp_path / "state/letsencrypt/live/books.example", tmp_path / "state/certificates"
    for folder in (tmp_path / "ops", live, used):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "ops/certificate", tmp_path / "ops")
    compose = tmp_path / "ops/compose"
    compose.write_text('#!/bin/bash\ncase "$*" in *" renew "*) exit 1 ;; *) echo "$*" ;; esac\n')
    compose.chmod(0o755)
    (tmp_path / ".env").write_text(f"COMPTOIR_DOMAIN=books.example\nCOMPTOIR_STATE={tmp_path}/state\n")
    (used / "fullchain.pem").write_text("the former one")
    made = [tmp_path / "ops/certificate", "self-signed", "books.example", live]
    subprocess.run(made, check=True, capture_output=True, timeout=20)

    renew = [tmp_path / "ops/certificate", "renew", "--now"]
    done = subprocess.run(renew, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 1 and "not everything could be renewed" in done.stderr
    assert (used / "fullchain.pem").read_bytes() == (live / "fullchain.pem").read_bytes()
    assert "nginx -s reload" in done.stdout
