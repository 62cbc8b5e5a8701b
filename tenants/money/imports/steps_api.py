"""JSON API of the steps of an import's work: how the file is read, publication, undoing, cancellation, retry."""

from typing import Any

from flask import Response, g, jsonify

from tenants.money.imports import commands
from tenants.money.imports.answers import accepted, after, imports_room
from tenants.money.imports.readers.mapping import Mapping, MappingError
from tenants.money.imports.refusals import MappingUnfit
from tenants.money.imports.rules import storable
from tenants.money.imports.shapes import ImportOut, ImportPath, MappingIn
from webapp.access.guard import requires
from webapp.access.permissions import Permission
from webapp.kernel.errors import N_, FieldError, Invalid
from webapp.web.contract import promises
from webapp.web.limits import moves_money
from webapp.web.state import services

bp = imports_room("api_import_steps", __name__)


@bp.post(
    "/imports/<int:import_id>/cancellation",
    responses={202: ImportOut},
    operation_id="cancelImport",
    summary="Cancel an import",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def cancel_import(path: ImportPath) -> Response:
    """Give an import up before it is published; work that runs stops within seconds."""
    return after(commands.cancel, accepted, path.import_id)


@bp.post(
    "/imports/<int:import_id>/retry",
    responses={202: ImportOut},
    operation_id="retryImport",
    summary="Try a given-up import again",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
@promises(key="optional")
def retry_import(path: ImportPath) -> Response:
    """Give the work three more attempts after it was given up."""
    return after(commands.retry, accepted, path.import_id)


@bp.put(
    "/imports/<int:import_id>/mapping",
    responses={202: ImportOut},
    operation_id="mapImport",
    summary="Say how the file is read",
)
@requires(Permission.IMPORTS_IMPORTS_WRITE)
def map_import(path: ImportPath, body: MappingIn) -> tuple[Response, int, dict[str, str]]:
    """Read the file by this mapping, or in another encoding; the mapping is remembered for the account and header."""
    if body.mapping is None and body.encoding is None:
        raise Invalid(errors=(FieldError("mapping", "one_of", N_("Send a mapping or an encoding.")),))
    _choose_mapping(path.import_id, body.mapping, body.encoding)
    answer, status, location = accepted(path.import_id)
    return jsonify(answer), status, {"Location": location}


def _choose_mapping(import_id: int, values: dict[str, Any] | None, encoding: str | None) -> None:
    """Pass a mapping on to the command. Raises MappingUnfit and what the command raises."""
    if not storable(values):
        raise MappingUnfit(detail="a text holds characters that cannot be stored")
    try:
        mapping = Mapping.from_dict(values) if values is not None else None
        if encoding is not None and mapping is None:
            Mapping(encoding=encoding)
    except MappingError as error:
        raise MappingUnfit(detail=str(error)) from None
    if mapping is not None and not mapping.is_complete():
        raise MappingUnfit(detail="a date, and an amount or debit and credit, are needed")
    commands.choose_mapping(
        session=g.db,
        actor=g.actor,
        at=g.at,
        new_id=services().new_id,
        import_id=import_id,
        mapping=mapping,
        encoding=encoding,
    )


@bp.post(
    "/imports/<int:import_id>/publication",
    responses={202: ImportOut},
    operation_id="publishImport",
    summary="Publish an import",
)
@requires(Permission.IMPORTS_IMPORTS_PUBLISH)
@moves_money
@promises(key="optional")
def publish_import(path: ImportPath) -> Response:
    """Book every new row, all or none."""
    return after(commands.request_publication, accepted, path.import_id, new_id=services().new_id)


@bp.post(
    "/imports/<int:import_id>/reversal",
    responses={202: ImportOut},
    operation_id="reverseImport",
    summary="Undo an import",
)
@requires(Permission.IMPORTS_IMPORTS_REVERSE)
@moves_money
@promises(key="optional")
def reverse_import(path: ImportPath) -> Response:
    """Take every entry of the import back out of the books; those closed or edited since are left and listed."""
    return after(commands.request_reversal, accepted, path.import_id, new_id=services().new_id)
