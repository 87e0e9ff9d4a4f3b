"""The base of every model of a settings file: frozen, strict about keys, and able to read a short form.

A wrong value is reported in our own words. Validators raise `expected("a duration")`, which becomes "should be a
duration, not 'x'" where the problems of a file are put together, or `wrong("...")` with the whole sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import RLock
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.functional_validators import ModelWrapValidatorHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from kharness.settings.foreign import explain_key, harmless

Loc = tuple[int | str, ...]

_BUILDING = RLock()
"""Held while a deferred section is built: not every supported pydantic keeps two threads from building it at once."""


def expected(what: str) -> PydanticCustomError:
    """Return the error "should be WHAT, not VALUE"."""
    return PydanticCustomError("expected", "should be {what}", {"what": what})


def wrong(message: str) -> PydanticCustomError:
    """Return an error whose text is complete."""
    return PydanticCustomError("wrong", "{message}", {"message": message})


def moved(error: ValidationError, place: Callable[[Loc], Loc]) -> list[InitErrorDetails]:
    """Return the errors inside `error`, each at the place that `place` gives for its own."""
    return [
        InitErrorDetails(
            type=PydanticCustomError(found["type"], "{message}", {"message": found["msg"], **found.get("ctx", {})}),
            loc=place(found["loc"]),
            input=found["input"],
        )
        for found in error.errors(include_url=False)
    ]


def problem(error: PydanticCustomError, *, loc: Loc, value: object) -> InitErrorDetails:
    """Return an error at a place below the value that is being read."""
    return InitErrorDetails(type=error, loc=loc, input=value)


def together(errors: Sequence[InitErrorDetails]) -> ValidationError:
    """Return several errors as the one that pydantic takes from a validator."""
    return ValidationError.from_exception_data("settings", list(errors))


def each(read: Callable[[Any], Iterable[Any]]) -> Callable[[Any, Callable[[Any], tuple[Any, ...]]], tuple[Any, ...]]:
    """Make a validator of a list whose items may stand for several values, such as a range of ports.

    An error's place is the item's, not that of one of its values.
    """

    def validate(items: Any, handler: Callable[[Any], tuple[Any, ...]]) -> tuple[Any, ...]:
        if not isinstance(items, list | tuple):
            raise expected("a list")
        found: list[Any] = []
        errors: list[InitErrorDetails] = []
        for index, item in enumerate(items):
            try:
                found.extend(handler(tuple(read(item))))
            except PydanticCustomError as error:
                errors.append(problem(error, loc=(index,), value=item))
            except ValidationError as error:
                errors += moved(error, lambda loc, index=index: (index, *loc[1:]))  # type: ignore[misc]
        if errors:
            raise together(errors)
        return tuple(found)

    return validate


class Section(BaseModel):
    """A mapping of a settings file."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True, defer_build=True
    )

    place: ClassVar[str] = ""
    """The section's name in the table of keys that are known but not supported."""
    short_schema: ClassVar[tuple[JsonSchemaValue, ...]] = ()
    """JSON schemas of what `from_short` reads."""

    @classmethod
    def model_rebuild(cls, **options: Any) -> bool | None:
        """Build the section, once."""
        with _BUILDING:
            return super().model_rebuild(**options)

    @classmethod
    def from_short(cls, value: Any) -> Any:
        """Return the long form of a short one; what is no short form is returned as it is."""
        return value

    @classmethod
    def known_keys(cls) -> tuple[str, ...]:
        """Return the keys as a file says them."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        long = value if isinstance(value, Mapping | cls) else cls.from_short(value)
        try:
            return handler(cls._without_harmless(long)).settled()
        except ValidationError as error:
            raise together([cls._told(found) for found in moved(error, lambda loc: loc)]) from None

    def settled(self) -> Self:
        """Return the section with what follows from several of its keys. Raises `PydanticCustomError`."""
        return self

    @classmethod
    def _without_harmless(cls, value: Any) -> Any:
        # A default that is said aloud asks for nothing.
        if not isinstance(value, Mapping) or not (known := harmless(cls.place)):
            return value
        return {key: said for key, said in value.items() if key not in known or said not in known[key]}

    @classmethod
    def _told(cls, found: InitErrorDetails) -> InitErrorDetails:
        loc, kind = found.get("loc", ()), found["type"]
        if len(loc) != 1 or not isinstance(kind, PydanticCustomError) or kind.type != "extra_forbidden":
            return found
        return problem(wrong(explain_key(str(loc[0]), place=cls.place, known=cls.known_keys())), loc=loc, value=None)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        schema = handler(core_schema)
        return {"anyOf": [*cls.short_schema, schema]} if cls.short_schema else schema
