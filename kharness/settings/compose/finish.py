"""What Compose adds to a merged model: names on the engine, the default network, dependencies that other keys imply.

What does not go together is found here as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kharness.settings.compose.canonical import canonical_service
from kharness.settings.compose.definitions import canonical_definition
from kharness.settings.compose.mounts import named_volumes
from kharness.settings.compose.scalars import Faults
from kharness.settings.plain import SAME_LIMITS

KINDS = ("networks", "volumes", "secrets", "configs")
STARTED = "service_started"
NOTHING: tuple[Any, ...] = (False, 0, "", [], {})
SAID = frozenset({"attach", "init", "scale", "command", "entrypoint", "deploy", "healthcheck", "logging", "networks"})
"""Keys whose zero or empty value is another answer than no value."""
ZERO = frozenset({"mem_limit", "mem_reservation", "mem_swappiness", "memswap_limit", "shm_size"})
FALSE = frozenset({"disable", "no_cache", "privileged", "pull", "restart"})
"""Keys within a section of a service that are not there where they are false."""
NAMESPACES = ("network_mode", "ipc", "pid")
Model = dict[str, Any]


def canonical_model(model: Mapping[str, Any], faults: Faults) -> Model:
    """Return a merged model in its long forms; `services` and all that is defined beside them are there."""
    found: Model = {key: value for key, value in model.items() if key.startswith("x-")}
    found["services"] = {
        name: canonical_service(said or {}, ("services", name), faults)
        for name, said in (model.get("services") or {}).items()
    }
    for kind in KINDS:
        found[kind] = {
            name: canonical_definition(kind, said, (kind, name), faults)
            for name, said in (model.get(kind) or {}).items()
        }
    return found


def finished(model: Model, *, project: str, faults: Faults) -> Model:
    """Return a canonical model of the enabled services with what Compose adds, and collect what is wrong in it.

    Definitions that no service uses are left out, as Compose leaves them out.
    """
    services = {name: _completed(service) for name, service in model["services"].items()}
    networks = dict(model["networks"])
    if any("default" in (service.get("networks") or {}) for service in services.values()):
        networks.setdefault("default", {"ipam": {}})
    whole = {**model, "services": services, "networks": networks}
    for loc, message in _wrong(whole):
        faults.append((loc, message))
    used = _used(services)
    for kind in KINDS:
        whole[kind] = {
            name: _with_name(name, said, project) for name, said in whole[kind].items() if name in used[kind]
        }
    return whole


def _with_name(key: str, said: Mapping[str, Any], project: str) -> dict[str, Any]:
    name = said.get("name") or (key if said.get("external") else f"{project}_{key}")
    return {"name": name, **{other: value for other, value in said.items() if other != "name"}}


def _completed(service: Mapping[str, Any]) -> dict[str, Any]:
    found = {"command": None, "entrypoint": None, **service}
    if "network_mode" not in found and not found.get("networks") and not found.get("provider"):
        found["networks"] = {"default": None}
    found["depends_on"] = _dependencies(found)
    _leave_out_nothing(found)
    if "pull_policy" in found and found["pull_policy"] == "if_not_present":
        found["pull_policy"] = "missing"
    for given in found.get("secrets") or ():
        given.setdefault("target", f"/run/secrets/{given['source']}")
    return found


def _leave_out_nothing(service: dict[str, Any]) -> None:
    """Take out what means the same when it is not there, as Compose does: false, zero, empty lists and mappings."""
    for key in [key for key, said in service.items() if said in NOTHING and key not in SAID]:
        del service[key]
    for key in ZERO & service.keys():
        if service[key] == "0":
            del service[key]
    for part in (service.get("healthcheck"), service.get("build"), *service.get("depends_on", {}).values()):
        if isinstance(part, dict):
            for key in FALSE & part.keys():
                if part[key] is False:
                    del part[key]
            for key in [key for key, said in part.items() if key != "test" and said in ([], {})]:
                del part[key]


def _dependencies(service: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(service.get("depends_on") or {})
    for other, restart in _implied(service):
        found.setdefault(other, {"condition": STARTED, **({"restart": True} if restart else {}), "required": True})
    return found


def _implied(service: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
    for link in service.get("links") or ():
        yield str(link).partition(":")[0], True
    for key in NAMESPACES:
        kind, _, other = str(service.get(key) or "").partition(":")
        if kind == "service" and other:
            yield other, True
    for source in service.get("volumes_from") or ():
        if not str(source).startswith("container:"):
            yield str(source).partition(":")[0], False


def _used(services: Mapping[str, Any]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for service in services.values():
        found["networks"] |= set(service.get("networks") or {})
        found["volumes"] |= set(named_volumes(service))
        for kind in ("secrets", "configs"):
            found[kind] |= {given["source"] for given in service.get(kind) or () if given.get("source")}
        build = service.get("build")
        if isinstance(build, dict):
            found["secrets"] |= {given["source"] for given in build.get("secrets") or () if given.get("source")}
    return found


def _wrong(model: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    services = model["services"]
    for name, service in services.items():
        loc = ("services", name)
        if not service.get("image") and "build" not in service and not service.get("provider"):
            yield loc, "should have an image or a build"
        for key in _undefined(service, model):
            yield (*loc, *key[:-1]), f"should name what is defined at the top of the file, and {key[-1]!r} is not"
        if "network_mode" in service and service.get("networks"):
            yield (*loc, "network_mode"), "should not be set beside networks"
        yield from _twice(service, loc)
    yield from _shared(services)


def _undefined(service: Mapping[str, Any], model: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for name in service.get("networks") or ():
        if name not in model["networks"]:
            yield ("networks", name)
    for source in named_volumes(service):
        if source not in model["volumes"]:
            yield ("volumes", source)
    for kind in ("secrets", "configs"):
        for given in service.get(kind) or ():
            if given.get("source") not in model[kind]:
                yield (kind, str(given.get("source")))


def _twice(service: Mapping[str, Any], loc: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    deploy = service.get("deploy") or {}
    limits = (deploy.get("resources") or {}).get("limits") or {}
    for key, same in SAME_LIMITS.items():
        if key in limits and same in service and str(limits[key]) != str(service[same]):
            yield (*loc, same), f"should be the same as deploy.resources.limits.{key}, or be set once"
    if (scale := service.get("scale")) is not None and deploy.get("replicas", scale) != scale:
        yield (*loc, "scale"), "should be the same as deploy.replicas, or be set once"
    if service.get("container_name") and int(service.get("scale") or deploy.get("replicas") or 1) > 1:
        yield (*loc, "container_name"), "should not be set where there are several containers of the service"


def _shared(services: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    names: dict[str, str] = {}
    bound: dict[tuple[str, str, str], str] = {}
    for name, service in services.items():
        own = service.get("container_name")
        if own and own in names:
            yield ("services", name, "container_name"), f"should be another than that of {names[own]}"
        names.setdefault(own, name)
        for port in service.get("ports") or ():
            published = str(port.get("published") or "")
            if not published or published == "0" or "-" in published:
                continue
            key = (str(port.get("host_ip") or ""), published, str(port.get("protocol")))
            if bound.get(key, name) != name:
                yield ("services", name, "ports"), f"should not publish port {published}, which {bound[key]} publishes"
            bound.setdefault(key, name)
