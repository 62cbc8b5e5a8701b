"""The static files and the templates keep the rules of the page: nothing foreign, nothing inline, small, legible."""

import gzip
import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "static"
TEMPLATES = ROOT / "templates"
PAGES = sorted(TEMPLATES.rglob("*.html"))
SHEETS = sorted((STATIC / "css").glob("*.css"))
MODULES = sorted((STATIC / "js").glob("*.js"))

VENDORED = {
    "htmx-4.0.1.min.js": "a0abb04f2f45a1f89d1d4844023245537e5e6014c87b144553e0607b4cc32130",
    "htmx-4.0.1-hx-csp.min.js": "a7e1e6711ae6c3e50ad300fba7936cbe8d07599cdae313414a179ddd6b26e143",
    "htmx-LICENSE.txt": "d3d2456f76414f2456104660ebd65aff1c04cd7966b942bdabd63f3cdb316a38",
}
"""SHA-256 of the files as their authors published them: a changed byte is a changed supplier."""

SCRIPTS_BYTES_MAX = 40_000
OWN_SCRIPTS_BYTES_MAX = 10_000
SHEETS_BYTES_MAX = 16_000


def packed(*paths: Path) -> int:
    """Return the size in bytes as it crosses the wire."""
    return sum(len(gzip.compress(path.read_bytes(), 9)) for path in paths)


def without_comments(text: str) -> str:
    """Return CSS or Jinja text without what is never sent or never applied."""
    return re.sub(r"/\*.*?\*/|\{#.*?#\}|<!--.*?-->", "", text, flags=re.DOTALL)


def named(paths: list[Path]) -> list[object]:
    """Name each case by its file."""
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in paths]


def test_vendored_files_are_the_published_ones() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (STATIC / "vendor").iterdir()}
    assert found == VENDORED


def test_icons_come_with_their_licence() -> None:
    assert "ISC License" in (STATIC / "icons" / "lucide-LICENSE.txt").read_text(encoding="utf-8")
    assert "lucide-LICENSE.txt" in (STATIC / "icons" / "sprite.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", named([*PAGES, *SHEETS, *MODULES, *sorted((STATIC / "icons").glob("*.svg"))]))
def test_nothing_is_fetched_from_elsewhere(path: Path) -> None:
    text = without_comments(path.read_text(encoding="utf-8")).replace('xmlns="http://www.w3.org/2000/svg"', "")
    text = re.sub(r"https://[a-z]+\.example\.org", "", text)  # what a field shows as an example
    assert re.findall(r"""(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}|@import|(?<!_)url\(""", text) == []


@pytest.mark.parametrize("path", named([page for page in PAGES if page != TEMPLATES / "mail" / "frame.html"]))
def test_templates_have_nothing_inline(path: Path) -> None:
    text = without_comments(path.read_text(encoding="utf-8"))
    assert re.findall(r"""\sstyle\s*=|<style|\son[a-z]+\s*=\s*["']|javascript:|\|\s*safe\b""", text) == []
    for tag in re.findall(r"<script\b[^>]*>", text):
        assert "src=" in tag
        assert "csp_nonce()" in tag
    assert not re.search(r"<script\b[^>]*>\s*[^<\s]", text)


@pytest.mark.parametrize("path", named(PAGES))
def test_htmx_attributes_come_from_the_macro_only(path: Path) -> None:
    if path.relative_to(TEMPLATES).as_posix() != "components/htmx.html":
        assert re.findall(r"\s(?:data-)?hx-[a-z-]+", without_comments(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", named(PAGES))
def test_posting_forms_carry_the_token(path: Path) -> None:
    text = without_comments(path.read_text(encoding="utf-8"))
    for form in re.findall(r"<form\b(?=[^>]*method=\"post\").*?</form>", text, flags=re.DOTALL):
        assert "csrf_field()" in form or "csrf_token()" in form, form[:120]


@pytest.mark.parametrize("path", named(PAGES))
def test_every_icon_is_in_the_sprite(path: Path) -> None:
    symbols = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons" / "sprite.svg").read_text(encoding="utf-8")))
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"""(?:\bicon\(|icon_name=|"icon": )["']([a-z0-9-]+)["']""", text)
    assert set(used) <= symbols


PHYSICAL = re.compile(
    r"(?<![\w-])(?:margin|padding|border|scroll-margin|scroll-padding)-(?:left|right|top|bottom)\b"
    r"|(?<![\w-])(?:left|right|top|bottom|width|height|min-width|max-width|min-height|max-height)\s*:"
    r"|text-align\s*:\s*(?:left|right)|float\s*:|border-(?:top|bottom)-(?:left|right)-radius|inset\s*:\s*[^;}]*\s[^;}]*\s"
)


@pytest.mark.parametrize("path", named(SHEETS))
def test_styles_use_logical_properties(path: Path) -> None:
    assert PHYSICAL.findall(without_comments(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("path", named(SHEETS))
def test_each_sheet_is_one_layer(path: Path) -> None:
    text = re.sub(r"@layer [a-z, ]+;", "", without_comments(path.read_text(encoding="utf-8"))).strip()
    assert text.startswith(f"@layer {path.stem} {{")
    assert text.endswith("}")


def test_scripts_stay_within_the_budget() -> None:
    assert packed(*MODULES) <= OWN_SCRIPTS_BYTES_MAX
    assert packed(*MODULES, *(STATIC / "vendor").glob("*.js")) <= SCRIPTS_BYTES_MAX


def test_styles_stay_within_the_budget() -> None:
    assert packed(*SHEETS) <= SHEETS_BYTES_MAX


@pytest.mark.parametrize("path", named(MODULES))
def test_modules_evaluate_no_text_and_keep_no_tenant_data(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forbidden = r"\beval\(|new Function|innerHTML|insertAdjacentHTML|document\.write|sessionStorage|\.style\b"
    assert re.findall(forbidden, text) == []
    assert set(re.findall(r"localStorage\.\w+\((\w+)", text)) <= {"STORE"}


def luminance(colour: str) -> float:
    """Return the relative luminance of #rrggbb (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2, 1.4.3)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def colours(scheme: int) -> dict[str, str]:
    """Return the tokens of the light (0) or dark (1) scheme."""
    text = (STATIC / "css" / "tokens.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", text)
    return {name: pair[scheme] for name, *pair in pairs}


GROUNDS = ("paper", "surface", "raised", "sunken", "hover", "selected")


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("ink", ["ink", "ink-2", "ink-3", "accent", "danger", "warn", "info"])
def test_text_is_legible_on_every_ground(scheme: int, ground: str, ink: str) -> None:
    tokens = colours(scheme)
    assert contrast(tokens[ink], tokens[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground"),
    [
        ("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-danger", "danger"), ("accent", "accent-soft"),
        ("danger", "danger-soft"), ("warn", "warn-soft"), ("info", "info-soft"), ("ink", "accent-soft"),
        ("ink", "danger-soft"), ("ink", "warn-soft"), ("ink", "info-soft"), ("ink-2", "accent-soft"),
        ("ink-3", "accent-soft"),
    ],
)  # fmt: skip
def test_text_is_legible_on_tinted_grounds(scheme: int, ink: str, ground: str) -> None:
    tokens = colours(scheme)
    assert contrast(tokens[ink], tokens[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "surface", "raised"])
def test_edges_of_controls_and_the_focus_ring_are_seen(scheme: int, ground: str) -> None:
    tokens = colours(scheme)
    assert contrast(tokens["edge"], tokens[ground]) >= 3
    assert contrast(tokens["accent"], tokens[ground]) >= 3
