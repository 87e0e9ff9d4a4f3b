"""How a selection was narrowed, and where: on the command line, in the ini file, in a variable."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

VALUED: dict[str, tuple[str, ...]] = {
    "keyword": ("-k",),
    "markexpr": ("-m",),
    "deselect": ("--deselect",),
    "ignore": ("--ignore",),
    "ignore_glob": ("--ignore-glob",),
}
PLAIN: dict[str, tuple[str, ...]] = {
    "lf": ("--lf", "--last-failed"),
    "stepwise": ("--sw", "--stepwise"),
    "setuponly": ("--setup-only",),
    "setupplan": ("--setup-plan",),
    "collectonly": ("--collect-only", "--co"),
}

CHOOSING = ("python_files", "python_classes", "python_functions")
"""Settings that say what is a test: for one session a narrower selection, in the ini file the project's convention."""
CONVENTIONS: dict[str, tuple[str, ...]] = {
    "python_files": ("test_*.py", "*_test.py"),
    "python_classes": ("Test",),
    "python_functions": ("test",),
    "testpaths": (),
    "norecursedirs": ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}"),
}
"""Settings that say which tests there are and where, with pytest's own defaults."""


def choices(config: pytest.Config) -> tuple[str, ...]:
    """Return what the ini file says about which tests there are, for a session in which some are missing."""
    where = config.inipath.name if config.inipath else "the ini file"
    said = {name: tuple(map(str, config.getini(name))) for name in CONVENTIONS}
    return tuple(f"{name} = {' '.join(value)} in {where}" for name, value in said.items() if value != CONVENTIONS[name])


def narrowings(config: pytest.Config, environ: Mapping[str, str], directory: Path) -> tuple[str, ...]:
    """Return each option and argument that narrows what is selected in a container directory, with its place."""
    return tuple(_narrowings(config, environ, directory))


def _narrowings(config: pytest.Config, environ: Mapping[str, str], directory: Path) -> Iterator[str]:
    for name, flags in VALUED.items():
        value = getattr(config.option, name, None)
        if not value:
            continue
        values = value if isinstance(value, list) else [value]
        for one in values:
            if name.startswith("ignore") and not _concerns(config, str(one), directory):
                continue
            yield f"{flags[0]} {shlex.quote(str(one))} ({_place(config, environ, flags)})"
    for name, flags in PLAIN.items():
        if getattr(config.option, name, False):
            yield f"{flags[0]} ({_place(config, environ, flags)})"
    yield from _overrides(config, environ)
    for arg in config.args:
        path, colons, _ = arg.partition("::")
        target = (config.invocation_params.dir / path).resolve()
        if target == directory.resolve() and not colons:
            continue
        if target.is_relative_to(directory.resolve()):
            yield f"{arg} (command line)"


def _overrides(config: pytest.Config, environ: Mapping[str, str]) -> Iterator[str]:
    for override in getattr(config.option, "override_ini", None) or ():
        if str(override).partition("=")[0].strip() in CHOOSING:
            yield f"-o {shlex.quote(str(override))} ({_place(config, environ, ('-o', '--override-ini'))})"


def _concerns(config: pytest.Config, value: str, directory: Path) -> bool:
    if "*" in value or "?" in value:
        return True
    path = (config.invocation_params.dir / value).resolve()
    return path.is_relative_to(directory.resolve()) or directory.resolve().is_relative_to(path)


def _place(config: pytest.Config, environ: Mapping[str, str], flags: tuple[str, ...]) -> str:
    if _has(config.invocation_params.args, flags):
        return "command line"
    if _has(shlex.split(environ.get("PYTEST_ADDOPTS", "")), flags):
        return "PYTEST_ADDOPTS"
    if _has(config.getini("addopts"), flags):
        return f"addopts in {config.inipath.name if config.inipath else 'the ini file'}"
    return "a plugin"


def _has(words: object, flags: tuple[str, ...]) -> bool:
    return isinstance(words, (list, tuple)) and any(
        word == flag or word.startswith(f"{flag}=") or (len(flag) == len("-k") and word.startswith(flag))
        for word in map(str, words)
        for flag in flags
    )
