"""The guard is the only place that decides: nothing else compares a role."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.matrix import FILE, matrix
from webapp.access.asker import Asker
from webapp.access.engine import findings_of
from webapp.access.guard import Forbidden, check, decide, permitted
from webapp.access.permission_words import PERMISSION_WORDS, ROOM_WORDS, SCOPE_WORDS
from webapp.access.permissions import SCOPES, Permission, Role
from webapp.access.product import policy_files, schema_text

ROOT = Path(__file__).parents[3]
ROLES = frozenset(role.value for role in Role)

NOT_DECISIONS = {
    "tenants/door.py::_second_factor_first": "how one must have signed in, before the guard is asked",
    "tenants/office/members/commands.py::change_role": "whether the new role is another one than the present",
    "webapp/backups/belongings.py::_members": "a workspace that is brought back keeps an owner, whoever asks",
    "webapp/cli/alive.py::alive": "which process of the installation is asked after: web, worker or clock",
    "webapp/tenancy/commands.py::change_role": "a workspace keeps an owner, whoever asks",
    "webapp/tenancy/commands.py::remove_member": "a workspace keeps an owner, whoever asks",
    "webapp/tenancy/commands.py::_locked_role": "whether the person is a member at all",
    "webapp/tenancy/queries.py::owners": "who is told",
    "webapp/tenancy/queries.py::owners_count": "counts owners",
    "tenants/office/members/queries.py::touches_owners": "whose affair it is, for the guard to be asked",
}
"""Where a role is looked at without deciding who may."""
COLUMNS = "tenants/money/imports/"
"""There a role is what a column of a statement means."""


def sources() -> Iterator[Path]:
    """Return the product's files outside the guard's own room."""
    for folder in ("webapp", "tenants"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "access" not in path.relative_to(ROOT).parts:
                yield path


def names_role(node: ast.expr) -> bool:
    """Tell whether an expression is a role: `Role.OWNER`, `something.role`, `role`."""
    if isinstance(node, ast.Attribute):
        return (
            node.attr == "role"
            or (isinstance(node.value, ast.Name) and node.value.id == "Role")
            or names_role(node.value)
        )
    if isinstance(node, ast.Name):
        return node.id in {"role", "Role"}
    if isinstance(node, ast.Constant):
        return node.value in ROLES
    return isinstance(node, ast.Set | ast.Tuple | ast.List) and any(map(names_role, node.elts))


def decisions(source: str) -> set[str]:
    """Return the functions of a source that compare a role."""
    found = set()
    tree = ast.parse(source)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    inside = {id(node): function.name for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        compares = isinstance(node, ast.Compare) and any(map(names_role, [node.left, *node.comparators]))
        matches = isinstance(node, ast.Match) and names_role(node.subject)
        if compares or matches:
            found.add(inside.get(id(node), "module"))
    return found


def test_nothing_but_the_guard_compares_a_role():
    found = {
        f"{path.relative_to(ROOT)}::{function}"
        for path in sources()
        if not str(path.relative_to(ROOT)).startswith(COLUMNS)
        for function in decisions(path.read_text(encoding="utf-8"))
    }
    assert found - NOT_DECISIONS.keys() == set()
    assert NOT_DECISIONS.keys() - found == set(), "these exceptions are no longer needed"


@pytest.mark.parametrize(
    "line",
    [
        "if g.role == Role.OWNER: pass",
        "if member.role in ('owner', 'accountant'): pass",
        "if role is not Role.AUDITOR: pass",
        "if 'owner' == place[1]: pass",
        "if g.role.value != 'auditor': pass",
    ],
)
def test_a_decision_elsewhere_would_be_seen(line: str):
    assert decisions(f"def view():\n    {line}\n") == {"view"}


def test_templates_ask_what_one_may_and_not_who_one_is():
    found = {}
    for path in sorted((ROOT / "templates").rglob("*.html")):
        lines = re.findall(r"\{[{%][^}]*\brole\s*(?:==|!=)\s*[^}]*", path.read_text(encoding="utf-8"))
        if lines:
            found[str(path.relative_to(ROOT))] = lines
    allowed = {
        # A workspace that is listed outside itself has no permissions there; the act behind the link asks the guard.
        "templates/tenancy/workspaces.html",
        # Which choice of the form was made.
        "templates/office/members/members.html",
    }
    assert found.keys() - allowed == set(), found


def test_every_pair_of_role_and_permission_is_decided_with_a_reason():
    for role in Role:
        may = permitted(asker=Asker(role))
        for permission in Permission:
            decision = decide(permission, asker=Asker(role))
            assert decision.permit is (permission in may)
            assert decision.reason % decision.params
            assert bool(decision.policies) is decision.permit, "a permit names its policy; nothing else permits"
            if not decision.permit:
                assert PERMISSION_WORDS[permission] in decision.reason % decision.params
                with pytest.raises(Forbidden):
                    check(permission, asker=Asker(role))


def test_a_scope_narrows_and_never_widens():
    for role in Role:
        may = permitted(asker=Asker(role))
        assert permitted(asker=Asker(role, scopes=frozenset(SCOPES))) == may
        assert permitted(asker=Asker(role, scopes=frozenset())) == frozenset()
        for scope in SCOPES:
            narrowed = permitted(asker=Asker(role, scopes=frozenset({scope})))
            assert narrowed == {permission for permission in may if permission.scope == scope}
    refused = decide(Permission.LEDGER_ENTRIES_WRITE, asker=Asker(Role.OWNER, scopes=frozenset({"ledger:read"})))
    assert refused.policies == ("token-scope",)
    assert refused.reason % refused.params == "This token lacks the scope ledger:write."


def test_every_permission_and_every_scope_is_told_in_words():
    assert PERMISSION_WORDS.keys() == set(Permission)
    assert ROOM_WORDS.keys() == {one.partition(":")[0] for one in Permission}
    assert SCOPE_WORDS.keys() == set(SCOPES)
    assert len(set(SCOPE_WORDS.values())) == len(SCOPES), "no two are told alike"
    assert len(set(PERMISSION_WORDS.values())) == len(PERMISSION_WORDS), "no two are told alike"


def test_the_committed_matrix_is_what_the_policies_decide():
    """A change of the policies is reviewed as a difference; `make matrix` writes it down."""
    assert FILE.read_text(encoding="utf-8") == matrix()
    rows = [tuple(line.split()[:2]) for line in FILE.read_text(encoding="utf-8").splitlines()[1:]]
    assert rows == [(one.value, kind) for one in Permission for kind in one.kinds], "a permission without a row"


def test_the_policies_that_come_with_comptoir_hold_before_their_schema():
    assert findings_of("\n".join(text for _name, text in policy_files()), schema_text()) == ()


def test_only_the_engine_knows_cedarpy():
    importers = {
        str(path.relative_to(ROOT))
        for folder in ("webapp", "tenants")
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"^\s*(import|from) cedarpy", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importers == {"webapp/access/engine.py"}
