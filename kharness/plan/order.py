"""Which image is built from which: edges out of Dockerfiles, and the order that follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from kharness.errors import UsageError

ROOT_ARG = "KHARNESS_BASE"
"""A Dockerfile that says `FROM ${KHARNESS_BASE}` builds on the root image of this host."""

_CONTINUED = re.compile(r"\\[ \t]*\n")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_COPY_FROM = re.compile(r"^\s*(?:COPY|ADD)\s.*?--from=(\S+)", re.IGNORECASE)
_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=(\S+))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")


def base_images(dockerfile: str, *, args: Mapping[str, str]) -> tuple[str, ...]:
    """Return the image references that a Dockerfile builds on or copies from, without its own stages.

    `args` are the build arguments; a variable that has no value stays as it is written.
    """
    values: dict[str, str] = {}
    stages: set[str] = set()
    found: list[str] = []
    # A comment in the middle of an instruction is none of it.
    told = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in _CONTINUED.sub(" ", told).splitlines():
        if (arg := _ARG.match(line)) and not found:
            name, default = arg.groups()
            values[name] = args.get(name, (default or "").strip("'\""))
        elif started := _FROM.match(line):
            # A stage has a name for what comes after it: `FROM alpine AS alpine` is built on an image.
            found += [] if (ref := _expand(started[1], values)).lower() in stages else [ref]
            if started[2]:
                stages.add(started[2].lower())
        elif copied := _COPY_FROM.match(line):
            found += [] if (ref := _expand(copied[1], values)).lower() in stages else [ref]
    return tuple(ref for ref in dict.fromkeys(found) if ref != "scratch" and not ref.isdigit())


def wants_root(dockerfile: str) -> bool:
    """Whether the Dockerfile builds on this host's root image."""
    return any((arg := _ARG.match(line)) is not None and arg[1] == ROOT_ARG for line in dockerfile.splitlines())


def local_base(ref: str, *, repository: str, names: Iterable[str]) -> str | None:
    """Return the container directory that `REPOSITORY/NAME:live` means, or None."""
    prefix, _, rest = ref.rpartition("/")
    name, _, tag = rest.partition(":")
    return name if prefix == repository and tag in {"live", ""} and name in set(names) else None


def build_order(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Order names so that bases come before what is built on them; `UsageError` names a cycle."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(edges):
        sorter.add(name, *sorted(edges[name]))
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UsageError(f"these images are built on each other in a circle: {circle}") from error


def _expand(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        return values.get(name) or match[2] or match[0]

    return _VARIABLE.sub(value, text).strip("'\"")


def rewrite_bases(dockerfile: str, moved: Mapping[str, str], *, args: Mapping[str, str]) -> str:
    """Let `FROM` and `COPY --from` name other references; `moved` maps the old to the new ones."""
    if not moved:
        return dockerfile
    values = {
        arg[1]: args.get(arg[1], (arg[2] or "").strip("'\"")) for arg in map(_ARG.match, dockerfile.splitlines()) if arg
    }

    def line(text: str) -> str:
        match = _FROM.match(text) or _COPY_FROM.match(text)
        if match is None or (ref := _expand(match[1], values)) not in moved:
            return text
        return text[: match.start(1)] + moved[ref] + text[match.end(1) :]

    return "".join(line(text) for text in dockerfile.splitlines(keepends=True))
