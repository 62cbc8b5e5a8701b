"""What is promised of an installation, line by line, and the table of what was measured of it.

A test says with ``@pytest.mark.line("deploy.load")`` which line it proves and with the fixture `measured` what it saw.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

Measured = Callable[[str], None]
"""What the fixture `measured` is: it puts a few words into the line's row."""

LINES = {
    "image.hardened": "one image: no root, no pip, no compiler, read-only; labels; health check",
    "image.size": "under 250 MB",
    "image.locked": "made from locks with hashes; equal when made twice",
    "compose.up": "everything comes up well, in its order",
    "compose.hardened": "limits, no privileges, no capabilities, networks apart, nothing but nginx published",
    "compose.lint": "compose, recipes and scripts are clean",
    "setup.install": "from nothing to a signed-in page in three commands",
    "setup.doctor": "the doctor says what is wrong and what to do",
    "setup.reset": "a reset asks twice and leaves nothing",
    "edge.tls": "Mozilla's intermediate and modern profiles (sslyze)",
    "edge.testssl": "testssl.sh: nothing above LOW but what contradicts Mozilla",
    "edge.gixy": "gixy finds nothing",
    "edge.observatory": "Mozilla's Observatory: nothing failed, at least 130 on every kind of page",
    "edge.smuggling": "CL.TE, TE.CL and bare LF by raw socket",
    "edge.slow": "slow clients keep nobody out (slowhttptest)",
    "edge.limits": "10 calls a second, 5 sign-ins a minute, real addresses only",
    "edge.bodies": "statements are handed on while they come in; larger ones are refused",
    "edge.static": "static files packed beforehand, kept for good",
    "edge.pages": "maintenance and errors are calm pages with a reference",
    "edge.logs": "no log holds a query or the secret of a link; one id everywhere",
    "edge.certificates": "certificates are got from an ACME authority and renewed under open connections",
    "edge.domains": "a workspace has a name of its own with a certificate",
    "deploy.load": "deploy under load: 0 failed requests, 0 lost postings",
    "deploy.rollback": "rollback under load: 0 failed requests, under 60 s",
    "deploy.unfit": "a version that is unfit stops itself and the old one serves",
    "deploy.killed": "a deploy that is killed at each of its steps goes on",
    "deploy.contract": "what takes away runs later, and not while the old version runs",
    "deploy.lint": "migrations are linted; seeded faults are found",
    "backup.all": "backups by the clock and by hand, closed, read back; RPO under 5 min",
    "backup.configuration": "the configuration lies beside it",
    "backup.s3": "backups and the configuration go to a second target that speaks S3",
    "backup.s3.restore": "the first target is lost and all comes back from the second",
    "backup.lost": "all is lost and comes back with equal digests; RTO under 15 min for 10 GB",
    "backup.minute": "back to a chosen minute",
    "backup.workspace": "one workspace back while the others work",
    "backup.nightly": "each workspace every night, by the workers",
    "backup.erased": "an owner lets a workspace be erased, with a certificate",
    "backup.refused": "damaged, truncated, wrong key, newer, gap: refused, nothing changed",
    "backup.drill": "the drill restores the newest backup, compares, and says what it found",
    "backup.major": "a newer major version of PostgreSQL",
    "watching.read": "everything is read, by accounts that may do as little as can be",
    "watching.rules": "rules fire beyond their limit and not on this side of it",
    "watching.dashboards": "every query of every dashboard is answered",
    "watching.runbooks": "the commands of every runbook work",
    "watching.fires": "an alert fires and ends",
    "watching.traces": "nginx, web, PostgreSQL and worker under one id, one in ten",
    "k8s.schema": "both overlays hold against the schema of Kubernetes",
    "ci.sbom": "the bill of materials names what is locked",
    "faults.kill": "each container is killed",
    "faults.database": "PostgreSQL stops for 30 s under load",
    "faults.network": "the network between web and PostgreSQL is cut",
    "faults.valkey": "Valkey is lost with its data",
    "faults.disk.database": "the database's disk is full",
    "faults.disk.documents": "the document store's disk is full",
    "faults.disk.backups": "the backup target's disk is full",
    "faults.clock": "the clock of a machine moves",
    "faults.clocks": "two clocks run",
    "faults.memory": "a worker is out of memory",
}
"""Every line, by the name that tests use; the part of the name before the dot is the part of the product."""


@dataclass
class Proof:
    """What became of one line in a run."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    skipped: int = 0
    seconds: float = 0.0
    measured: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say how it went in one word."""
        if self.failed:
            return "FAILED"
        return "passed" if self.passed else "skipped" if self.skipped else "not run"


def table(proofs: dict[str, Proof]) -> Iterable[str]:
    """Return the rows of the table as Markdown, a line that no test of this run proved among them."""
    found = defaultdict(Proof, proofs)
    yield "| Line | Promise | | Tests, time | Measured |"
    yield "|---|---|---|---|---|"
    for name, promise in LINES.items():
        proof = found[name]
        count = proof.passed + proof.skipped + len(proof.failed)
        ran = f"{count}, {proof.seconds:.0f} s" if count else ""
        yield f"| {name} | {promise} | {proof} | {ran} | {'; '.join(proof.measured)} |"
