"""Letters: their words, their envelope, and the two ways out."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from webapp.mail.delivery import Post, deliver
from webapp.mail.letters import Letter, envelope, write
from webapp.mail.queries import FOLDER, written_mail, written_mails

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
VALUES = {"workspace": "Atelier Été & Fils", "invited_by": "Zoé <b>", "link": "https://example.org/invitations/x"}


def test_a_letter_is_plain_text_with_its_subject_first() -> None:
    letter = write("invitation", "en", VALUES)
    assert letter.subject == "You are invited to Atelier Été & Fils"
    assert "Zoé <b> invites you" in letter.text
    assert "\nhttps://example.org/invitations/x\n" in letter.text


def test_a_name_with_line_breaks_makes_no_header() -> None:
    letter = write("invitation", "en", {**VALUES, "workspace": "A\r\nBcc: all@example.org"})
    message = envelope(letter, sender="a@example.org", to="b@example.org", at=AT, message_id="1")
    assert message["Bcc"] is None
    with pytest.raises(ValueError, match=r"."):
        envelope(letter, sender="a@example.org", to="b@example.org\r\nBcc: c@example.org", at=AT, message_id="1")


def test_a_letter_without_a_server_becomes_a_file_that_can_be_read_back(tmp_path: Path) -> None:
    message = envelope(Letter("Grüße", "Été\n"), sender="a@example.org", to="b@example.org", at=AT, message_id="1")
    name = f"20261120T120000-{'a' * 32}"
    deliver(message, post=Post(), folder=tmp_path / FOLDER, name=name)
    (found,) = written_mails(data_dir=str(tmp_path))
    assert (found.name, found.subject, found.to, found.at, found.text) == (name, "Grüße", "b@example.org", AT, "Été\n")
    assert (tmp_path / FOLDER / f"{name}.eml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["../secret", "x", "20261120T120000-" + "g" * 32, ""])
def test_no_other_file_can_be_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.eml").write_text("Subject: s\n\nx")
    assert written_mail(data_dir=str(tmp_path), name=name) is None


def test_a_name_of_several_lines_is_one_line_of_a_letter() -> None:
    several = "Eve\n\nYour account is locked.\u2028Open evil.example"
    letter = write("invitation", "en", {**VALUES, "invited_by": several})
    assert "Eve Your account is locked. Open evil.example invites you" in " ".join(letter.text.split("\n"))
    assert "\n\nYour account" not in letter.text


@pytest.mark.parametrize(
    "to", ["a@example.org, b@example.org", "a@example.org\nBcc: b@example.org", "nobody", "a@b@c", ""]
)
def test_a_letter_goes_to_one_address_or_nowhere(to: str) -> None:
    letter = write("invitation", "en", VALUES)
    with pytest.raises(ValueError, match=r"."):
        envelope(letter, sender="a@example.org", to=to, at=AT, message_id="1")


def test_an_address_in_other_letters_is_written_as_mail_servers_read_it() -> None:
    letter = write("invitation", "en", VALUES)
    message = envelope(letter, sender="a@example.org", to="zoe@\u00e9t\u00e9.example", at=AT, message_id="1")
    assert message["To"] == "zoe@xn--t-9fab.example"
