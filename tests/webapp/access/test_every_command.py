"""Every command that writes leaves its event in the trail, in the same transaction; what does not is named here."""

import ast
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WRITING = frozenset({"insert", "update", "delete", "upsert"})
MACHINERY = "work in the background is no act of a person: what was asked for has its event where it was asked"
SEALING = "what is sealed are events; an event for each seal would have to be sealed in its turn"
LEARNT = "what is learnt follows from an act that has its event"
CALLED = "a part of other commands, which record what they do with it"

NO_EVENT = {
    "webapp.access.commands.write_role": CALLED,
    "webapp.access.commands.drop_role": CALLED,
    "webapp.access.commands.write_grant": CALLED,
    "webapp.access.commands.end_grant": CALLED,
    "tenants.office.policies.replays.finish": MACHINERY,
    "webapp.tenancy.commands.raise_access_revision": CALLED,
    "webapp.tenancy.commands.raise_stores_revision": CALLED,
    "webapp.tenancy.commands.set_own_roles": CALLED,
    "webapp.identity.sessions.touch_session": "a mark of use, once a minute",
    "webapp.identity.halfway.begin_halfway": "opens nothing; the session that follows is an event",
    "webapp.identity.halfway.end_halfway": "opens nothing; the session that follows is an event",
    "webapp.identity.passkeys.keep_challenge": "a question to a passkey opens nothing",
    "webapp.identity.passkeys.take_challenge": "what the answer of a passkey opens is an event",
    "webapp.identity.recovery.drop_codes_of_nothing": CALLED,
    "webapp.identity.totp.use_code": "a part of a sign-in or a confirmation, which is an event",
    "webapp.identity.sessions.ask_for_renewal": "goes with the change of what the person may, which has its event",
    "webapp.identity.sessions.renew_session": "the same session under a new secret, after a change that has its event",
    "webapp.identity.tokens.touch_token": "a mark of use, once a minute",
    "webapp.identity.sessions.mark_single_sign_on": "is a part of the sign-in, or of the bypass, which are events",
    "webapp.oauth.commands.use_code": "the consent is the event; what ends a grant is one",
    "webapp.oauth.commands.add_refresh": "follows from a consent, which is an event",
    "webapp.oauth.commands.spend_refresh": "follows from a consent; a second use ends it: both are events",
    "webapp.sso.commands.touch_identity": "a mark of use; the session that it opens is an event",
    "webapp.identity.links.make_link": "a link is nothing until it is used; its use is a session that is opened",
    "webapp.identity.links.use_link": "is followed by the session or the person that it opens, which are events",
    "webapp.identity.links.use_mailed_link": "is followed by what it was for, which is an event",
    "webapp.identity.links.spend_links": "goes with the link that was used or the address that changed",
    "webapp.identity.links.spend_first_operator_links": "goes with the operator who is added or the newer link",
    "webapp.jobs.commands.enqueue": MACHINERY,
    "webapp.jobs.commands.forget_jobs": CALLED,
    "webapp.tenancy.commands.forget_invitations": CALLED,
    "webapp.jobs.commands.claim": MACHINERY,
    "webapp.jobs.commands.beat": MACHINERY,
    "webapp.jobs.commands.finish": MACHINERY,
    "webapp.jobs.commands.fail": MACHINERY,
    "webapp.jobs.commands.sweep": MACHINERY,
    "webapp.jobs.commands.put_back": MACHINERY,
    "webapp.jobs.commands.put_back_silent": MACHINERY,
    "webapp.jobs.commands.note_alive": MACHINERY,
    "webapp.jobs.commands.forget_arguments": MACHINERY,
    "webapp.jobs.commands.cancel": CALLED,
    "webapp.jobs.commands.retry": CALLED,
    "webapp.backups.commands.begin": MACHINERY,
    "webapp.backups.commands.fail": MACHINERY,
    "webapp.backups.commands.forget": "the erasure of its workspace, which it is about, is an event",
    "webapp.backups.commands.note_deleted": MACHINERY,
    "webapp.backups.commands.plan": MACHINERY,
    "webapp.backups.erasures.begin": MACHINERY,
    "webapp.backups.erasures.finish": "ends an erasure, which is an event",
    "webapp.backups.erasures.leave": "the calling back, for which it is forgotten, is an event",
    "webapp.backups.erasures.forget": "how long certificates are kept is said where the erasure is asked for",
    "webapp.backups.exports.begin": MACHINERY,
    "webapp.backups.exports.fail": MACHINERY,
    "webapp.backups.exports.finish": MACHINERY,
    "webapp.backups.exports.forget": "how long exports are kept is said where they are asked for",
    "webapp.backups.exports.keep_piece": MACHINERY,
    "webapp.backups.resealing.reseal": "a part of a restore, which is an event in both trails",
    "webapp.keys.commands.make_for": CALLED,
    "webapp.keys.commands.make_some": MACHINERY,
    "webapp.keys.commands.reseal_some": MACHINERY,
    "webapp.keys.commands.rewrap_some": MACHINERY,
    "webapp.mail.commands.send_mail": CALLED,
    "webapp.tenancy.commands.set_erasure": CALLED,
    "webapp.tenancy.commands.set_origins": CALLED,
    "webapp.tenancy.commands.set_time_zone": CALLED,
    "webapp.identity.notices.tell": CALLED,
    "webapp.identity.lockout.count_attempt": "a guess that sets a lock has its event, by note_locks",
    "webapp.identity.lockout.forgive": "goes with the session that is opened, which is an event",
    "webapp.identity.lockout.give_back": "what was not looked at is nothing",
    "webapp.identity.lockout.forget": "goes with the password that is set anew, which is an event",
    "webapp.identity.lockout.may_write": MACHINERY,
    "webapp.identity.mailbox.ask_for_link": "a link is nothing until it is used",
    "webapp.audit.seals.seal_batch": SEALING,
    "webapp.audit.seals.sign_checkpoint": SEALING,
    "tenants.office.policies.keeping.begin_round": MACHINERY,
    "tenants.office.policies.keeping.forget_decisions": "how long records are kept was said by who set it",
    "tenants.office.policies.commands.decide_anew": CALLED,
    "tenants.office.policies.versions.touch": CALLED,
    "tenants.money.ledger.booking.book": CALLED,
    "tenants.money.ledger.booking.book_one": CALLED,
    "tenants.money.ledger.booking.insert_postings": CALLED,
    "tenants.money.ledger.closing.close_reconciled": CALLED,
    "tenants.money.ledger.closing.open_reconciled": CALLED,
    "tenants.money.ledger.rewriting.put_back": CALLED,
    "tenants.money.ledger.rewriting.rewrite": CALLED,
    "tenants.money.reconciliations.ticks.drop_outside": CALLED,
    "tenants.money.reconciliations.ticks.tick_many": CALLED,
    "tenants.money.reconciliations.ticks.tick_some": CALLED,
    "tenants.money.reconciliations.ticks.untick": CALLED,
    "tenants.money.imports.account_plan.place_rows": CALLED,
    "tenants.money.imports.decisions.recount": CALLED,
    "tenants.money.imports.duplicates.mark": CALLED,
    "tenants.money.imports.duplicates.mark_booked_since": CALLED,
    "tenants.money.imports.learning.learn_from_changes": LEARNT,
    "tenants.money.imports.suggestions.learn": LEARNT,
    "tenants.money.imports.recognition.mapping_for": MACHINERY,
    "tenants.money.imports.remembered.recall": MACHINERY,
    "tenants.money.imports.remembered.remember": MACHINERY,
    "tenants.money.imports.staging.stage": MACHINERY,
    "tenants.money.imports.sealing.keep_chunk": CALLED,
    "tenants.money.imports.commands.drop_rows": MACHINERY,
    "tenants.money.imports.commands.set_state": CALLED,
    "tenants.money.imports.commands.start": CALLED,
    "tenants.money.imports.commands.request_publication": "the event is the publication, in the name of who asked",
    "tenants.money.imports.commands.request_reversal": "the event is the reversal, in the name of who asked",
}
"""Commands that write without an event, and why."""

CALLERS_WITHOUT = {
    "webapp.identity.jobs.send_change": "asks for what has its event where it was asked for",
    "webapp.identity.jobs.send_link": "a link is nothing until it is used",
    "webapp.identity.jobs.tell_locked": "tells of locks, which have their events",
    "tenants.money.imports.checking.closing_on_cancel": "a job stops because somebody cancelled it: that is the event",
}


@dataclass(slots=True)
class Module:
    """What one file defines, and what the names in it mean."""

    functions: dict[str, ast.FunctionDef] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


def read(source: str) -> Module:
    """Read one file."""
    found = Module()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef):
            found.functions.setdefault(node.name, node)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for one in node.names:
                found.names[one.asname or one.name] = f"{node.module}.{one.name}"
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts = [
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            found.texts[node.targets[0].id] = " ".join(texts)
    return found


@cache
def modules() -> dict[str, Module]:
    """Read the product's own files, by the name of their module."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): read(path.read_text(encoding="utf-8"))
        for folder in ("webapp", "tenants")
        for path in (ROOT / folder).rglob("*.py")
    }


def reached(known: dict[str, Module], module: str, function: str) -> set[tuple[str, str]]:
    """Return every function of the product that a function may call, itself included."""
    seen: set[tuple[str, str]] = set()
    waiting = [(module, function)]
    while waiting:
        here = waiting.pop()
        if here in seen or here[0] not in known or here[1] not in known[here[0]].functions:
            continue
        seen.add(here)
        names = known[here[0]].names
        for node in ast.walk(known[here[0]].functions[here[1]]):
            if isinstance(node, ast.Name):
                place, _, name = names.get(node.id, f"{here[0]}.{node.id}").rpartition(".")
                waiting.append((place, name))
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                waiting.append((names.get(node.value.id, ""), node.attr))
    return seen


def writes(known: dict[str, Module], here: tuple[str, str]) -> bool:
    """Tell whether a function itself changes rows."""
    module = known[here[0]]
    for node in ast.walk(module.functions[here[1]]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in WRITING:
            return True
        said = module.texts.get(node.id, "") if isinstance(node, ast.Name) else ""
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            said = node.value
        if any(word in said for word in ("INSERT INTO ", "UPDATE ", "DELETE FROM ", "COPY ")) and said.isascii():
            return True
    return False


def unrecorded(known: dict[str, Module]) -> set[str]:
    """Return the public commands of rooms, in whatever file, that write and record nothing."""
    found = set()
    for name, module in known.items():
        if name == "webapp.audit.commands" or name.startswith("webapp.cli."):
            continue
        for function, node in module.functions.items():
            arguments = {one.arg for one in (*node.args.args, *node.args.kwonlyargs)}
            if function.startswith("_") or "session" not in arguments:
                continue
            reach = reached(known, name, function)
            recorded = ("webapp.audit.commands", "record") in reach
            if not recorded and any(writes(known, here) for here in reach):
                found.add(f"{name}.{function}")
    return found


def test_every_command_that_writes_has_its_event():
    found = unrecorded(modules())
    assert found - NO_EVENT.keys() == set()
    assert NO_EVENT.keys() - found == set(), "these exceptions are no longer needed"


def test_what_is_a_part_of_other_commands_is_called_by_what_records_only():
    known = modules()
    parts = {name.rpartition(".")[::2] for name, reason in NO_EVENT.items() if reason == CALLED}
    silent = set()
    for name, module in known.items():
        for function in module.functions:
            reach = reached(known, name, function)
            calls = {part for part in parts & direct(known, name, function) if part != (name, function)}
            is_part = (name, function) in parts or function.startswith("_") or f"{name}.{function}" in NO_EVENT
            if calls and not is_part and ("webapp.audit.commands", "record") not in reach:
                silent.add(f"{name}.{function}")
    assert silent - CALLERS_WITHOUT.keys() == set()


def direct(known: dict[str, Module], module: str, function: str) -> set[tuple[str, str]]:
    """Return what a function calls itself."""
    alone = {module: Module({function: known[module].functions[function]}, known[module].names)}
    names, found = alone[module].names, set()
    for node in ast.walk(known[module].functions[function]):
        if isinstance(node, ast.Name):
            place, _, name = names.get(node.id, f"{module}.{node.id}").rpartition(".")
            found.add((place, name))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found.add((names.get(node.value.id, ""), node.attr))
    return found


def test_the_search_sees_the_commands():
    found = [
        f"{name}.{function}"
        for name, module in modules().items()
        for function in module.functions
        if any(writes(modules(), here) for here in reached(modules(), name, function))
    ]
    assert len(found) >= 100
    assert "webapp.identity.tokens.create_token" in found
    assert "tenants.office.tokens.commands.rotate_token" in found


@pytest.mark.parametrize(
    "body",
    [
        "session.execute(update(Thing).values(a=1))",
        "session.execute(text('DELETE FROM thing WHERE true'))",
        "_deeper(session)",
        "session.execute(_LATER)",
    ],
)
def test_a_command_that_forgets_its_event_is_found(body: str):
    source = (
        f"_LATER = text('UPDATE thing SET a = 1')\ndef act(*, session):\n    {body}\n"
        "def _deeper(session):\n    session.execute(insert(Thing))\n"
    )
    assert unrecorded({"tenants.thing.commands": read(source)}) == {"tenants.thing.commands.act"}
    recorded = source.replace("def act(*, session):\n", "def act(*, session):\n    record(session=session)\n")
    recorded = "from webapp.audit.commands import record\n" + recorded
    known = {"tenants.thing.commands": read(recorded), "webapp.audit.commands": read("def record(): pass\n")}
    assert unrecorded(known) == set()
