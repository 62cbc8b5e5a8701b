"""Every text is there in every language: what the sources say is what the catalogues translate and the pages show."""

import io
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import Engine, text

import webapp.app
from tests import atlas
from tests.cast import Person
from tests.furnished import Furnished, furnish
from webapp.kernel.amounts import read_amount
from webapp.kernel.files import product_files
from webapp.settings import Settings
from webapp.web.render import amount, money
from webapp.web.state import KEY

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("fr", "ar")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
WORDS_OF_A_SENTENCE = 3
IN_THEIR_OWN_LANGUAGE = ("/platform/mails", "/api/v1/docs")
"""Letters stay as they were written; the API is described in English, like its names."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
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


def catalogue_of(language: str) -> Catalog:
    with (ROOT / "translations" / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language)


def forms_of(found: Any) -> tuple[str, ...]:
    return found.string if isinstance(found.string, tuple) else (found.string,)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_catalogue_translates_every_message(template: Catalog, language: str) -> None:
    catalogue = catalogue_of(language)
    missing, odd = [], []
    for message in template:
        if not message.id:
            continue
        found = catalogue.get(message.id, message.context)
        if found is None or found.fuzzy or not all(forms_of(found)):
            missing.append(message.id)
            continue
        source = message.id if isinstance(message.id, str) else message.id[1]
        wanted = sorted(PLACEHOLDER.findall(source))
        # A form for one, two or none may say its number in words.
        number = [] if isinstance(message.id, str) else ["%(num)d", "%(num)s"]
        if any(
            sorted(PLACEHOLDER.findall(form)) != wanted
            and sorted([*PLACEHOLDER.findall(form), *set(number) & set(wanted)]) != wanted
            for form in forms_of(found)
        ):
            odd.append(message.id)
    assert not missing, f"{len(missing)} messages are not translated into {language}, for example {missing[:10]}"
    assert not odd, f"placeholders differ in {language}: {odd[:10]}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_stands_twice(language: str) -> None:
    written = (ROOT / "translations" / language / "LC_MESSAGES" / "messages.po").read_text(encoding="utf-8")
    messages = re.findall(r'^(?:msgctxt .*\n)?msgid (?:".*"\n)+', written, re.MULTILINE)
    assert [one for one, times in Counter(messages).items() if times > 1] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_form_of_many_leaves_its_number_out(language: str) -> None:
    catalogue = catalogue_of(language)
    many = {"fr": (1,), "ar": (3, 4, 5)}[language]
    for message in catalogue:
        if isinstance(message.id, tuple):
            wanted = set(PLACEHOLDER.findall(message.id[1]))
            for form in many:
                assert set(PLACEHOLDER.findall(message.string[form])) == wanted, message.id


def test_arabic_counts_in_six_forms() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, catalogue_of("ar"))
    compiled.seek(0)
    spoken = Translations(compiled)
    said = [spoken.ngettext("%(num)d row", "%(num)d rows", number) for number in (0, 1, 2, 3, 11, 100)]
    assert len(set(said)) == 6
    assert said[3] == spoken.ngettext("%(num)d row", "%(num)d rows", 110)
    assert said[4] == spoken.ngettext("%(num)d row", "%(num)d rows", 4047)
    assert said[5] == spoken.ngettext("%(num)d row", "%(num)d rows", 1002)


def test_french_sets_its_own_marks() -> None:
    wrong = [
        form
        for message in catalogue_of("fr")
        if message.id
        for form in forms_of(message)
        if "'" in form or re.search(r"(?<![\s\d\w])[!?;]|[ \u00a0][:;!?»]|« ", form)
    ]
    assert wrong == []


def test_an_application_without_compiled_catalogues_speaks_english(
    settings: Settings, owner: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        webapp.app, "product_files", lambda name: tmp_path if name == "translations" else product_files(name)
    )
    app = webapp.app.create_app(settings)
    answer = app.test_client().get("/sign-in", headers={"Accept-Language": "fr"})
    assert answer.status_code == 200
    assert "Sign in" in answer.get_data(as_text=True)
    app.extensions[KEY].database.close()


class Reader(HTMLParser):
    """Collects what a page says: its texts, and the attributes that are shown or spoken."""

    SPOKEN = ("aria-label", "title", "placeholder", "alt", "label", "data-confirm", "data-copied", "data-label")
    SILENT = ("script", "style", "kbd", "code", "pre")

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SILENT:
            self.inside.append(tag)
        self.texts |= {
            " ".join(value.split())
            for name, value in attrs
            if value and (name in self.SPOKEN or name.startswith("data-text-"))
        }

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.texts.add(" ".join(data.split()))


@pytest.fixture(scope="module")
def speaking(settings: Settings, owner: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """Return the application with the catalogues as they are in the sources, compiled or not."""
    folder = tmp_path_factory.mktemp("translations")
    for language in LANGUAGES:
        place = folder / language / "LC_MESSAGES"
        place.mkdir(parents=True)
        with (place / "messages.mo").open("wb") as file:
            write_mo(file, catalogue_of(language))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            webapp.app, "product_files", lambda name: folder if name == "translations" else product_files(name)
        )
        app = webapp.app.create_app(settings)
    app.testing = True
    yield app
    app.extensions[KEY].database.close()


@pytest.fixture(scope="module")
def made(speaking: Flask, owner: Engine, settings: Settings) -> Furnished:
    return furnish(speaking, owner, settings, words=lambda name, _length: f"zq{len(name)}")


@dataclass(slots=True)
class English:
    """What must not be read in another language: short texts as a whole, sentences anywhere."""

    short: set[str] = field(default_factory=set)
    sentences: list[tuple[str, re.Pattern[str]]] = field(default_factory=list)
    """Each with its longest part between placeholders, which is looked for first because that is quick."""

    def remains_in(self, said: str, written: set[str]) -> bool:
        """Tell whether a text says something in English that nobody wrote."""
        if said in written:
            return False
        return said in self.short or any(
            (found := sentence.search(said)) and found[0] not in written
            for part, sentence in self.sentences
            if part in said
        )


def english_of(language: str) -> English:
    """Return the English texts that are said otherwise in a language."""
    english, translations = English(), set()
    for message in catalogue_of(language):
        pairs = (
            [(message.id, message.string)]
            if isinstance(message.id, str)
            else zip(message.id, (message.string[1], message.string[-1]), strict=True)
        )
        for source, translated in pairs:
            translations.add(translated)
            if not source or translated.casefold() == source.casefold():
                continue
            parts = PLACEHOLDER.split(source.replace("%%", "%"))
            if len(re.findall(r"[A-Za-z]{2,}", " ".join(parts))) >= WORDS_OF_A_SENTENCE:
                english.sentences.append((max(parts, key=len), re.compile(".+?".join(map(re.escape, parts)))))
            else:
                english.short.add(source)
    english.short -= translations  # "Close" is French too
    return english


def stored_texts(made: Furnished, owner: Engine) -> set[str]:
    """Return every text that people (or the demonstration) wrote: it is shown as it is in every language."""
    found: set[str] = set()

    def collect(value: Any) -> None:
        if isinstance(value, str):
            found.add(" ".join(value.split()))
        elif isinstance(value, dict | list):
            for one in value.values() if isinstance(value, dict) else value:
                collect(one)

    with owner.connect() as connection:
        for schema in (made.acme.ref.schema, "platform"):
            tables = connection.scalars(
                text("SELECT tablename FROM pg_tables WHERE schemaname = :schema"), {"schema": schema}
            ).all()
            for table in tables:
                for row in connection.scalars(text(f'SELECT row_to_json(t) FROM "{schema}"."{table}" t')):
                    collect(row)
    return found


def speak(person: Person, language: str) -> None:
    with person.app.extensions[KEY].database.platform() as session:
        session.execute(
            text("UPDATE person SET language = :language WHERE id = :id"), {"language": language, "id": person.id}
        )


def pages_in(made: Furnished, language: str) -> Iterator[atlas.Page]:
    """Yield every page, fragment and refusal as people who read this language see them."""
    app = made.cast.app
    starts, _unknown = atlas.addresses(app, made)
    walks = ((made.alice, "/", f"/t/{made.acme.slug}"), (made.cast.olga, "/platform", "/platform"))
    for person, begin, within in walks:
        speak(person, language)
        client = person.browser()
        client.environ_base["HTTP_ACCEPT_LANGUAGE"] = language
        walked = atlas.walk(app, client, [one for one in starts if one.startswith(begin)], within=within)
        yield from walked.pages
        yield from walked.parts
        yield from atlas.refusals(client, walked)
    speak(made.carol, language)
    refused = f"/t/{made.acme.slug}/entries/new"
    yield atlas.Page(refused, "", 403, "text/html", made.carol.browser().get(refused).get_data(as_text=True))
    for address in ("/sign-in", "/nowhere"):
        answer = app.test_client().get(address, headers={"Accept-Language": language})
        yield atlas.Page(address, "", answer.status_code, "text/html", answer.get_data(as_text=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_is_left_in_english(made: Furnished, owner: Engine, language: str) -> None:
    where: dict[str, str] = {}
    for page in pages_in(made, language):
        if page.address.startswith(IN_THEIR_OWN_LANGUAGE):
            continue
        reader = Reader()
        reader.feed(page.text)
        for said in reader.texts:
            where.setdefault(said.removesuffix(" · Comptoir"), page.address)
    assert len(where) > 500
    english, written = english_of(language), stored_texts(made, owner)
    left = {said: address for said, address in where.items() if english.remains_in(said, written)}
    assert left == {}


def test_the_search_for_english_finds_what_is_left() -> None:
    english = english_of("fr")
    assert english.remains_in("Close account", set())
    assert english.remains_in("You are invited to Acme", set())
    assert english.remains_in("At the end: Nothing matches these filters", set())
    assert not english.remains_in("Aucun compte", set())
    assert not english.remains_in("Close account", {"Close account"})


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
@pytest.mark.parametrize("currency", ["EUR", "MAD", "TND", "JPY"])
@pytest.mark.parametrize("minor", [-123456, 0, 7, 9876543210])
def test_an_amount_that_is_copied_from_a_page_is_read_back(
    speaking: Flask, language: str, currency: str, minor: int
) -> None:
    with speaking.test_request_context(), force_locale(language):
        for shown in (money(minor, currency), amount(minor, currency)):
            assert read_amount(shown, currency, decimal_sign="," if language == "fr" else ".") == minor
            assert language != "ar" or (shown[0], shown[-1]) == ("\u2066", "\u2069")
            assert minor >= 0 or shown.lstrip("\u2066")[0] == "-"
