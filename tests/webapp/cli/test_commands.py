"""The commands as a person types them, against the test servers by address; outside scripts rely on their words."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, text

from tests.cast import Cast
from tests.conftest import SECRET
from tests.hands import submit, told
from tests.webapp.identity.test_second_step import password_for, set_up
from tests.webapp.oauth.test_server import call, register
from webapp.cli.first_run import sign_in_lines
from webapp.cli.main import NOUNS, main
from webapp.kernel.clock import utc_now
from webapp.kernel.db import owner_engine
from webapp.settings import Settings
from webapp.tenancy.schema import Revisions
from webapp.web.state import KEY

PROGRAM = "from webapp.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def comptoir(
    settings: Settings,
    owner: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run `comptoir …` in this process, on the test servers."""
    for name in [name for name in os.environ if name.startswith("COMPTOIR_")]:
        monkeypatch.delenv(name)
    masters = ("MASTER_KEYS_FILE", settings.master_keys_file)
    for name, value in (("DATABASE_URL", settings.database_url), ("SECRET_KEY", SECRET), masters):
        monkeypatch.setenv(f"COMPTOIR_{name}", value)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["comptoir", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return Ended(int(end.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def slug() -> str:
    """Return a short name that is free."""
    return f"w{uuid4().hex[:12]}"


def make(comptoir: Run, slug: str, *more: str) -> Ended:
    return comptoir("tenant", "create", "--slug", slug, "--name", "Acme", "--owner", f"owner@{slug}.example", *more)


def refused(ended: Ended) -> str:
    """Return the one line of a refusal."""
    assert ended.code == 1
    assert ended.out == ""
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("comptoir: ")
    return lines[0]


def test_help_imports_nothing_heavy():
    text_ = (
        "import sys\nfrom webapp.cli.main import comptoir\n"
        "comptoir(['--help'], standalone_mode=False)\n"
        "print([name for name in ('sqlalchemy', 'flask', 'psycopg', 'webapp.settings') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", text_], capture_output=True, text=True, check=True)
    assert ended.stdout.rstrip().endswith("[]")
    assert all(noun in ended.stdout for noun in NOUNS)


@pytest.mark.parametrize("noun", sorted(NOUNS))
def test_every_noun_has_help(comptoir: Run, noun: str):
    ended = comptoir(noun, "--help")
    assert ended.code == 0
    assert f"Usage: comptoir {noun}" in ended.out


def test_a_new_workspace_and_its_new_owner_who_signs_in_once(comptoir: Run, slug: str, app: Flask):
    ended = make(comptoir, slug)
    assert ended.code == 0, ended.err
    first, second = ended.out.splitlines()
    assert first.endswith(f"/t/{slug}/, owner owner@{slug}.example")
    path = "/sign-in/" + second.rpartition("/sign-in/")[2]
    browser = app.test_client()
    token = browser.get(path).get_data(as_text=True).partition('name="csrf_token"')[2].partition('value="')[2]
    answer = browser.post(path, data={"csrf_token": token.partition('"')[0]})
    assert answer.status_code == 303
    assert browser.get("/profile").status_code == 200
    assert app.test_client().post(path, data={}).status_code in {403, 410}


def test_a_workspace_of_a_known_owner_prints_one_line(comptoir: Run, slug: str):
    make(comptoir, slug)
    ended = comptoir("tenant", "create", "--slug", f"{slug}-2", "--name", "Two", "--owner", f"OWNER@{slug}.example")
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 1


def test_a_token_is_printed_alone_and_opens_the_workspace(comptoir: Run, slug: str, app: Flask):
    make(comptoir, slug, "--currency", "chf")
    ended = comptoir("token", "create", "--tenant", slug, "--person", f"owner@{slug}.example")
    assert ended.code == 0, ended.err
    assert ended.err == ""
    assert ended.out.startswith("cpt_live_")
    assert ended.out == ended.out.strip() + "\n"
    answer = app.test_client().get(
        f"/api/v1/t/{slug}/accounts", headers={"Authorization": f"Bearer {ended.out.strip()}"}
    )
    assert answer.status_code == 200


def test_a_token_can_be_narrowed_and_named(comptoir: Run, slug: str, app: Flask, owner: Engine):
    make(comptoir, slug)
    ended = comptoir(
        "token",
        "create",
        "--tenant",
        slug,
        "--person",
        f"owner@{slug}.example",
        "--scope",
        "ledger:read",
        "--days",
        "7",
        "--name",
        "reader",
    )
    headers = {"Authorization": f"Bearer {ended.out.strip()}", "Idempotency-Key": "k"}
    client = app.test_client()
    assert client.get(f"/api/v1/t/{slug}/entries", headers=headers).status_code == 200
    body = {"name": "Bank", "kind": "asset", "currency": "EUR"}
    assert client.post(f"/api/v1/t/{slug}/accounts", headers=headers, json=body).status_code == 403
    with owner.connect() as connection:
        row = connection.execute(
            text("SELECT name, scopes, expires_at - created_at AS life FROM platform.token WHERE id = :id"),
            {"id": ended.out[len("cpt_live_") :][:16]},
        ).one()
    assert (row.name, row.scopes, row.life.days) == ("reader", ["ledger:read"], 7)


def test_suspend_resume_list_and_remove(comptoir: Run, slug: str, app: Flask, owner: Engine):
    make(comptoir, slug)
    token = comptoir("token", "create", "--tenant", slug, "--person", f"owner@{slug}.example").out.strip()

    def status() -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return app.test_client().get(f"/api/v1/t/{slug}/accounts", headers=headers).status_code

    assert f"{slug}\tactive\tAcme" in comptoir("tenant", "list").out
    assert comptoir("tenant", "suspend", "--slug", slug).code == 0
    assert f"{slug}\tsuspended\tAcme" in comptoir("tenant", "list").out
    assert status() == 403
    assert comptoir("tenant", "resume", "--slug", slug).code == 0
    assert status() == 200
    assert comptoir("tenant", "remove", "--slug", slug, "--yes").code == 0
    assert status() == 401
    assert slug not in comptoir("tenant", "list").out
    with owner.connect() as connection:
        left = connection.scalar(
            text("SELECT count(*) FROM platform.audit_event WHERE action = :action AND difference->'slug'->>0 = :slug"),
            {"action": "tenant.removed", "slug": slug},
        )
    assert left == 1


@pytest.mark.parametrize(("typed", "removed"), [("yes\n", False), ("\n", False), ("SLUG\n", True)])
def test_removing_asks_for_the_short_name(
    comptoir: Run, slug: str, typed: str, removed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    make(comptoir, slug)
    answer = tmp_path / "typed"
    answer.write_text(typed.replace("SLUG", slug))
    with answer.open() as lines:
        monkeypatch.setattr(sys, "stdin", lines)
        ended = comptoir("tenant", "remove", "--slug", slug)
    assert (ended.code == 0) is removed
    assert (slug in comptoir("tenant", "list").out) is not removed


def test_a_person_gets_a_new_link(comptoir: Run, slug: str):
    added = comptoir("person", "add", "--email", f"olga@{slug}.example", "--name", "Olga", "--operator")
    again = comptoir("person", "link", "--email", f"olga@{slug}.example")
    assert added.code == again.code == 0
    assert "/sign-in/" in added.out
    assert added.out != again.out


@pytest.fixture
def fresh(settings: Settings, owner: Engine, monkeypatch: pytest.MonkeyPatch, comptoir: Run) -> Iterator[str]:
    """Let the commands work on an empty database of its own and return its address."""
    url = settings.database_url.replace("/comptoir?", "/fresh?")
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("CREATE DATABASE fresh"))
        try:
            monkeypatch.setenv("COMPTOIR_DATABASE_URL", url)
            yield url
            if comptoir("tenant", "list").code == 0:
                for line in comptoir("tenant", "list").out.splitlines():
                    comptoir("tenant", "remove", "--slug", line.partition("\t")[0], "--yes")
        finally:
            connection.execute(text("DROP DATABASE fresh WITH (FORCE)"))


def test_a_database_that_nobody_has_migrated(comptoir: Run, fresh: str):
    assert "run comptoir migrate" in refused(comptoir("tenant", "list"))
    assert "run comptoir migrate" in refused(comptoir("doctor"))
    assert comptoir("migrate").out == "everything is at the newest version\n"
    assert comptoir("tenant", "list").code == 0


def test_migrate_reports_each_workspace_goes_on_after_a_failure_and_resumes(
    comptoir: Run, fresh: str, slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    comptoir("migrate")
    for name in ("a", "b", "c"):
        make(comptoir, f"{slug}-{name}")
    chain = tmp_path / "chain" / "versions"
    chain.mkdir(parents=True)
    (chain / "one.py").write_text('revision = "0001"\ndown_revision = None\n')
    (chain / "two.py").write_text(
        'from alembic import op\nrevision = "0002"\ndown_revision = "0001"\n'
        'def upgrade():\n    op.execute("CREATE TABLE added (n int)")\n'
    )
    for module in ("preparation", "migrations"):
        name = f"webapp.tenancy.{module}.tenant_revisions"
        monkeypatch.setattr(name, lambda: Revisions("tenant", chain.parent))
    engine = owner_engine(fresh)
    try:
        with engine.begin() as connection:
            broken = connection.scalar(text("SELECT id FROM platform.tenant WHERE slug = :s"), {"s": f"{slug}-b"})
            connection.execute(text(f"CREATE TABLE t_{broken.hex}.added (n int)"))
        failed = comptoir("migrate")
        with engine.begin() as connection:
            connection.execute(text(f"DROP TABLE t_{broken.hex}.added"))
        resumed = comptoir("migrate")
        nothing = comptoir("migrate")
    finally:
        engine.dispose()
    lines = sorted(failed.out.splitlines())
    assert failed.code == 1
    assert lines[0] == f"{slug}-a\t0002"
    assert lines[1].startswith(f"{slug}-b\tfailed: ")
    assert lines[2] == f"{slug}-c\t0002"
    assert "1 of 3 workspaces" in failed.err
    assert (resumed.code, resumed.out) == (0, f"{slug}-b\t0002\n")
    assert (nothing.code, nothing.out) == (0, "everything is at the newest version\n")


def test_doctor_is_content_and_then_is_not(comptoir: Run, cast: Cast, owner: Engine):
    well = comptoir("doctor")
    assert (well.code, well.out) == (0, "all is well: every workspace is apart from every other\n")
    grant = f"ON SCHEMA {cast.bravo.ref.schema}"
    with owner.begin() as connection:
        connection.execute(text(f"GRANT USAGE {grant} TO {cast.acme.ref.schema}"))
    try:
        ill = comptoir("doctor")
    finally:
        with owner.begin() as connection:
            connection.execute(text(f"REVOKE USAGE {grant} FROM {cast.acme.ref.schema}"))
    assert ill.code == 1
    assert ill.out.startswith("reach\trole ")
    assert "findings; each line says what to do" in ill.err


def test_the_first_start_offers_a_link_for_the_operator_until_there_is_one(
    comptoir: Run, settings: Settings, owner: Engine, slug: str
):
    with owner.begin() as connection:
        connection.execute(text("UPDATE platform.person SET is_operator = false"))
    assert "/first-operator/" in sign_in_lines(settings, "http://127.0.0.1:1234/")[0]
    comptoir("person", "add", "--email", f"olga@{slug}.example", "--operator")
    assert sign_in_lines(settings, "http://127.0.0.1:1234")[0] == "sign in at http://127.0.0.1:1234/sign-in"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["tenant", "create", "--slug", "Acme", "--name", "A", "--owner", "o@e.org"], "'Acme' cannot be a short name"),
        (["tenant", "create", "--slug", "a", "--name", " ", "--owner", "o@e.org"], "a name has 1 to 200 characters"),
        (["tenant", "create", "--slug", "a", "--name", "A", "--owner", "nobody"], "email: This is not an e-mail"),
        (["tenant", "create", "--slug", "a", "--name", "A", "--owner", "o@e.org", "--currency", "ABC"], "ISO 4217"),
        (["tenant", "suspend", "--slug", "nowhere"], "There is no workspace called nowhere"),
        (["tenant", "remove", "--slug", "nowhere", "--yes"], "there is no workspace called nowhere"),
        (["token", "create", "--tenant", "nowhere", "--person", "no@e.org"], "nobody is known as no@e.org"),
        (["person", "link", "--email", "no@e.org"], "nobody is known as no@e.org"),
    ],
)
def test_a_refusal_is_one_line(comptoir: Run, arguments: list[str], line: str):
    assert line in refused(comptoir(*arguments))


def test_a_refused_owner_leaves_no_workspace(comptoir: Run, slug: str):
    comptoir("tenant", "create", "--slug", slug, "--name", "A", "--owner", "nobody")
    assert slug not in comptoir("tenant", "list").out


def test_a_taken_short_name(comptoir: Run, slug: str):
    make(comptoir, slug)
    assert f"already called {slug}" in refused(make(comptoir, slug))


def test_a_token_of_a_stranger_to_the_workspace(comptoir: Run, slug: str):
    make(comptoir, slug)
    make(comptoir, f"{slug}-b")
    said = refused(comptoir("token", "create", "--tenant", slug, "--person", f"owner@{slug}-b.example"))
    assert "is no member of a workspace called" in said


def test_a_database_that_does_not_answer(comptoir: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COMPTOIR_DATABASE_URL", "postgresql://someone:hunter2@127.0.0.1:1/nothing")
    said = refused(comptoir("tenant", "list"))
    assert "cannot be reached" in said
    assert "hunter2" not in said


def test_a_setting_that_is_wrong(comptoir: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COMPTOIR_PORT", "many")
    assert "COMPTOIR_PORT must be a whole number" in refused(comptoir("tenant", "list"))


def test_a_data_folder_that_cannot_be_used(comptoir: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("COMPTOIR_DATABASE_URL")
    assert "choose another folder" in refused(comptoir("doctor", "--data-dir", str(tmp_path / "file")))


@pytest.mark.parametrize(
    "arguments",
    [
        ("tenant", "list"),
        ("tenant", "suspend", "--slug", "acme"),
        ("token", "create", "--tenant", "acme", "--person", "a@b.example"),
        ("person", "link", "--email", "a@b.example"),
        ("doctor",),
        ("migrate",),
    ],
)
def test_a_mistyped_data_folder_is_refused_and_not_made(
    comptoir: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
):
    monkeypatch.delenv("COMPTOIR_DATABASE_URL")
    folder = tmp_path / "no such"
    said = refused(comptoir(*arguments, "--data-dir", str(folder)))
    assert said.startswith(f"comptoir: there is no installation in {folder}: name its folder with --data-dir")
    assert not folder.exists()


def test_a_list_without_a_workspace_says_so_beside_it(comptoir: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("webapp.cli.tenant.queries.tenants", lambda **_: [])
    ended = comptoir("tenant", "list")
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("no workspace yet: ")


def test_commands_work_on_a_data_folder_that_nobody_runs(tmp_path: Path):
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COMPTOIR_")}
    folder = str(tmp_path / "my data")

    said: list[str] = []

    def run(*arguments: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments, "--data-dir", folder],
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(ended.stderr)
        return ended.stdout

    run("tenant", "create", "--slug", "acme", "--name", "Acme", "--owner", "owner@acme.example")
    assert run("token", "create", "--tenant", "acme", "--person", "owner@acme.example").startswith("cpt_live_")
    assert said == [f"comptoir: making a new installation in {folder}\n", ""]


def test_who_lost_everything_begins_anew_by_a_link_and_is_told_at_every_address(comptoir: Run, cast: Cast) -> None:
    app, old, new = cast.app, cast.bob.email, f"new-{cast.bob.email}"
    program = register(cast)
    given = program.exchange(program.code(cast.bob)).json
    browser = password_for(cast.bob)
    set_up(browser, utc_now)  # type: ignore[arg-type] # what tells the time
    assert "nobody is known as" in refused(comptoir("person", "reset", "--email", f"x{old}"))
    taken = refused(comptoir("person", "reset", "--email", old, "--new-email", cast.alice.email))
    assert "This address cannot be used" in taken
    assert "This is not an e-mail address" in refused(comptoir("person", "reset", "--email", old, "--new-email", "x"))
    assert browser.get("/profile").status_code == 200, "what was refused changed nothing"

    ended = comptoir("person", "reset", "--email", old, "--new-email", new)
    assert ended.code == 0, ended.err
    assert browser.get("/profile").status_code == 303
    assert call(app, cast.acme.slug, given["access_token"]).status_code == 401
    fresh, link = app.test_client(), "/" + ended.out.strip().split("/", 3)[3]
    assert submit(fresh, link, link).status_code == 303
    page = fresh.get("/profile/security").text
    assert "You have none: you sign in by links" in page and "Make new ones" not in page
    assert new in fresh.get("/profile/email").text
    assert submit(app.test_client(), "/sign-in", link).status_code == 410, "the link works once"
    for address in (old, new):
        assert {"account_reset", "email_changed"} <= set(told(app, address))
    with app.extensions[KEY].database.platform() as session:
        query = text("SELECT via FROM audit_event WHERE action = 'person.reset' AND object_id = :person")
        assert session.scalars(query, {"person": str(cast.bob.id)}).all() == ["cli"]
    assert cast.bob.api("GET", "/accounts").status_code == 200, "tokens go on unless it is said"
    assert comptoir("person", "reset", "--email", new, "--tokens").code == 0
    assert cast.bob.api("GET", "/accounts").status_code == 401


def test_a_command_in_a_process_of_its_own_knows_every_table_that_its_rows_refer_to() -> None:
    program = (
        "import webapp.cli.keys, webapp.cli.audit; from webapp.kernel.db import PlatformBase, TenantBase;"
        "[key.column for base in (PlatformBase, TenantBase)"
        " for table in base.metadata.tables.values() for key in table.foreign_keys]"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_nothing_is_taken_away_while_another_version_runs_or_may_come_back(
    comptoir: Run, fresh: str, monkeypatch: pytest.MonkeyPatch
):
    comptoir("migrate")
    engine = owner_engine(fresh)
    try:
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO platform.heartbeat VALUES ('web.old.1', 'web', now() - interval '50 s', '0.0.9')")
            )
        assert "web.old.1 (0.0.9)" in refused(comptoir("migrate", "--contract"))
        with engine.begin() as connection:
            connection.execute(text("UPDATE platform.heartbeat SET seen_at = now() - interval '61 s'"))
    finally:
        engine.dispose()
    monkeypatch.setenv("COMPTOIR_PREVIOUS_VERSION", "0.0.9")
    assert "ops/rollback can still go back to 0.0.9" in refused(comptoir("migrate", "--contract"))
    monkeypatch.delenv("COMPTOIR_PREVIOUS_VERSION")
    assert comptoir("migrate", "--contract").code == 0
