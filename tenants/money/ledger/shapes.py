"""What the JSON of entries looks like."""

from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator
from pydantic_core import PydanticCustomError

from tenants.lists import fields_of, page_of, part_of
from tenants.money.ledger.search import LENGTH_MAX
from tenants.schemas import AmountText, Body, CurrencyCode, Day, Id, ListQuery, Narrowing, WorkspacePath

_ENTRY = {
    "date": "2026-11-02",
    "description": "Office rent",
    "counterparty": "Landlord",
    "postings": [
        {"account_id": 2, "amount": "850.00", "currency": "EUR"},
        {"account_id": 1, "amount": "-850.00", "currency": "EUR"},
    ],
}


class PostingIn(Body):
    """One signed line: a positive amount arrives on the account, a negative one leaves it (debit is positive)."""

    account_id: Id = Field(description="The account's `id`, as the list of accounts tells it.")
    amount: AmountText = Field(
        description='Decimal text such as "12.00": positive arrives on the account, negative leaves it.'
    )
    currency: CurrencyCode
    memo: str = Field("", max_length=1000)


class EntryIn(Body):
    """An entry to book: its postings sum to zero per currency."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ENTRY]})

    date: Day
    description: str = Field(max_length=1000, examples=["Office rent"])
    counterparty: str = Field("", max_length=300)
    note: str = Field("", max_length=4000)
    tags: list[str] = Field(
        [], max_length=20, description="Words without spaces, in small letters.", examples=[["trip"]]
    )
    rate: str | None = Field(None, max_length=40, description="Exchange rate as given, kept as text.")
    postings: list[PostingIn] = Field(min_length=2, max_length=500)


class BatchIn(Body):
    """Up to 1,000 entries; `atomic` books all or none."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"entries": [_ENTRY], "atomic": True}]})

    entries: list[EntryIn] = Field(min_length=1, max_length=1000)
    atomic: bool = True


class ReversalIn(Body):
    """When and why an entry is undone; may be left out."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"date": "2026-11-20", "description": "Paid twice"}]})

    date: Day | None = Field(None, description="Day of the reversal; today when it is not given.")
    description: str = Field("", max_length=1000)

    @model_validator(mode="before")
    @classmethod
    def _left_out(cls, values: Any) -> Any:
        return {} if values is None else values


class AccountOfPosting(BaseModel):
    """The account of a posting, for `expand=postings.account`."""

    id: int
    name: str
    kind: str
    currency: str
    code: str | None
    parent_id: int | None


class PostingOut(BaseModel):
    """One signed line; debit positive."""

    position: int
    account_id: int = Field(description="0 stands for an account that you may not see.")
    account: AccountOfPosting | None = Field(None, description="Only with `expand=postings.account`.")
    amount: str
    amount_minor: int
    currency: str
    memo: str
    cleared: bool


class EntryOut(BaseModel):
    """An entry."""

    id: int
    date: Day
    description: str
    counterparty: str
    note: str
    tags: list[str]
    version: int
    state: str
    closed_because: str | None
    reverses_id: int | None
    import_id: int | None
    rate: str | None
    created_at: str
    created_by: UUID
    postings: list[PostingOut]


EntryPart = part_of(EntryOut)


class EntryAnswer(RootModel[EntryOut | EntryPart]):
    """An entry, or the fields of it that were asked for."""


class EntryMade(BaseModel):
    """What became of one entry of a batch."""

    index: int
    status: int
    id: int | None = None
    code: str | None = None
    detail: str | None = None


class BatchOut(BaseModel):
    """What became of the entries of a batch, in their order."""

    data: list[EntryMade]


EntryList = page_of(EntryOut, "A page of entries, newest day first.")


class EntryPath(WorkspacePath):
    """One entry of a workspace."""

    entry_id: Id


EXPANDABLE = frozenset({"postings.account"})


class EntryAsk(Narrowing):
    """Which parts of an entry to answer with."""

    fields: fields_of(EntryOut) = None
    expand: str | None = Field(
        None,
        json_schema_extra={"pattern": r"^postings\.account$"},
        max_length=300,
        description="What else to answer with: `postings.account` puts each posting's account into it.",
    )

    @field_validator("expand")
    @classmethod
    def _expandable(cls, text: str | None) -> str | None:
        if text is not None and text not in EXPANDABLE:
            raise PydanticCustomError("not_expandable", "“{name}” cannot be expanded.", {"name": text[:40]})
        return text


class EntryQuery(ListQuery, EntryAsk):
    """A page of entries, narrowed by the search line of the pages and by typed filters; all must hold."""

    q: str = Field("", max_length=LENGTH_MAX, description="Search line, as in the register: rent 850.00")
    account_id: Id | None = Field(None, description="Entries with a posting on this account or one below it.")
    amount: str | None = Field(None, max_length=60, description="12.50, >50 or 10..20; without sign.")
    date_from: Day | None = None
    date_to: Day | None = None
    sort: Literal["-date", "date"] = Field("-date", description="Newest or oldest first.")


class ExchangeIn(Body):
    """Money that leaves in one currency and arrives in another; give `to_amount`, `rate` or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "date": "2026-11-02",
                    "description": "Dollars for the journey",
                    "from_account_id": 1,
                    "from_amount": "100.00",
                    "to_account_id": 3,
                    "to_amount": "108.50",
                    "rate": "1.0850",
                }
            ]
        }
    )

    date: Day
    description: str = Field(max_length=1000, examples=["Dollars for the journey"])
    counterparty: str = Field("", max_length=300)
    note: str = Field("", max_length=4000)
    from_account_id: Id
    from_amount: AmountText
    to_account_id: Id
    to_amount: AmountText | None = None
    rate: str | None = Field(
        None,
        pattern=r"^[0-9]{1,12}(\.[0-9]{1,12})?$",
        examples=["1.0850"],
        description="Units of the second currency for one of the first; kept as given.",
    )
