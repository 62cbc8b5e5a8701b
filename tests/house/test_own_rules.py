"""Rules of our own on the code's text, each with a faulty line that must be found: what linters do not know."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CODE = sorted(path for floor in ("webapp", "tenants") for path in (ROOT / floor).rglob("*.py"))
DOMAIN = {"commands", "queries", "rules", "models"}

CALLS_OUT = {
    "webapp/cli/alive.py": "asks the web process of its own container, on the loopback, whether it is well",
    "webapp/web/outbound.py": "the one way out: resolved once, pinned, only to public addresses",
    "webapp/embedded/supervisor.py": "asks its own web process on the loopback whether it is ready",
}
"""Who may open an HTTP connection."""
GUESSABLE = {
    "tenants/demo/company.py": "a story, the same from the same seed",
    "tenants/demo/statements.py": "the same",
    "tenants/office/policies/journal.py": "which decisions a sample keeps",
}
"""Who may use random numbers that can be guessed."""
SET_CONFIG = {
    "webapp/tenancy/preparation.py": "takes the right to call it away from everybody",
    "webapp/tenancy/doctor.py": "sees that nobody may call it",
}
MARKUP = {"webapp/identity/qr.py": "a picture of our own making, without any text of a person"}
PATTERNS = {
    "tenants/money/imports/readers/amounts.py": "the decimals of a currency and its escaped sign",
    "tenants/money/imports/readers/mt940_details.py": "a list of ours; a bank's separator, escaped",
    "webapp/access/policy_text.py": "a name, escaped",
    "webapp/access/terms.py": "texts of ours, escaped",
}
"""Where a regular expression is not a text of ours as it stands."""
FORMATS = {
    "tenants/money/imports/decisions.py": "statements of ours",
    "tenants/money/imports/readers/lines.py": "reasons of ours with named parameters",
    "tenants/money/imports/reversal.py": "statements of ours",
    "tenants/office/policies/rules.py": "reasons of ours with named parameters",
    "webapp/access/policy_text.py": "messages of ours with named parameters",
    "webapp/cli/refusals.py": "messages of ours with named parameters",
    "webapp/kernel/errors.py": "messages of ours with named parameters",
    "webapp/kernel/sealed.py": "contexts, written beside their columns",
}
"""Where the text that is filled in is not written there: it is never one that somebody sent."""
FLOATS = {
    "tenants/money/dashboard/rules.py": "a change in per cent",
    "tenants/money/imports/checking.py": "seconds of a clock",
    "tenants/money/imports/readers/workbook.py": "how a workbook holds its cells; read exactly from there on",
}
BUILT = {
    "webapp/backups/erasing.py": "the server's own names of tables, columns and schemas",
    "tenants/money/imports/decisions.py": "which rows: one of two conditions of ours",
    "webapp/audit/retention.py": "a condition of ours",
    "webapp/audit/seals.py": "the schema of a chain, which is an id in hexadecimal",
    "webapp/tenancy/preparation.py": "three settings of ours for the role of the application",
}
"""Where a statement's text is put together in a function; what people send travels as parameters."""


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call with the name that it is called by: `os.system`, `text`, `.execute`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            yield (name if len(name) < 60 else name.rsplit(".", 1)[-1]), node


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return found


def dangerous(tree: ast.Module, file: str) -> Iterator[str]:
    """No evaluated text, no pickles, no shell, no broken hashes."""
    del file
    for name, node in calls(tree):
        if name in {"eval", "exec", "compile", "os.system", "os.popen", "hashlib.md5", "hashlib.sha1", "md5", "sha1"}:
            yield f"{node.lineno}: {name}"
        if any(one.arg == "shell" and getattr(one.value, "value", False) for one in node.keywords):
            yield f"{node.lineno}: a shell"
    yield from sorted({"pickle", "marshal", "shelve", "dill", "cPickle"} & imported(tree))


def outside(tree: ast.Module, file: str) -> Iterator[str]:
    """No HTTP but through webapp/web/outbound.py."""
    clients = {"requests", "httpx", "aiohttp", "urllib3", "urllib.request", "http.client"}
    if file not in CALLS_OUT:
        yield from sorted(one for one in imported(tree) if one in clients or one.split(".")[0] in clients - {"urllib"})


def guessable(tree: ast.Module, file: str) -> Iterator[str]:
    """No secret from a generator that can be guessed."""
    if file not in GUESSABLE:
        yield from sorted(one for one in imported(tree) if one.split(".")[0] == "random")


def asks_the_request(tree: ast.Module, file: str) -> Iterator[str]:
    """No command, query or rule that knows the request."""
    if Path(file).stem in DOMAIN:
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "request":
                yield f"{node.lineno}: request.{node.attr}"


def binds_by_function(tree: ast.Module, file: str) -> Iterator[str]:
    """No set_config(): it changes the role in the middle of a statement."""
    if file not in SET_CONFIG:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and "set_config(" in node.value:
                yield f"{node.lineno}: set_config"


def passes_markup(tree: ast.Module, file: str) -> Iterator[str]:
    """No text that is called safe."""
    if file not in MARKUP:
        yield from (f"{node.lineno}: {name}" for name, node in calls(tree) if name.split(".")[-1] == "Markup")


def is_ours(node: ast.expr) -> bool:
    """Tell whether a text is written in the code: constants, alone or joined."""
    if isinstance(node, ast.JoinedStr):
        return all(isinstance(one, ast.Constant) or is_ours(one.value) for one in node.values)  # type: ignore[attr-defined]  # the other kind
    if isinstance(node, ast.BinOp):
        return is_ours(node.left) and is_ours(node.right)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def patterns_made(tree: ast.Module, file: str) -> Iterator[str]:
    """No regular expression made from what somebody sent (ASVS 1.2.9)."""
    if file not in PATTERNS:
        for name, node in calls(tree):
            if name.startswith("re.") and name != "re.escape" and node.args and not is_ours(node.args[0]):
                yield f"{node.lineno}: {name}"


def formats_made(tree: ast.Module, file: str) -> Iterator[str]:
    """No format string but of ours: one of somebody else's would read attributes (ASVS 1.3.10)."""
    if file in FORMATS:
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr.startswith("format"):
            text = node.func.value
            if node.func.attr in {"format", "format_map"} and not (
                is_ours(text) or ast.unparse(text).startswith("sql.SQL(")
            ):
                yield f"{node.lineno}: {ast.unparse(node)[:60]}"
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            fills = isinstance(node.right, ast.Dict | ast.Tuple) or ast.unparse(node.right).endswith("params")
            if fills and not is_ours(node.left):
                yield f"{node.lineno}: {ast.unparse(node)[:60]}"


def floats(tree: ast.Module, file: str) -> Iterator[str]:
    """No binary fraction where money is."""
    if file not in FLOATS and (file.startswith(("tenants/money/", "tenants/x/")) or file in MONEY):
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "float":
                yield f"{node.lineno}: float"


def loses_the_transaction(tree: ast.Module, file: str) -> Iterator[str]:
    """No refusal of the database that is answered outside a savepoint: whoever reads after it is answered a 500.

    A form of the books runs its command in `refusable()`; a command that gives a constraint's refusal a name of its
    own, in a savepoint.
    """
    for node in (one for one in ast.walk(tree) if isinstance(one, ast.Try)):
        safe = {
            inner
            for one in ast.walk(node)
            if isinstance(one, ast.With) and re.search(r"refusable\(\)|begin_nested\(\)", ast.unparse(one.items[0]))
            for inner in ast.walk(one)
        }
        tried = [inner for one in node.body for inner in ast.walk(one) if inner not in safe]
        answers = any(isinstance(one, ast.Return) for handler in node.handlers for one in ast.walk(handler))
        if answers and file.startswith(("tenants/money/", "tenants/x/")):
            for call in (one for one in tried if isinstance(one, ast.Call)):
                given = {one.arg: ast.unparse(one.value) for one in call.keywords}
                if given.get("session") == "g.db" and "actor" in given:
                    yield f"{call.lineno}: {ast.unparse(call.func)}"
        for handler in (one for one in node.handlers if one.type and file not in REFUSALS):
            renames = any(isinstance(one, ast.Raise) and one.exc for one in ast.walk(handler))
            if renames and ast.unparse(handler.type) in {"IntegrityError", "DBAPIError"} and not safe:  # type: ignore[arg-type]  # looked at above
                yield f"{handler.lineno}: {ast.unparse(handler.type)}"  # type: ignore[arg-type]  # the same


REFUSALS = {"tenants/money/ledger/refusals.py": "names them for every command of the books"}
MONEY = {"webapp/kernel/money.py", "webapp/kernel/amounts.py"}

RULES: dict[Callable[[ast.Module, str], Iterator[str]], str] = {
    dangerous: "import pickle\neval(text)",
    outside: "import requests\nfrom urllib.request import urlopen",
    guessable: "from random import choice",
    asks_the_request: "def act():\n    return request.args",
    binds_by_function: "sql = \"SELECT set_config('role', 'x', true)\"",
    patterns_made: "re.search(asked, text)",
    formats_made: "shown = said.format(person)",
    floats: "amount = float(text)",
    loses_the_transaction: (
        "try:\n    post(session=g.db, actor=g.actor)\nexcept DomainError:\n    def answer():\n        return form()\n"
        "try:\n    session.execute(add)\nexcept IntegrityError:\n    raise CodeTaken from None"
    ),
    passes_markup: "shown = markupsafe.Markup(text)",
}


def found_in(rule: Callable[[ast.Module, str], Iterator[str]]) -> list[str]:
    return [f"{where(path)}: {one}" for path in CODE for one in rule(TREES[path], where(path))]


TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in CODE}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_our_own_rules(rule: Callable[[ast.Module, str], Iterator[str]]) -> None:
    assert found_in(rule) == [], rule.__doc__
    assert list(rule(ast.parse(RULES[rule]), "tenants/x/commands.py")), "a faulty line would be found"


EXCEPTIONS = (
    (outside, CALLS_OUT),
    (guessable, GUESSABLE),
    (binds_by_function, SET_CONFIG),
    (passes_markup, MARKUP),
    (patterns_made, PATTERNS),
    (formats_made, FORMATS),
    (floats, FLOATS),
    (loses_the_transaction, REFUSALS),
)


def test_every_exception_is_needed() -> None:
    for rule, listed in EXCEPTIONS:
        for file in listed:
            assert list(rule(TREES[ROOT / file], "tenants/x/another.py")), f"{file} needs no exception"


def built(node: ast.AST) -> bool:
    """Tell whether a statement's text is put together from something else than constants, which are in capitals."""
    if isinstance(node, ast.JoinedStr):
        parts = (part.value for part in node.values if isinstance(part, ast.FormattedValue))
        return any(not (isinstance(part, ast.Name) and part.id.isupper()) for part in parts)
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Mod) or built(node.left) or built(node.right)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"


def statements(tree: ast.Module) -> Iterator[int]:
    """Yield the lines in functions where a statement is built from values; psycopg's own `sql` quotes what it takes."""
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for name, node in calls(function):
            is_sql = name.split(".")[-1] in {"text", "execute", "exec_driver_sql"} and bool(node.args)
            if is_sql and built(node.args[0]) and not ast.unparse(node.args[0]).startswith("sql.SQL"):
                yield node.lineno


def test_no_statement_is_built_from_values() -> None:
    assert {where(path) for path in CODE if list(statements(TREES[path]))} == BUILT.keys()
    for faulty in ('session.execute(text(f"SELECT {name}"))', "driver.execute('SELECT %s' % name)"):
        assert list(statements(ast.parse(f"def act():\n    {faulty}")))
    assert not list(statements(ast.parse('def act():\n    session.execute(text(f"SELECT {_X}"), {})')))


def test_no_template_passes_markup_through_without_a_reason() -> None:
    safe = re.compile(r"\|\s*safe\b|\{%-?\s*autoescape")
    found = [where(path) for path in (ROOT / "templates").rglob("*.*") if safe.search(path.read_text(encoding="utf-8"))]
    assert found == []
    assert safe.search("{{ note | safe }}")


def test_passwords_are_masked_and_may_be_pasted() -> None:
    """ASVS 6.2.6, 6.2.7: every field of a password hides it, and no script or attribute minds a password manager."""
    field = re.compile(r'(?:ui\.field\(|<input [^>]*?name=)"((?:\w*_)?(?:password|current|client_secret))"[^\n]*')
    found = [
        (where(path), match[0])
        for path in (ROOT / "templates").rglob("*.html")
        for match in field.finditer(path.read_text(encoding="utf-8"))
    ]
    assert len(found) >= 6
    assert [one for one in found if 'type="password"' not in one[1]] == []
    files = [*(ROOT / "static" / "js").glob("*.js"), *(ROOT / "templates").rglob("*.html")]
    pasting = re.compile(r"onpaste|[\"']paste[\"']")
    hindered = {where(path) for path in files if pasting.search(path.read_text(encoding="utf-8"))}
    assert hindered == {"static/js/dropzone.js"}, "which takes a file that is pasted, and no text"
