"""From a service of a Compose project to kharness's settings.

The service is canonical: all its forms are long ones. Names of networks and volumes become those of the engine. What
kharness adds stands below `x-kharness` of the file or the service, or in `kharness.yaml` beside the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from kharness.errors import Problem, SettingsError
from kharness.settings.build import service_build
from kharness.settings.compose.given import faults_of_given, mounted
from kharness.settings.compose.identity import container_name
from kharness.settings.compose.project import OWN_AT, ComposeProject
from kharness.settings.layers import SettingsLayer, merge_layers
from kharness.settings.model import Settings
from kharness.settings.problems import key_problems
from kharness.settings.section import Loc

OWN = "x-kharness"
OWN_KEYS = ("autostart", "drift", "expect", "gate", "policy", "release", "test")
"""What kharness adds to a service."""
WAVE = 5
"""The wave in which services start with the host, unless something else is said."""
ELSEWHERE = frozenset({"attach", "configs", "deploy", "develop", "links", "profiles", "scale", "secrets"})
"""Keys that have no field of their own in settings: they become others, or nothing."""
RESTARTS = {"none": "no", "any": "always", "on-failure": "on-failure"}
"""Conditions of `deploy.restart_policy`, and the policies that mean the same."""
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer(SettingsLayer):
    """What is said at one place of a project, `at` there."""

    project: ComposeProject
    at: Loc

    def problem(self, loc: Loc, message: str) -> Problem:
        return self.project.problem((*self.at, *loc), message)


def service_settings(project: ComposeProject, name: str) -> Settings:
    """Return the settings of a service. Raises `SettingsError` with all problems, each with file and line."""
    service = _Layer(said=_settings_of(project, name), file=project.files[0], project=project, at=("services", name))
    problems = [service.problem(loc, message) for loc, message in _refused(project.services[name])]
    problems += [service.problem(loc, message) for loc, message in faults_of_given(project, name)]
    own, more = _own(project, name)
    merged = merge_layers([service, *own])
    value = {"autostart": WAVE, **merged.value}
    if value["autostart"] is False:
        del value["autostart"]
    try:
        settings = Settings.model_validate(value)
    except ValidationError as error:
        problems += [
            (merged.owner(found.loc) or service).problem(found.loc, found.message) for found in key_problems(error)
        ]
    problems += more
    if problems:
        raise SettingsError(list(dict.fromkeys(problems)))
    return settings


def _own(project: ComposeProject, name: str) -> tuple[list[_Layer], list[Problem]]:
    """Return the layers of what kharness adds, the lowest first, and what is wrong with their keys."""
    below = project.own.get("services", {}).get(name)
    found = [
        (project.own, (OWN_AT,)),
        (project.extensions.get(OWN), (OWN,)),
        (below, (OWN_AT, "services", name)),
        (project.services[name].get(OWN), ("services", name, OWN)),
    ]
    layers, problems = [], []
    for said, at in found:
        if said is not None and not isinstance(said, Mapping):
            problems.append(project.problem(at, "should be a mapping"))
            continue
        keys = {key: value for key, value in (said or {}).items() if key in OWN_KEYS}
        layers.append(_Layer(said=keys, file=project.files[0], project=project, at=at))
        known = (*OWN_KEYS, "services") if at == (OWN_AT,) else OWN_KEYS
        problems += [
            project.problem((*at, key), f"should be one of {', '.join(known)}")
            for key in said or ()
            if key not in known
        ]
    return layers, problems


def _mapping(value: Any) -> Said:
    return value if isinstance(value, Mapping) else {}


def _settings_of(project: ComposeProject, name: str) -> dict[str, Any]:
    service = project.services[name]
    said = {key: value for key, value in service.items() if key not in ELSEWHERE and not key.startswith("x-")}
    said = {key: value for key, value in said.items() if value is not None}
    if "environment" in said:
        # A variable without a value does not exist.
        said["environment"] = {key: value for key, value in said["environment"].items() if value is not None}
    if "networks" in said:
        said["networks"] = dict(_networks(project, name))
    if "depends_on" in said:
        said["depends_on"] = {
            other: {"condition": need["condition"]}
            for other, need in said["depends_on"].items()
            if other in project.services
        }
    volumes = [_volume(project, mount) for mount in said.get("volumes") or ()]
    volumes += mounted(project, name)
    if volumes:
        said["volumes"] = volumes
    if "build" in said:
        # What is built here has our own tags; a build that nothing tested does not move the name in `image`.
        said["build"] = service_build(said["build"])
        said.pop("image", None)
    return {**_of_deploy(service), **said}


def _networks(project: ComposeProject, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the networks of a service by the engine's names, in the order in which Compose joins them."""
    joined = project.services[name].get("networks") or {}
    container = container_name(project, name)
    for key in sorted(joined, key=lambda each: (-((joined[each] or {}).get("priority") or 0), each)):
        said = {part: value for part, value in (joined[key] or {}).items() if part not in {"aliases", "priority"}}
        aliases = [container, name, *((joined[key] or {}).get("aliases") or ())]
        yield project.networks[key]["name"], {**said, "aliases": list(dict.fromkeys(aliases))}


def _volume(project: ComposeProject, mount: Said) -> dict[str, Any]:
    found = dict(mount)
    if mount.get("type") == "volume" and mount.get("source"):
        found["source"] = project.volumes[mount["source"]]["name"]
    if mount.get("type") == "bind":
        found["bind"] = {"create_host_path": False, **(mount.get("bind") or {})}
    return {key: value for key, value in found.items() if value != {}}


def _of_deploy(service: Said) -> dict[str, Any]:
    deploy = _mapping(service.get("deploy"))
    limits = _mapping(_mapping(deploy.get("resources")).get("limits"))
    found: dict[str, Any] = {"deploy": {"resources": {"limits": limits}}} if limits else {}
    policy = _mapping(deploy.get("restart_policy"))
    if policy and "restart" not in service:
        word = RESTARTS.get(str(policy.get("condition", "any")), "always")
        attempts = policy.get("max_attempts")
        found["restart"] = f"{word}:{attempts}" if word == "on-failure" and attempts else word
    reservations = _mapping(_mapping(deploy.get("resources")).get("reservations"))
    if "memory" in reservations and "mem_reservation" not in service:
        found["mem_reservation"] = reservations["memory"]
    return found


def _refused(service: Said) -> Iterator[tuple[Loc, str]]:
    """Yield what one host cannot give, where the service would be another one without it."""
    deploy = _mapping(service.get("deploy"))
    replicas = service.get("scale", deploy.get("replicas", 1))
    if isinstance(replicas, int) and replicas != 1:
        key: Loc = ("scale",) if "scale" in service else ("deploy", "replicas")
        yield key, f"should be 1, not {replicas}: kharness runs one container of a service"
    for link in service.get("links") or ():
        other, colon, alias = str(link).partition(":")
        if colon and alias != other:
            yield ("links",), f"should not rename {other}; give it the alias {alias} in its networks"
    reserved = _mapping(_mapping(deploy.get("resources")).get("reservations"))
    if "generic_resources" in reserved:
        yield ("deploy", "resources", "reservations", "generic_resources"), "is for a cluster"
    if "devices" in reserved:
        yield ("deploy", "resources", "reservations", "devices"), "is a Compose key that kharness does not support"
