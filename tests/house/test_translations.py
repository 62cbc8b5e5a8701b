"""Every text is there in every language: what the sources say today is what the catalogues translate."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[2]
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Extract every message of the sources."""
    path = tmp_path_factory.mktemp("messages") / "messages.pot"
    command = [
        sys.executable,
        "-m",
        "babel.messages.frontend",
        "-q",
        "extract",
        "-F",
        "pyproject.toml",
        "-o",
        str(path),
        ".",
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    with path.open("rb") as file:
        return read_po(file)


@pytest.mark.parametrize("language", ["fr", "ar"])
def test_the_catalogue_translates_every_message(template: object, language: str) -> None:
    with (ROOT / "translations" / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        catalogue = read_po(file, locale=language)
    missing, odd = [], []
    for message in template:
        if not message.id:
            continue
        found = catalogue.get(message.id, message.context)
        texts = found.string if found and isinstance(found.string, tuple) else (found.string if found else "",)
        if found is None or found.fuzzy or not all(texts):
            missing.append(message.id)
            continue
        source = message.id if isinstance(message.id, str) else message.id[1]
        if any(set(PLACEHOLDER.findall(text)) - set(PLACEHOLDER.findall(source)) for text in texts):
            odd.append(message.id)
    assert not missing, f"{len(missing)} messages are not translated into {language}, for example {missing[:10]}"
    assert not odd, f"placeholders differ in {language}: {odd[:10]}"
