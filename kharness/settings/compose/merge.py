"""Merging Compose files: what a later file, or a service that extends another, says of the same things.

Mappings merge, lists append, other values replace; the exceptions are by key. Lists whose items have a key of their own
(a port, a mount's target, a variable's name) keep one item for each, the later one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kharness.settings.compose.scalars import Faults
from kharness.settings.section import Loc

REPLACED = frozenset({("command",), ("entrypoint",), ("healthcheck", "test")})
NAMED = frozenset(
    {
        ("environment",),
        ("labels",),
        ("annotations",),
        ("sysctls",),
        ("build", "args"),
        ("build", "labels"),
        ("build", "additional_contexts"),
        ("deploy", "labels"),
    }
)
"""A service's lists of NAME=VALUE, which may be mappings as well."""
LISTED = frozenset({("dns",), ("dns_opt",), ("dns_search",), ("env_file",), ("label_file",), ("tmpfs",)})
"""A service's lists of which one item may stand alone."""
HOSTS = frozenset({("extra_hosts",), ("build", "extra_hosts")})


def merged(  # noqa: C901, PLR0911 - a row for each kind of value
    base: Any, over: Any, faults: Faults, loc: Loc = (), tags: Mapping[Loc, str] | None = None
) -> Any:
    """Return what `over` makes of `base`; values of different kinds are added to `faults`.

    `tags` are the places of `!reset` and `!override` in `over`.
    """
    tag = (tags or {}).get(loc)
    if tag == "!override":
        return over
    if over is None:
        return base
    if base is None:
        return _without_resets(over, tags or {}, loc)
    key = loc[2:] if loc[:1] == ("services",) else ()
    if key in REPLACED:
        return over
    base, over = _alike(base, over, key, loc)
    if key == ("logging",) and _other_driver(base, over):
        return over
    if isinstance(base, dict) and isinstance(over, dict):
        result = dict(base)
        for name, value in over.items():
            place = (*loc, name)
            if (tags or {}).get(place) == "!reset":
                result.pop(name, None)
            elif name in result:
                result[name] = merged(result[name], value, faults, place, tags)
            else:
                result[name] = _without_resets(value, tags or {}, place)
        return result
    if isinstance(base, list) and isinstance(over, list):
        return [*base, *over]
    if isinstance(base, dict | list) or isinstance(over, dict | list):
        faults.append((loc, f"should be {_kind(base)}, as in the file that it is merged over"))
        return base
    return over


def _without_resets(value: Any, tags: Mapping[Loc, str], loc: Loc = ()) -> Any:
    if not tags:
        return value
    if isinstance(value, dict):
        return {
            key: _without_resets(each, tags, (*loc, key))
            for key, each in value.items()
            if tags.get((*loc, key)) != "!reset"
        }
    if isinstance(value, list):
        return [
            _without_resets(each, tags, (*loc, index))
            for index, each in enumerate(value)
            if tags.get((*loc, index)) != "!reset"
        ]
    return value


def _kind(value: Any) -> str:
    return "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else "one value"


def _alike(base: Any, over: Any, key: Loc, loc: Loc) -> tuple[Any, Any]:  # noqa: PLR0911 - a row for each kind of key
    """Bring both sides to one form, where a key has several."""
    if key in NAMED or (loc[2:] == ("labels",) and loc[0] in {"networks", "volumes"}):
        return by_name(base), by_name(over)
    if key in LISTED:
        return _listed(base), _listed(over)
    if key in HOSTS:
        return _hosts(base), _hosts(over)
    if key == ("build",):
        return _opened(base, "context"), _opened(over, "context")
    if key == ("depends_on",) and type(base) is not type(over):
        return _waited(base), _waited(over)
    if key == ("networks",) and type(base) is not type(over):
        return _keyed(base), _keyed(over)
    if key[:1] == ("ulimits",) and len(key) == 2 and type(base) is not type(over):  # noqa: PLR2004 - a limit's name
        return over, over
    return base, over


def by_name(value: Any) -> Any:
    """Return a list of NAME=VALUE as a mapping; a name alone has None."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        return value
    return {name: said if equals else None for name, equals, said in (item.partition("=") for item in value)}


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _hosts(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return [f"{name}={each}" for name, said in value.items() for each in (said if isinstance(said, list) else [said])]


def _opened(value: Any, name: str) -> Any:
    return {name: value} if isinstance(value, str) else value


def _keyed(value: Any) -> Any:
    return dict.fromkeys(value) if isinstance(value, list) and all(isinstance(each, str) for each in value) else value


def _waited(value: Any) -> Any:
    keyed = _keyed(value)
    if keyed is value:
        return value
    return {name: {"condition": "service_started", "required": True} for name in keyed}


def _other_driver(base: Any, over: Any) -> bool:
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return False
    return "driver" in base and "driver" in over and base["driver"] != over["driver"]


def _mount(item: Any) -> Any:
    if isinstance(item, dict):
        return item.get("target")
    parts = str(item).split(":")
    return (parts[0] if len(parts) == 1 else parts[1]).rstrip("/")


def _device(item: Any) -> Any:
    return item.get("target") or item.get("source") if isinstance(item, dict) else str(item).split(":")[:2][-1]


def _given(place: str) -> Callable[[Any], Any]:
    def target(item: Any) -> Any:
        if isinstance(item, dict):
            return item.get("target") or f"{place}/{item.get('source')}"
        return f"{place}/{item}"

    return target


def _port(item: Any) -> Any:
    if not isinstance(item, dict):
        return str(item)
    said = (str(item.get(key, "")) for key in ("host_ip", "published", "target"))
    return ":".join(said) + f"/{item.get('protocol', 'tcp')}"


def _path(item: Any) -> Any:
    return item.get("path") if isinstance(item, dict) else item


def _itself(item: Any) -> Any:
    return str(item)


UNIQUE: Mapping[str, Callable[[Any], Any]] = {
    "ports": _port,
    "volumes": _mount,
    "secrets": _given("/run/secrets"),
    "configs": _given(""),
    "devices": _device,
    "env_file": _path,
    **dict.fromkeys(("cap_add", "cap_drop", "dns", "dns_opt", "dns_search", "expose", "links", "profiles"), _itself),
    **dict.fromkeys(("tmpfs", "extra_hosts", "label_file"), _itself),
}
"""What an item of a service's list is told apart by."""


def unique(service: dict[str, Any]) -> dict[str, Any]:
    """Return a service whose lists have each item once: the last one of its key, at the place of the first."""
    found = dict(service)
    for name in UNIQUE.keys() & service.keys():
        if isinstance(items := service[name], list):
            found[name] = list({str(UNIQUE[name](item)): item for item in items}.values())
    return found
