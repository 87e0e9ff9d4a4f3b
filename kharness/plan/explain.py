"""Where the value of a key comes from, and what it hides."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from kharness.errors import UsageError
from kharness.plan.facts import ImageFacts
from kharness.plan.launch import Subject, plan_production_launch
from kharness.plan.runspec import Mount, RunSpec
from kharness.settings.foreign import explain_key
from kharness.settings.laid import MERGED, Source, by_name, laid
from kharness.settings.model import Settings
from kharness.settings.overlay import NOT_INHERITED
from kharness.settings.scalars import is_number, written
from kharness.settings.section import Section
from kharness.settings.service import ServiceKeys

OF_IMAGE = frozenset({"command", "entrypoint", "healthcheck", "stop_signal", "user", "working_dir"})
OF_ENGINE = {"dns": "the engine's", "logging": "the engine's", "stop_grace_period": "10s, the engine's"}
SECURE = frozenset({"cap_drop", "init", "pids_limit", "read_only", "security_opt", "tmpfs"})
"""Keys whose default is another one for an image that is built here."""
WORD_SIGNS = frozenset(" -_./:=@%+~")
_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    source: Source
    value: Any


@dataclass(frozen=True, slots=True)
class _Named:
    """What has names of its users' own, each with a section of that kind, or with a plain value."""

    of: type[Section] | None


def explain(key: str, sources: Sequence[Source], *, name: str, built: bool) -> tuple[str, ...]:
    """Return lines that say which value a key has, from where, and what that hides; `key` may go on behind dots.

    `sources` are the lowest first, `name` is the container directory's. What has names is told name by name. Raises
    `UsageError` for a key that there is not.
    """
    path = _path(key)
    if path[0] == "test" and len(path) > 1 and path[1] in ServiceKeys.model_fields:
        said = _said(path, sources)
        if not said and path[1] not in NOT_INHERITED:
            return tuple(
                f"{key}: not said, a test instance has production's: {line}"
                for line in explain(".".join(path[1:]), sources, name=name, built=built)
            )
    if names := _names(path, [found.value for found in reversed(_said(path, sources))]):
        return tuple(_line((*path, inner), sources, name=name, built=built) for inner in names)
    return (_line(path, sources, name=name, built=built),)


def default_text(path: tuple[str, ...], *, name: str, built: bool) -> str:
    """Return what holds where nobody says anything about a key."""
    key, *inner = path
    if key == "test" and inner and inner[0] in ServiceKeys.model_fields and inner[0] not in NOT_INHERITED:
        return "production's"
    if path == ("policy", "profile"):
        return f"the host's, or {'strict' if built else 'baseline'}"
    if key in OF_IMAGE or key in OF_ENGINE:
        return OF_ENGINE.get(key, "the image's")
    if inner:
        found = _declared(path)
        text = f"0o{found:o}" if path[-1] == "mode" and isinstance(found, int) else _written(found)
        return "none" if found in (None, (), {}) or isinstance(found, Section) else text
    value = _effective(key, name=name, built=built)
    if key not in SECURE:
        return value
    return f"{value}, because it is built here" if built else "Docker's own, because it is built elsewhere"


def _line(path: tuple[str, ...], sources: Sequence[Source], *, name: str, built: bool) -> str:
    key = ".".join(path)
    said = _said(path, sources)
    default = default_text(path, name=name, built=built)
    texts = [f"{each.source.title(path)} says {_written(each.value)}" for each in said]
    if said and _look(path, laid(sources).value) is not _ABSENT:
        head = f"{key}: {_written(said[0].value)}, from {said[0].source.title(path)}"
        return "; ".join((head, *texts[1:], f"default {default}"))
    if said and said[0].value is None and said[0].source.unsets:
        return "; ".join((f"{key}: {default}, the default, because {texts[0]}", *texts[1:]))
    return "; ".join((f"{key}: {default}, by default", *(f"{text}, which is not taken over" for text in texts)))


def _path(key: str) -> tuple[str, ...]:
    first, *rest = key.split(".")
    path = (first.replace("-", "_"), *rest)
    kind: type[Section] | _Named | None = Settings
    for depth, part in enumerate(path):
        if kind is None:
            raise UsageError(f"{key}: there is nothing below {'.'.join(path[:depth])}")
        if isinstance(kind, _Named):
            kind = kind.of
            continue
        if part not in kind.known_keys():
            reason = explain_key(part, place=kind.place, known=kind.known_keys())
            raise UsageError(f"{'.'.join(path[: depth + 1])}: {reason}")
        kind = _kind(kind, part)
    return path


def _field(section: type[Section], key: str) -> Any:
    return next(field for name, field in section.model_fields.items() if key == (field.alias or name))


def _kind(section: type[Section], key: str) -> type[Section] | _Named | None:
    kind = _plain(_field(section, key).annotation)
    origin = get_origin(kind) or kind
    if key == "extra_hosts":
        return _Named(None)
    if isinstance(kind, type) and issubclass(kind, Section):
        return kind
    if isinstance(origin, type) and issubclass(origin, Mapping):
        inner = _plain(get_args(kind)[1])
        return _Named(inner if isinstance(inner, type) and issubclass(inner, Section) else None)
    return None


def _plain(annotation: Any) -> Any:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _plain(get_args(annotation)[0])
    if origin in {Union, UnionType}:
        return _plain(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def _said(path: tuple[str, ...], sources: Sequence[Source]) -> list[_Said]:
    found = ((source, _look(path, source.said)) for source in reversed(sources))
    return [_Said(source=source, value=value) for source, value in found if value is not _ABSENT]


def _look(path: tuple[str, ...], value: Any) -> Any:
    above = ""
    for part in path:
        named = by_name(above, value) if above in MERGED else value
        if not isinstance(named, Mapping) or part not in named:
            return _ABSENT
        above, value = part, named[part]
    return value


def _names(path: tuple[str, ...], values: Iterable[Any]) -> tuple[str, ...]:
    """Return the names of what is told name by name: those that are said, or all of a small section."""
    if path[-1] not in MERGED or len(path) > 1 + (path[0] == "test"):
        return ()
    said = tuple(dict.fromkeys(name for value in values for name in by_name(path[-1], value) or ()))
    kind = _kind(Settings, path[0])
    small = isinstance(kind, type) and len(path) == 1 and path[0] not in {"test", *OF_IMAGE, *OF_ENGINE}
    return said or (kind.known_keys() if small and isinstance(kind, type) else ())


def _declared(path: tuple[str, ...]) -> Any:
    kind: type[Section] | _Named | None = Settings
    for part in path[:-1]:
        kind = kind.of if isinstance(kind, _Named) else _kind(kind, part) if kind else None
    return _field(kind, path[-1]).get_default(call_default_factory=True) if isinstance(kind, type) else None


def _effective(key: str, *, name: str, built: bool) -> str:
    """Ask the plan of a container that says nothing."""
    subject = Subject(name=name, settings=Settings(), image=ImageFacts(id="image"), built=built)
    spec = plan_production_launch(subject, volume_root=PurePosixPath("/")).spec
    found: Mapping[str, Any] = {
        "cap_drop": spec.cap_drop,
        "container_name": spec.name,
        "hostname": spec.hostname,
        "init": spec.init,
        "networks": [joined.network for joined in spec.networks],
        "pids_limit": spec.limits.pids,
        "read_only": spec.read_only,
        "restart": spec.restart,
        "security_opt": spec.security_opt,
        "stdin_open": spec.stdin,
        "tmpfs": tuple(_tmpfs(spec)),
        "tty": spec.tty,
    }
    return _written(found[key]) if key in found and found[key] not in (None, (), []) else "none"


def _tmpfs(spec: RunSpec) -> Iterator[str]:
    mounts: Iterable[Mount] = spec.mounts
    for mount in mounts:
        yield mount.target if mount.mode is None else f"{mount.target}:mode={mount.mode:o}"


def _written(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case Mapping():
            return f"{{{', '.join(f'{key}: {_written(said)}' for key, said in value.items())}}}"
        case list() | tuple():
            return f"[{', '.join(map(_written, value))}]"
    if is_number(value):
        return written(value).removesuffix(".0")
    text = str(value)
    plain = text and all(sign.isalnum() or sign in WORD_SIGNS for sign in text)
    return text if plain else json.dumps(text, ensure_ascii=False)
