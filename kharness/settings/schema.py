"""The JSON schema of `settings.yaml`, for editors. It is made from the models, with their short forms."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from kharness.settings.checks import MAY_BE_NULL
from kharness.settings.foreign import harmless
from kharness.settings.model import Settings
from kharness.settings.section import Section
from kharness.settings.service import PlainKeys

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NULL = {"type": "null"}


def json_schema() -> dict[str, Any]:
    """Return the schema; every form that `load_settings` reads is valid by it.

    It cannot see what lies between keys or files, such as a missing Dockerfile or a port that is published twice.
    """
    schema = Settings.model_json_schema(mode="validation")
    definitions = schema.get("$defs", {})
    for name, model in _models(Section):
        for definition in (schema,) if model is Settings else _objects(definitions.get(name, {})):
            _finish(definition, model)
    # As in Compose, the place for anchors that belong to no key.
    schema.setdefault("patternProperties", {})["^x-"] = {}
    return {"$schema": DIALECT, **schema}


def _models(model: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    for child in model.__subclasses__():
        yield child.__name__, child
        yield from _models(child)


def _objects(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    forms = definition.get("anyOf", [definition])
    return (form for form in forms if "properties" in form)


def _finish(definition: dict[str, Any], model: type[Section]) -> None:
    for key, values in harmless(model.place).items():
        definition.setdefault("patternProperties", {})[f"^{key}$"] = {"enum": list(values)}
    said = docstrings(model)
    names = {field.alias or name: name for name, field in model.model_fields.items()}
    for key, found in definition["properties"].items():
        found.pop("title", None)
        if found.get("default", ...) in (None, [], ""):
            del found["default"]
        # The models take None for "not said"; a file leaves the key out.
        if "anyOf" in found and key not in MAY_BE_NULL:
            forms = [form for form in found.pop("anyOf") if form != NULL]
            found.update(forms[0] if len(forms) == 1 else {"anyOf": forms})
        if text := said.get(names[key]):
            found["description"] = text


def docstrings(model: type[Section]) -> dict[str, str]:
    """Return what is said of each field of a model, by the field's name."""
    found = {name: field.description for name, field in model.model_fields.items() if field.description}
    for base in reversed(model.__mro__):
        # The plain keys have no source: their sentences are in the table.
        if issubclass(base, Section) and base not in {Section, PlainKeys}:
            [body] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            found |= _documented(body)
    return found


def _documented(body: ast.stmt) -> dict[str, str]:
    statements = body.body if isinstance(body, ast.ClassDef) else []
    found: dict[str, str] = {}
    for statement, after in pairwise(statements):
        match statement, after:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found
