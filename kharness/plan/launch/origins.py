"""Where the value of a key comes from, what it hides, and which keys count in a launch by hand.

A key that does not count there is refused, because silence would look like a yes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from kharness.errors import UsageError
from kharness.plan.facts import ImageFacts
from kharness.plan.launch.plan import Subject, plan_production_launch
from kharness.plan.launch.runspec import Mount, RunSpec
from kharness.settings.foreign import explain_key
from kharness.settings.layers import MERGED, NOT_INHERITED, SettingsLayer, by_name, merge_layers
from kharness.settings.model import Settings
from kharness.settings.plain import BY_KEY, ENGINE, IMAGE, NONE, PLAIN
from kharness.settings.section import Section
from kharness.settings.service import ServiceKeys
from kharness.settings.values import is_number, written

DEFAULTS = {
    **{row.key: row.default for row in PLAIN if row.default != NONE},
    **dict.fromkeys(("command", "entrypoint", "healthcheck"), IMAGE),
    "logging": ENGINE,
    "platform": ENGINE,
    "network_mode": "bridge, the engine's own",
}
"""Keys whose default the image or the engine has, in words."""
SECURE = frozenset({"tmpfs", *(row.key for row in PLAIN if row.built is not None)})
"""Keys whose default is another one for an image that is built here."""
WORD_SIGNS = frozenset(" -_./:=@%+~")
_ABSENT = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    source: SettingsLayer
    value: Any


@dataclass(frozen=True, slots=True)
class _Named:
    """What has names of its users' own, each with a section of that kind, or with a plain value."""

    of: type[Section] | None


def explain(key: str, sources: Sequence[SettingsLayer], *, name: str, built: bool) -> tuple[str, ...]:
    """Return lines that say which value a key has, from where, and what that hides; `key` may go on behind dots.

    `sources` are the lowest first, `name` is the container directory's. What has names is explained name by name.
    Raises `UsageError` for an unknown key.
    """
    path = _path(key)
    if path[0] == "test" and len(path) > 1 and path[1] in ServiceKeys.model_fields:
        said = _said(path, sources)
        row = BY_KEY.get(path[1])
        if not said and row and _look(path[1:], merge_layers(sources).value) in row.of_host:
            return (f"{key}: {row.default}, by default: production's opens the host, and is not taken over",)
        if not said and path[1] not in NOT_INHERITED:
            return tuple(
                f"{key}: not set, a test instance has production's: {line}"
                for line in explain(".".join(path[1:]), sources, name=name, built=built)
            )
    if names := _names(path, [found.value for found in reversed(_said(path, sources))]):
        return tuple(_line((*path, inner), sources, name=name, built=built) for inner in names)
    return (_line(path, sources, name=name, built=built),)


def default_text(path: tuple[str, ...], *, name: str, built: bool) -> str:
    """Return what holds where a key is not set."""
    key, *inner = path
    if key == "test" and inner and inner[0] in ServiceKeys.model_fields and inner[0] not in NOT_INHERITED:
        return "production's"
    if path == ("policy", "profile"):
        return f"the host's, or {'strict' if built else 'baseline'}"
    if key in DEFAULTS:
        return DEFAULTS[key]
    if inner:
        found = _declared(path)
        text = f"0o{found:o}" if path[-1] == "mode" and isinstance(found, int) else _written(found)
        return "none" if found in (None, (), {}) or isinstance(found, Section) else text
    value = _effective(key, name=name, built=built)
    if key not in SECURE:
        return value
    return f"{value}, because it is built here" if built else "Docker's own, because it is built elsewhere"


def _line(path: tuple[str, ...], sources: Sequence[SettingsLayer], *, name: str, built: bool) -> str:
    key = ".".join(path)
    said = _said(path, sources)
    default = default_text(path, name=name, built=built)
    texts = [f"{each.source.title(path)} says {_written(each.value)}" for each in said]
    if said and _look(path, merge_layers(sources).value) is not _ABSENT:
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


def _said(path: tuple[str, ...], sources: Sequence[SettingsLayer]) -> list[_Said]:
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
    """Return the names of what is explained name by name: those that are said, or all of a small section."""
    if path[-1] not in MERGED or len(path) > 1 + (path[0] == "test"):
        return ()
    said = tuple(dict.fromkeys(name for value in values for name in by_name(path[-1], value) or ()))
    kind = _kind(Settings, path[0])
    small = isinstance(kind, type) and len(path) == 1 and path[0] not in {"test", *DEFAULTS}
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
        **{row.key: getattr(spec, row.key) for row in PLAIN},
        "container_name": spec.name,
        "networks": [joined.network for joined in spec.networks],
        "restart": spec.restart,
        "tmpfs": tuple(_tmpfs(spec)),
    }
    return _written(found[key]) if key in found and found[key] not in (None, (), [], {}) else NONE


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


NOTHING_BUILT = "what runs is an image that is there already; 'kharness build' makes one, by what the file says"
GATE = "it belongs to tests and checks, and a launch by hand has none"
NEITHER = {
    "autostart": "it is for the start of the host",
    "build": NOTHING_BUILT,
    "drift": GATE,
    "expect": GATE,
    "gate": GATE,
    "image": NOTHING_BUILT,
    "platform": NOTHING_BUILT,
    "policy": GATE,
}
"""Keys that say nothing about one launch, and why."""
PRODUCTION = {
    **NEITHER,
    "depends_on": "production is launched alone; 'kharness up-all' knows the order",
    "test": "it is for test instances, and -D makes one",
}
APART = "a development instance is alone on a network of its own, and is reached by its address"
DEVELOPMENT = {
    **NEITHER,
    "container_name": "a development instance has a name of its own",
    "network_mode": APART,
    "mac_address": APART,
    "logging": "the output of a development instance goes to the terminal alone",
    "networks": APART,
    "ports": APART,
    "release": "nothing is released",
    "restart": "a development instance is never restarted",
}
IN_PLACE = dict.fromkeys(("command", "entrypoint", "healthcheck"), "a shell runs in place of its program")
BESIDE = dict.fromkeys(
    (
        *("container_name", "devices", "env_file", "expose", "hostname", "labels", "logging", "ports", "prepare"),
        *("release", "restart", "secrets", "volumes"),
    ),
    "the container of a shell beside production has none of production's",
)


def refusals(sources: Iterable[SettingsLayer], *, development: bool, with_shell: bool = False) -> tuple[str, ...]:
    """Return why what is said for one launch has no say in it: of production, or for development, or of a shell."""
    silent = DEVELOPMENT if development else PRODUCTION
    if with_shell:
        silent = {**silent, **IN_PLACE, **({} if development else BESIDE)}
    return tuple(
        f"{source.names[key]}: has no say in this launch: {silent[key]}"
        for source in sources
        for key in source.names
        if key in silent
    )


def laid_over(sources: Iterable[SettingsLayer]) -> tuple[str, ...]:
    """Return what is said for one launch, as it was said, with the names that maps have, and without values."""
    return tuple(text for source in sources for key, name in source.names.items() if (text := _text(source, key, name)))


def _text(source: SettingsLayer, key: str, name: str) -> str:
    said = source.said.get(key)
    return f"{name} {','.join(said)}" if isinstance(said, dict) and said else name
