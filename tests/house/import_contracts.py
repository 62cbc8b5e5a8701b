"""The one import rule that import-linter has no contract for: what is private to a room."""

from fnmatch import fnmatch
from typing import Any

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class PrivateFilesContract(Contract):
    """Say that a room's private files are imported by that room alone.

    `rooms` are the packages (wildcards allowed), `private` the names of their private files (`*api` too),
    `allowed_importers` the composition roots.
    """

    type_name = "private_files"

    rooms = fields.ListField(subfield=fields.ModuleExpressionField())
    private = fields.ListField(subfield=fields.StringField())
    allowed_importers = fields.ListField(subfield=fields.ModuleField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Compare every import of a private file with the room that it lies in."""
        del verbose
        settings: Any = self
        allowed = {module.name for module in settings.allowed_importers or []}
        broken = []
        for expression in settings.rooms:
            for room in sorted(graph.find_matching_modules(str(expression))):
                for module in sorted(graph.find_children(room)):
                    if any(fnmatch(module.rpartition(".")[2], name) for name in settings.private):
                        broken += self._outsiders(graph, room, module, allowed)
        return ContractCheck(kept=not broken, metadata={"broken": broken})

    @staticmethod
    def _outsiders(graph: ImportGraph, room: str, module: str, allowed: set[str]) -> list[str]:
        imported = {module, *graph.find_descendants(module)}
        return [
            f"{importer} imports {one}"
            for one in sorted(imported)
            for importer in sorted(graph.find_modules_that_directly_import(one))
            if not importer.startswith(f"{room}.") and importer not in allowed
        ]

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each offender on a line of its own."""
        for line in check.metadata["broken"]:
            output.print_error(f"{line} (take commands, queries, rules or a noun of the room)", bold=False)
