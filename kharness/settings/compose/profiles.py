"""Which services of a project are enabled by its profiles, and whether those that they depend on are among them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from kharness.settings.section import Loc

Services = Mapping[str, Mapping[str, Any]]


def split(services: Services, active: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the services that these profiles enable, and the others; `*` is all profiles."""
    enabled: dict[str, Any] = {}
    disabled: dict[str, Any] = {}
    for name, service in services.items():
        profiles = service.get("profiles") or []
        on = not profiles or "*" in active or any(profile in active for profile in profiles)
        (enabled if on else disabled)[name] = service
    return enabled, disabled


def missing(enabled: Services, disabled: Services) -> list[tuple[Loc, str]]:
    """Return a fault for each dependency of an enabled service that is not enabled, or not there at all."""
    faults: list[tuple[Loc, str]] = []
    for name, service in enabled.items():
        for other, said in (service.get("depends_on") or {}).items():
            if other in enabled or said.get("required") is False:
                continue
            message = (
                f"should not need {other!r}, whose profiles are not active"
                if other in disabled
                else f"should name a service of the project, and it has no {other!r}"
            )
            faults.append((("services", name, "depends_on"), message))
    return faults


def circle(services: Services) -> list[str]:
    """Return the names of services that depend on each other in a circle, the first one again at the end, or none."""
    done: set[str] = set()
    for start in services:
        path: list[str] = []
        left = [iter([start])]
        while left:
            name = next(left[-1], None)
            if name is None:
                left.pop()
                if path:
                    done.add(path.pop())
            elif name in path:
                return [*path[path.index(name) :], name]
            elif name in services and name not in done:
                path.append(name)
                left.append(iter(services[name].get("depends_on") or {}))
    return []
