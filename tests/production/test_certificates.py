"""Certificates by certbot from an authority that speaks ACME (pebble, which nobody trusts), got and renewed."""

import json
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from cryptography import x509

from tests.production.lines import Measured
from tests.production.stack import DOMAIN, Stack, running, until

# Its root is made anew at each start: what it signed is looked at, not trusted.
pytestmark = pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")

CERTBOT = "comptoir-standin/certbot:13"
OWN_NAME = "ledger.test"
PEBBLE = {
    "listenAddress": "0.0.0.0:14000",
    "managementListenAddress": "0.0.0.0:15000",
    "certificate": "/tls/fullchain.pem",
    "privateKey": "/tls/privkey.pem",
    "httpPort": 8080,
    "tlsPort": 8443,
    "ocspResponderURL": "",
    "externalAccountBindingRequired": False,
}
"""The authority asks nginx inside the network: at the port that is published as 80."""


@pytest.fixture(scope="module")
def stack(_docker: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return an installation whose certbot is told of an authority beside it, and the workspace `acme`."""
    folder = tmp_path_factory.mktemp("certificates") / "comptoir"
    with running(folder, settings={"CERTBOT_IMAGE": CERTBOT}) as made:
        authority = f"{made.project}-authority"
        try:
            begin_authority(made, authority)
            yield made
        finally:
            made.run("docker", "rm", "-f", authority, check=False)


def begin_authority(stack: Stack, name: str) -> None:
    """Start pebble where certbot reaches it, and where it reaches nginx by the names that are asked for."""
    folder = stack.folder / "authority"
    stack.run("ops/certificate", "self-signed", "authority", str(folder))
    (folder / "pebble.json").write_text(json.dumps({"pebble": PEBBLE}))
    (nginx,) = json.loads(stack.run("docker", "inspect", f"{stack.project}-nginx-1").stdout)
    address = nginx["NetworkSettings"]["Networks"][f"{stack.project}_edge"]["IPAddress"]
    stack.run(
        *("docker", "create", "--name", name, "--network", f"{stack.project}_edge", "-v", f"{folder}:/tls:ro"),
        *("--add-host", f"{DOMAIN}:{address}", "--add-host", f"{OWN_NAME}:{address}", "-e", "PEBBLE_VA_NOSLEEP=1"),
        *("--entrypoint", "pebble", CERTBOT, "-config", "/tls/pebble.json"),
    )
    stack.run("docker", "network", "connect", "--alias", "authority", f"{stack.project}_out", name)
    stack.run("docker", "start", name)
    state = stack.folder / ".production/letsencrypt"
    state.mkdir(exist_ok=True)
    (state / "cli.ini").write_text("server = https://authority:14000/dir\nno-verify-ssl = True\n")
    until(
        lambda: "Listening on" in stack.run("docker", "logs", name).stdout + stack.run("docker", "logs", name).stderr,
        seconds=20,
        what="the authority listens",
    )


def served(stack: Stack, name: str) -> x509.Certificate:
    """Return the certificate that nginx shows for a name."""
    context = ssl._create_unverified_context()  # noqa: S323 - above
    with urllib3.HTTPSConnectionPool(
        "127.0.0.1", stack.https_port, server_hostname=name, ssl_context=context, assert_hostname=False
    ) as site:
        line = site._get_conn()
        line.connect()
        shown = line.sock.getpeercert(binary_form=True)
        line.close()
    return x509.load_der_x509_certificate(shown)


def issuer(stack: Stack, name: str) -> str:
    """Return who signed what nginx shows for a name, the empty text while it does not serve it."""
    try:
        return served(stack, name).issuer.rfc4514_string()
    except ssl.SSLError:
        return ""


@pytest.mark.line("edge.certificates")
def test_the_installation_gets_a_certificate_from_the_authority(stack: Stack):
    assert "Pebble" not in issuer(stack, DOMAIN)
    told = stack.run("ops/certificate", "letsencrypt").stdout
    assert f"{DOMAIN} has a certificate until" in told
    until(lambda: "Pebble" in issuer(stack, DOMAIN), seconds=20, what="nginx shows it")


@pytest.mark.line("edge.domains")
def test_a_workspace_has_a_name_of_its_own_with_a_certificate(stack: Stack):
    assert issuer(stack, OWN_NAME) == ""
    refused = stack.run("ops/domain", "add", OWN_NAME, "--workspace", "nowhere", check=False)
    assert refused.returncode == 1
    assert "there is no workspace called nowhere here" in refused.stderr
    assert stack.run("ops/domain", "list").stdout == ""
    told = stack.run("ops/domain", "add", OWN_NAME, "--workspace", "acme")
    assert "leads to the workspace acme" in told.stdout
    with urllib3.HTTPConnectionPool("127.0.0.1", stack.http_port, headers={"Host": OWN_NAME}) as plain:
        assert plain.request("GET", "/x", redirect=False).headers["Location"] == f"https://{OWN_NAME}/x"
    until(lambda: "Pebble" in issuer(stack, OWN_NAME), seconds=20, what=f"nginx serves {OWN_NAME}")
    with named(stack, OWN_NAME) as site:
        until(
            lambda: site.request("GET", "/", redirect=False).headers.get("Location", "").endswith("/t/acme/"),
            seconds=20,
            what=OWN_NAME,
        )
        assert site.request("GET", "/sign-in").status == 400
        stack.compose("up", "-d", "--no-deps", "--wait", "web-blue")
        assert site.request("GET", "/sign-in").status == 200
    assert stack.run("ops/domain", "list").stdout == f"{OWN_NAME} acme\n"


@pytest.mark.line("edge.certificates")
def test_certificates_are_renewed_under_a_connection_that_is_in_use(stack: Stack, measured: Measured):
    before = {name: served(stack, name).serial_number for name in (DOMAIN, OWN_NAME)}
    told = stack.run("ops/certificate", "renew", "--now").stdout
    assert "has a certificate until" not in told, "nothing ends soon"
    for conf in Path(stack.folder / ".production/letsencrypt/renewal").glob("*.conf"):
        conf.write_text(f"renew_before_expiry = 3000 days\n{conf.read_text()}")
    with named(stack, OWN_NAME) as site:
        assert site.request("GET", "/livez").status == 200
        told = stack.run("ops/certificate", "renew", "--now").stdout
        assert told.count("has a certificate until") == 2
        for name, serial in before.items():
            until(lambda: served(stack, name).serial_number != serial, seconds=20, what=f"another one of {name}")  # noqa: B023 - within the turn
        assert site.request("GET", "/livez").status == 200
        assert site.num_connections == 1, "the connection from before the renewal"
    measured("certbot 4.0 and pebble: 2 got, 2 renewed, an open connection kept")


@pytest.mark.line("edge.certificates")
def test_a_name_that_does_not_lead_here_gets_no_certificate_and_is_not_served(stack: Stack):
    done = stack.run("ops/domain", "add", "elsewhere.test", "--workspace", "acme", check=False)
    assert done.returncode == 1
    assert "is not served" in done.stderr
    assert "elsewhere" not in stack.run("ops/domain", "list").stdout
    stack.run("ops/domain", "remove", OWN_NAME)
    until(lambda: stack.run("ops/domain", "list").stdout == "", seconds=5, what="no name")


def named(stack: Stack, name: str) -> urllib3.HTTPSConnectionPool:
    """Return connections to nginx under a name that trust what lies there for it."""
    context = ssl._create_unverified_context()  # noqa: S323 - above
    return urllib3.HTTPSConnectionPool(
        "127.0.0.1",
        stack.https_port,
        server_hostname=name,
        ssl_context=context,
        assert_hostname=False,
        headers={"Host": f"{name}:{stack.https_port}"},
    )
