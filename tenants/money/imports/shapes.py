"""What the JSON of imports looks like."""

from typing import Annotated, Any, Literal
from uuid import UUID

from flask_openapi3 import FileStorage
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from tenants.lists import fields_of, page_of
from tenants.money.imports.rules import Decision
from tenants.schemas import Asked, Body, Id, ListQuery, MoneyOut, WorkspacePath, whole

Position = whole(1, 2**31 - 1)

FormatCode = Annotated[str, Field(max_length=40, pattern="^[a-z0-9.-]+$")]


def _as_text(value: object) -> object:
    """Take what a form says as the text that it is, also where it looks like a number."""
    return value if value is None or isinstance(value, str) else str(value).lower()


def _without_default(schema: dict[str, Any]) -> None:
    """Leave the default out of what is described: a form cannot hold nothing."""
    schema.pop("default", None)


class UploadIn(Asked):
    """A statement file and what to do with it."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"file": "Date;Text;Amount\n2026-11-02;Rent;-850.00\n", "account_id": 1}]}
    )

    file: FileStorage = Field(description="The statement as the bank gave it; its format is told by what it holds.")
    account_id: Id = Field(description="The account that the statement is of.")
    format: Annotated[FormatCode | SkipJsonSchema[None], BeforeValidator(_as_text)] = Field(
        None, description="Refuse the file unless it is of this format.", json_schema_extra=_without_default
    )
    publish: Literal["auto"] | SkipJsonSchema[None] = Field(
        None,
        json_schema_extra=_without_default,
        description="`auto` publishes as soon as nothing is doubtful or wrong.",
    )


class Counts(BaseModel):
    """Rows by what becomes of them; `ignored` rows (pending, totals) are not counted in `rows`."""

    rows: int
    new: int
    duplicate: int
    doubtful: int
    wrong: int
    published: int
    ignored: int
    skipped: int
    merged: int


class ProgressOut(BaseModel):
    """How far the work is, in rows; `total` is an estimate while the file is read."""

    done: int
    total: int | None
    seconds_left: int | None


class BalanceOut(BaseModel):
    """A balance that the file states beside the books."""

    account_id: int | None
    account_label: str | None
    kind: str
    date: str
    stated: MoneyOut
    booked: MoneyOut
    difference: MoneyOut


class Reason(BaseModel):
    """A code and its words."""

    code: str
    detail: str


class ImportOut(BaseModel):
    """An import."""

    id: int
    state: str
    account_id: int
    file_name: str
    size_bytes: int
    format: str | None
    encoding: str | None
    header: list[str]
    mapping: dict[str, Any] | None
    mapping_by: str | None
    counts: Counts
    accounts: list[dict[str, Any]]
    balances: list[BalanceOut]
    progress: ProgressOut | None
    error: Reason | None
    publish: str | None
    job_id: UUID | None
    created_at: str
    created_by: UUID
    published_at: str | None


ImportList = page_of(ImportOut, "A page of imports, newest first.")


class ImportQuery(ListQuery):
    """A page of imports, newest first."""

    fields: fields_of(ImportOut) = None


class RowOut(BaseModel):
    """One row of a statement."""

    position: int
    line: int
    raw: str
    state: str
    reason: str | None
    reason_code: str | None
    fields: dict[str, str] | None
    date: str | None
    value_date: str | None
    amount: str | None
    amount_minor: int | None
    currency: str | None
    counterparty: str
    description: str
    bank_id: str | None
    account_id: int | None
    account_label: str | None
    category_id: int | None
    suggestion: dict[str, Any] | None
    match: dict[str, Any] | None


RowList = page_of(RowOut, "A page of rows in the file's order.")


class ImportPath(WorkspacePath):
    """One import of a workspace."""

    import_id: Id


class RowPath(ImportPath):
    """One row of an import."""

    position: int = Field(ge=1, le=2**31 - 1)


RowStateName = Literal[
    "new", "duplicate", "doubtful", "wrong", "ignored", "skipped", "merged", "published", "reversed", "left"
]


class RowQuery(ListQuery):
    """A page of rows, of one state if named."""

    state: RowStateName | None = None
    fields: fields_of(RowOut) = None


class MappingIn(Body):
    """How to read the file: a whole mapping, or only another encoding with everything else recognised again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"encoding": "cp1252"}]})

    mapping: dict[str, Any] | None = Field(None, description="As it was read from the import, changed.")
    encoding: str | None = Field(None, max_length=20)


class DecisionIn(Body):
    """One decision on rows; without positions, on every row that is `of` that state."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "keep", "positions": [3]}]})

    decision: Annotated[Decision, Field(strict=False)]
    positions: list[Position] | None = Field(None, min_length=1, max_length=1000)
    of: Literal["doubtful", "wrong"] = "doubtful"


class CategoryIn(Body):
    """A category for rows; without `category_id` the suggested one, without `positions` every row that has one."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"category_id": 2, "positions": [1, 2]}]})

    category_id: Id | None = None
    positions: list[Position] | None = Field(None, min_length=1, max_length=1000)


class RowIn(Body):
    """What a wrong row should say."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"date": "2026-01-31", "amount": "-12.34", "currency": "EUR", "counterparty": "Baker"}]
        }
    )

    date: str = Field(max_length=40, examples=["2026-01-31"])
    amount: str = Field(max_length=60, examples=["-12.34"])
    currency: str = Field(max_length=12, examples=["EUR"])
    counterparty: str = Field("", max_length=300)
    text: str = Field("", max_length=1000)


class LeftIn(Body):
    """What becomes of an entry that an undone import left."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"decision": "keep"}]})

    decision: Literal["keep", "reverse"]


class FormatOut(BaseModel):
    """A statement format."""

    code: str
    kind: str


class FormatList(BaseModel):
    """Every statement format that is known."""

    data: list[FormatOut]
    next_cursor: None
    has_more: bool
