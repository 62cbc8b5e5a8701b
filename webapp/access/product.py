"""The policies and the schema that come with Comptoir: readable files, compiled once in each process."""

import re
from functools import cache
from pathlib import Path

from webapp.access.engine import Compiled, compile_policies
from webapp.access.permissions import Permission
from webapp.access.policy_text import Finding, chunks
from webapp.access.reading import PoliciesRefused, Policy
from webapp.kernel.errors import N_

FOLDER = Path(__file__).parent / "policies"


@cache
def schema_text() -> str:
    """Return the schema with an action for each permission."""
    groups = sorted({group for permission in Permission for group in permission.groups})
    lines = [f'action "{group}";' for group in groups]
    for permission in Permission:
        within = ", ".join(f'"{group}"' for group in permission.groups)
        things = ", ".join(permission.kinds)
        applies = f"appliesTo {{ principal: Person, resource: [{things}], context: Asked }}"
        lines.append(f'action "{permission.value}" in [{within}] {applies};')
    return (FOLDER / "comptoir.cedarschema").read_text(encoding="utf-8") + "\n" + "\n".join(lines) + "\n"


@cache
def policy_files() -> tuple[tuple[str, str], ...]:
    """Return the name and the text of each file of policies."""
    return tuple((path.stem, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.cedar")))


@cache
def product_policies() -> Compiled:
    """Return the compiled policies that every workspace begins with."""
    return compile_policies(policy_files(), schema_text())


def _beyond_scope(policy: Policy) -> Finding | None:
    """Tell whether a policy names accounts where lists cannot be narrowed by it: in a condition, or one by itself."""
    words = [token.text for chunk in chunks(policy.text) for token in chunk.tokens]
    if words.count("resource") > 1:
        message = N_('Name the account in the scope, before the conditions: resource in Account::"7".')
        return Finding(policy.line, 1, message, {}, policy.id)
    if ("resource", "==", "Account") in zip(words, words[1:], words[2:], strict=False):
        message = N_("An account is named with all below it: write “in” instead of “==”.")
        return Finding(policy.line, 1, message, {}, policy.id)
    return None


_HERE = r'Workspace\s*::\s*"here"'
_OF_WORKSPACE = re.compile(rf"\bresource\s*(?:is\s+Workspace\b(?:\s+in\s+{_HERE})?|==\s*{_HERE})")


def with_own(own: tuple[tuple[str, str], ...], *, validated: bool = False) -> Compiled:
    """Compile a workspace's own policies together with those that come with Comptoir; raises PoliciesRefused."""
    if not own:
        return product_policies()
    if validated:
        compiled = compile_policies((*policy_files(), *own), schema_text())
        findings = [found for policy in compiled.policies if (found := _beyond_scope(policy))]
        if findings:
            raise PoliciesRefused(findings)
    # What is permitted or forbidden in the workspace is so on each of its accounts, however it is written.
    meant = [(name, _OF_WORKSPACE.sub('resource in Workspace::"here"', text)) for name, text in own]
    return compile_policies((*policy_files(), *meant), schema_text(), validated=False)
