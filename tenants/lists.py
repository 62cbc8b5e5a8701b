"""Lists of the JSON API: one page of rows (AP-5), whole or with the fields alone that were asked for (AP-9)."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError

FIELDS_LENGTH_MAX = 1000


def part_of(shape: type[BaseModel]) -> type[BaseModel]:
    """Return the shape of a row of which only some fields were asked for."""
    name = _noun(shape)
    return create_model(
        f"{name}Part",
        __doc__="The fields of a row that were asked for.",
        __config__=ConfigDict(extra="forbid"),
        **{name: (field.annotation, Field(default=None)) for name, field in shape.model_fields.items()},
    )


def page_of(shape: type[BaseModel], told: str) -> type[BaseModel]:
    """Return the shape of a page of rows; `told` is what the description says of it."""
    return create_model(
        f"{_noun(shape)}List",
        __doc__=told,
        data=(list[shape | part_of(shape)], ...),
        next_cursor=(str | None, ...),
        has_more=(bool, ...),
    )


def fields_of(shape: type[BaseModel]) -> Any:
    """Return the type of the parameter `fields` of a list: names of fields of its rows, with commas between."""
    names = tuple(shape.model_fields)
    one = f"({'|'.join(names)})"

    def known(text: str | None) -> str | None:
        unknown = [name for name in (text or "").split(",") if name not in names]
        if text is not None and unknown:
            raise PydanticCustomError("unknown_field", "A row has no field “{name}”.", {"name": unknown[0][:40]})
        return text

    return Annotated[
        str | None,
        Field(
            json_schema_extra={"pattern": f"^{one}(,{one})*$"},
            max_length=FIELDS_LENGTH_MAX,
            description="Fields of a row to answer with, with commas between; the others are left out.",
        ),
        AfterValidator(known),
    ]


def _noun(shape: type[BaseModel]) -> str:
    return shape.__name__.removesuffix("Out")
