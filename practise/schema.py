"""What the sections of a params file are made of: their base class, kinds of values, how one is declared.

A room declares the settings that it reads in its `params.py`, each once: name, type, bounds, what it means,
its value in the preset `default` and, where that is another, in the authors' `official`. The schema of the
whole file (`practise.settings.params`), what a method may override, and the recipes follow from there.
"""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self, TypeAlias, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Strict,
    ValidatorFunctionWrapHandler,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

Item = TypeVar("Item")


def _check_plain(value: Any) -> Any:
    listed = value if isinstance(value, list) else [value]
    if not all(one is None or isinstance(one, bool | int | str) or _is_finite(one) for one in listed):
        raise PydanticCustomError(
            "not_plain", "should be a number, text, true, false, null or a list of such values"
        )
    return value


def _is_finite(value: Any) -> bool:
    return isinstance(value, float) and math.isfinite(value)


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]*$")]
"""A name that becomes part of paths and flags. No dots: DVC reads `networks.a.b` as a key inside a key."""
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=1)]
Whole = Annotated[int, Field(ge=0)]
"""A count that may be none, or a seed."""
Share = Annotated[float, Field(gt=0, lt=1)]
ShareOrAll = Annotated[float, Field(gt=0, le=1)]
ShareOrNone = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Plain = Annotated[Any, AfterValidator(_check_plain)]
"""A value for code that is not ours: a number, text, true, false, null, or a list of such values."""
List = Annotated[
    tuple[Item, ...], Strict(False), Field(min_length=1, json_schema_extra={"uniqueItems": True})
]


def _whole_from_one_on(target: float) -> float:
    if target < 1:
        return target
    if target != int(target):
        raise PydanticCustomError(
            "not_whole", "should be below 1 (a latency reduction) or whole (a number of blocks)"
        )
    return int(target)


Target = Annotated[float, Field(gt=0), AfterValidator(_whole_from_one_on)]
"""What a choice of blocks has to reach: below 1 a latency reduction, from 1 on a number of blocks."""


HowMany: TypeAlias = int | Literal["all"]
"""A number of images, or all that there are."""


class CountOrAll:
    """Marks a number that is at least 1, or the text `all`: `Annotated[HowMany, CountOrAll()]`."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Have pydantic accept these, and tell a wrong value as that of any other count."""
        return core_schema.no_info_wrap_validator_function(
            self.check,
            core_schema.int_schema(ge=1, strict=True),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda value: value),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Say the same to editors."""
        return {"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}

    @staticmethod
    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> HowMany:
        """Return a value that is right."""
        if value == "all":
            return "all"
        if isinstance(value, str):
            sentence = "is the text '{value}', should be a whole number or all"
            raise PydanticCustomError("count_or_all", sentence, {"value": value})
        count: int = handler(value)
        return count


NumImages = Annotated[HowMany, CountOrAll()]


class OneOf:
    """Marks a text that must be a name in a registry: `Annotated[str, OneOf(CRITERIA)]`.

    Args:
        names: The registry, or its names.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Have pydantic accept these names and no other."""
        return core_schema.literal_schema(list(self.names))


def setting(default: Any, description: str, **declared: Any) -> Any:
    """Return a field of a section: one setting, declared once.

    Args:
        default: Its value in the preset `default`, and where a params file does not name it.
        description: What it means, a sentence.
        declared: `official`, its value in the preset `official` where that is another; and what pydantic's
            `Field` takes, such as `title`.
    """
    if "official" in declared:
        declared["json_schema_extra"] = {"official": declared.pop("official")}
    return Field(default, description=description, **declared)


class Section(BaseModel):
    """A part of the params file, or a recipe: frozen, no unknown keys, no silent conversions, no NaN."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, validate_default=True
    )

    @classmethod
    def official(cls) -> Self:
        """Return the section with the authors' values; a setting without one keeps its default."""
        declared: dict[str, Any] = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return cls(
            **{name: said["official"] for name, said in declared.items() if "official" in (said or {})}
        )

    def but(self, **changed: Any) -> Self:
        """Return a copy with some settings changed, which are taken as they are."""
        return self.model_copy(update=changed)
