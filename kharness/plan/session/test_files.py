"""What a test file says about its tests, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TypeGuard

Function = ast.FunctionDef | ast.AsyncFunctionDef
NO_TEST = frozenset({"fixture", "property", "cached_property"})
"""Decorators of functions that are no tests, even with a test's name."""


def declared_tests(text: str) -> tuple[str, ...]:
    """Return the tests that pytest's own naming conventions collect from a module: `test_a`, `TestB::test_c`.

    Only what is defined unconditionally, and not taken back (`__test__ = False`, an assignment to the name), counts;
    a text that is not Python has none.
    """
    return tuple("::".join(path) for path, _, _ in _tests(_parsed(text)))


def marked_tests(text: str, *, mark: str, other: str) -> tuple[str, ...]:
    """Return the tests of a module that carry one mark and not the other, by themselves, their class or the module.

    A mark inside of a decorator's arguments (`pytest.param(..., marks=...)`) is carried by a part of the test.
    """
    tree = _parsed(text)
    named = {
        target.id: _marks([node.value])
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    found = []
    for path, own, parts in _tests(tree):
        outer = _with_names(own, named) | named.get("pytestmark", set())
        if other not in outer and mark in outer | _with_names(parts, named):
            found.append("::".join(path))
    return tuple(found)


def _parsed(text: str) -> ast.Module:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])


def _tests(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], list[ast.expr], list[ast.expr]]]:
    """Yield the path of each test, the expressions that mark it, and those that mark a part of it."""
    yield from _tests_in(tree.body, (), [])


def _tests_in(
    body: Iterable[ast.stmt], above: tuple[str, ...], marking: list[ast.expr]
) -> Iterator[tuple[tuple[str, ...], list[ast.expr], list[ast.expr]]]:
    body = list(body)
    gone = set(_taken_back(body))
    for node in body:
        name = "" if not (_is_function(node) or isinstance(node, ast.ClassDef)) else node.name
        if name in gone:
            continue
        if _is_function(node) and name.startswith("test") and NO_TEST.isdisjoint(_words(node.decorator_list)):
            plain = [each for each in node.decorator_list if not _is_parametrize(each)]
            parts = [each for each in node.decorator_list if _is_parametrize(each)]
            yield (*above, name), [*marking, *plain], parts
        elif isinstance(node, ast.ClassDef) and name.startswith("Test") and "__test__" not in _taken_back(node.body):
            own = [each.value for each in node.body if isinstance(each, ast.Assign) and "pytestmark" in _targets(each)]
            yield from _tests_in(node.body, (*above, name), [*marking, *node.decorator_list, *own])


def _is_function(node: ast.stmt) -> TypeGuard[Function]:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _is_parametrize(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "parametrize"


def _taken_back(body: Iterable[ast.stmt]) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.Assign | ast.Delete):
            yield from _targets(node)


def _targets(node: ast.Assign | ast.Delete) -> Iterator[str]:
    for target in node.targets:
        if isinstance(target, ast.Name):
            yield target.id
        elif isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.attr == "__test__":
            yield target.value.id


def _words(nodes: Iterable[ast.expr]) -> set[str]:
    """Return the last names of decorators: `fixture` of `@pytest.fixture(scope="module")`."""
    found = set()
    for node in nodes:
        bare = node.func if isinstance(node, ast.Call) else node
        found.add(bare.attr if isinstance(bare, ast.Attribute) else bare.id if isinstance(bare, ast.Name) else "")
    return found


def _marks(nodes: Iterable[ast.expr]) -> set[str]:
    return {
        inner.attr
        for node in nodes
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute)
        and (
            (isinstance(inner.value, ast.Attribute) and inner.value.attr == "mark")
            or (isinstance(inner.value, ast.Name) and inner.value.id == "mark")
        )
    }


def _with_names(nodes: list[ast.expr], named: dict[str, set[str]]) -> set[str]:
    found = _marks(nodes)
    for node in nodes:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                found |= named.get(inner.id, set())
    return found
