"""Letters leave through a real mail server, over TLS that is verified, and wait while it is away."""

import datetime as dt
import email
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cast import Cast
from tests.hands import Clock, queued, work
from webapp.kernel.db import Database
from webapp.mail.delivery import MailServerUnsafe, deliver, post_of
from webapp.mail.letters import Letter, envelope
from webapp.settings import Settings

AT = dt.datetime(2026, 11, 20, 12, 0, tzinfo=dt.UTC)
LETTER = Letter("Été", "Text\n", "<p>Text</p>")
MESSAGE = envelope(LETTER, sender="a@example.org", to="b@example.org", at=AT, message_id="1")


class Mailbox:
    """Keeps what a mail server was given, and who gave it."""

    def __init__(self) -> None:
        self.letters: list[Any] = []
        self.logins: list[tuple[str, str]] = []
        self.answer = "250 taken"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        if self.answer.startswith("250"):
            self.letters.append((envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=default)))
        return self.answer

    def authenticate(self, *args: Any) -> AuthResult:
        given: LoginPassword = args[-1]
        self.logins.append((given.login.decode(), given.password.decode()))
        return AuthResult(success=given.password == b"s3cret:/@", handled=False)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a key and a certificate for 127.0.0.1 that only those trust who are told to."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
        .not_valid_after(dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "mail.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def mail_server(mailbox: Mailbox, certificate: Path | None = None, *, port: int = 0, **options: Any) -> Iterator[int]:
    """Run a mail server and yield its port; with a certificate it takes letters over STARTTLS only."""
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(certificate)
        options |= {"tls_context": tls, "require_starttls": True}
    running = Controller(mailbox, hostname="127.0.0.1", port=port, **options)
    running.start()
    try:
        yield port
    finally:
        running.stop()


@pytest.fixture
def posted(settings: Settings, tmp_path: Path) -> Callable[..., None]:
    """Return how the letter is given to a mail server with some settings."""

    def act(url: str, **chosen: str) -> None:
        post = post_of(replace(settings, smtp_url=url, **chosen))
        deliver(MESSAGE, post=post, folder=tmp_path, name="x")
        assert list(tmp_path.iterdir()) == []

    return act


def test_a_letter_leaves_over_starttls_with_a_password_of_a_setting(
    certificate: Path, posted: Callable[..., None]
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, certificate, authenticator=mailbox.authenticate, auth_required=True) as port:
        posted(f"smtp://me@localhost:{port}", smtp_password="s3cret:/@", smtp_authorities=str(certificate))
    assert mailbox.logins == [("me", "s3cret:/@")]
    ((to, letter),) = mailbox.letters
    assert to == ["b@example.org"]
    assert letter["Subject"] == "Été"
    assert [part.get_content_type() for part in letter.iter_parts()] == ["text/plain", "text/html"]


def test_a_server_that_cannot_show_who_it_is_gets_neither_password_nor_letter(
    certificate: Path, posted: Callable[..., None]
) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, certificate, authenticator=mailbox.authenticate) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            posted(f"smtp://me:s3cret@localhost:{port}")
        with pytest.raises(ssl.SSLCertVerificationError):
            posted(f"smtp://me:s3cret@127.0.0.1:{port}", smtp_authorities=str(certificate))
    assert mailbox.logins == mailbox.letters == []


def test_without_tls_no_password_is_said(posted: Callable[..., None]) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox, authenticator=mailbox.authenticate, auth_require_tls=False) as port:
        with pytest.raises(MailServerUnsafe):
            posted(f"smtp://me:s3cret@127.0.0.1:{port}")
        assert mailbox.logins == mailbox.letters == []
        posted(f"smtp://127.0.0.1:{port}")
    assert len(mailbox.letters) == 1, "a server on this machine takes letters as they are"


def test_a_letter_waits_while_the_server_is_away_and_leaves_once(
    cast: Cast, settings: Settings, database: Database
) -> None:
    mailbox, clock = Mailbox(), Clock(dt.datetime.now(dt.UTC))
    email_of = f"nour-{uuid4().hex[:8]}@example.org"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    by_mail = replace(settings, smtp_url=f"smtp://127.0.0.1:{port}")
    assert cast.alice.api("POST", "/invitations", json={"email": email_of}).status_code == 201
    clock.forward(seconds=1)
    waits = []
    for _ in range(3):
        work(by_mail, "mail.send", clock=clock)
        (job,) = queued(database, to=email_of)
        assert (job.state, job.attempts) == ("queued", 0), "the server's absence is not held against the letter"
        waits.append(round((job.available_at - clock.at).total_seconds()))
        clock.at = job.available_at
    assert waits[0] == 15
    assert 14 <= waits[1] <= 18
    assert 28 <= waits[2] <= 36, "each time about as long as it has waited already"
    with mail_server(mailbox, port=port):
        mailbox.answer = "451 come again"
        work(by_mail, "mail.send", clock=clock)
        clock.forward(hours=1)
        mailbox.answer = "250 taken"
        work(by_mail, "mail.send", clock=clock)
        work(by_mail, "mail.send", clock=clock)
    (letter,) = [one for to, one in mailbox.letters if to == [email_of]]
    assert "Acme" in letter["Subject"]
    (job,) = queued(database, to=email_of)
    assert job.state == "done"
    assert "values" not in job.arguments, "the link is forgotten"
