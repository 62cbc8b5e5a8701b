"""Letters: their words, their envelope, and the two ways out."""

import socket
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from webapp.mail.delivery import deliver
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
    deliver(message, smtp_url="", folder=tmp_path / FOLDER, name=name)
    (found,) = written_mails(data_dir=str(tmp_path))
    assert (found.name, found.subject, found.to, found.at, found.text) == (name, "Grüße", "b@example.org", AT, "Été\n")
    assert (tmp_path / FOLDER / f"{name}.eml").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", ["../secret", "x", "20261120T120000-" + "g" * 32, ""])
def test_no_other_file_can_be_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret.eml").write_text("Subject: s\n\nx")
    assert written_mail(data_dir=str(tmp_path), name=name) is None


def test_a_letter_goes_to_the_mail_server(tmp_path: Path) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def answer() -> None:
        taken, _ = listening.accept()
        with taken, taken.makefile("rwb") as line:

            def say(text: bytes) -> None:
                line.write(text + b"\r\n")
                line.flush()

            say(b"220 here")
            inside = False
            while data := line.readline():
                heard.append(data)
                if inside:
                    if data == b".\r\n":
                        inside = False
                        say(b"250 taken")
                elif data.upper().startswith(b"DATA"):
                    inside = True
                    say(b"354 go on")
                elif data.upper().startswith(b"QUIT"):
                    say(b"221 bye")
                    return
                else:
                    say(b"250 fine")

    server = threading.Thread(target=answer)
    server.start()
    message = envelope(Letter("Hello", "Text\n"), sender="a@example.org", to="b@example.org", at=AT, message_id="1")
    deliver(message, smtp_url=f"smtp://127.0.0.1:{listening.getsockname()[1]}", folder=tmp_path, name="x")
    server.join(5)
    listening.close()
    assert b"rcpt TO:<b@example.org>\r\n" in heard
    assert b"Subject: Hello\r\n" in heard
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_away_is_a_failure_that_the_job_tries_again(tmp_path: Path) -> None:
    message = envelope(Letter("Hello", "Text\n"), sender="a@example.org", to="b@example.org", at=AT, message_id="1")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(OSError, match=r"."):
        deliver(message, smtp_url=f"smtp://127.0.0.1:{port}", folder=tmp_path, name="x")


def test_a_name_of_several_lines_is_one_line_of_a_letter() -> None:
    several = "Eve\n\nYour account is locked.\u2028Open evil.example"
    letter = write("invitation", "en", {**VALUES, "invited_by": several})
    assert "Eve Your account is locked. Open evil.example invites you" in " ".join(letter.text.split("\n"))
    assert "\n\nYour account" not in letter.text
