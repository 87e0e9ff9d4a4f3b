"""What must hold between keys: those of one file, and those of two containers of one host.

Two containers cannot both have a published port, a fixed address or a name.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path, PurePosixPath
from typing import Any

from kharness.errors import Problem
from kharness.settings.catalog import ContainerDir
from kharness.settings.expect import check_expect
from kharness.settings.layers import for_test
from kharness.settings.model import Settings
from kharness.settings.ports import Port
from kharness.settings.prepare import check_prepare
from kharness.settings.problems import KeyProblem
from kharness.settings.section import Loc
from kharness.settings.service import LONGEST_HOSTNAME, ServiceKeys
from kharness.settings.volumes import TestMount, Volume

MAY_BE_NULL = frozenset({"command", "entrypoint"})
"""Keys whose null is Compose's word for the image's own."""
MAY_HOLD_NULL = frozenset({"args", "environment", "labels", "networks", "sysctls"})
"""Mappings whose values are read one by one."""
IN_IMAGE = ("files", "private.d")
"""The directories that a build takes whole."""


def empty_keys(value: Any, at: Loc = ()) -> Iterator[Loc]:
    """Yield the place of each key with nothing after it: more often a slip of indentation than a wish."""
    for key, said in value.items() if isinstance(value, Mapping) else enumerate(value):
        here = (*at, key)
        if said is None and key not in MAY_BE_NULL and MAY_HOLD_NULL.isdisjoint(at[-1:]):
            yield here
        elif isinstance(said, Mapping | list):
            yield from empty_keys(said, here)


def check_image(said: Mapping[str, Any], *, has_dockerfile: bool) -> Iterator[KeyProblem]:
    """Tell where the image should come from; `said` is the file as it is read, so that other errors hide nothing."""
    build = said.get("build")
    written: Mapping[str, Any] = build if isinstance(build, Mapping) else {}
    if written.get("context", ".") not in (".", "./"):
        message = "is a Compose key that kharness does not support; the directory itself is the context"
        yield KeyProblem(loc=("build", "context"), message=message)
    if "additional_contexts" in written:
        message = "is a Compose key that kharness does not support; use build.copy"
        yield KeyProblem(loc=("build", "additional_contexts"), message=message)
    has_dockerfile = has_dockerfile or not written.keys().isdisjoint({"dockerfile", "dockerfile_inline"})
    if has_dockerfile and "image" in said:
        yield KeyProblem(loc=("image",), message="should not be set beside a Dockerfile; remove one of the two")
    if not has_dockerfile and "image" not in said:
        message = "is required, because there is no Dockerfile beside settings.yaml to build"
        yield KeyProblem(loc=("image",), message=message)
    if not has_dockerfile and "build" in said:
        yield KeyProblem(loc=("build",), message="should not be set where there is no Dockerfile to build")


def check_hostname(settings: Settings, *, name: str) -> Iterator[KeyProblem]:
    """Tell where the directory's name, which is the container's host name unless it says one, is too long for that."""
    if settings.hostname is None and len(name) > LONGEST_HOSTNAME:
        message = (
            f"should be set, because the directory's name, its default, has {len(name)} characters, and a host name "
            f"has at most {LONGEST_HOSTNAME}"
        )
        yield KeyProblem(loc=("hostname",), message=message)


def check_settings(settings: Settings) -> Iterator[KeyProblem]:
    """Tell what keys contradict each other."""
    yield from _check_keys(settings, ())
    yield from _check_keys(settings.test, ("test",))
    yield from _check_same(settings)
    for key in ("image", "build", "platform", "pull_policy"):
        if getattr(settings.test, key) is not None:
            yield KeyProblem(loc=("test", key), message="should not differ: what is tested is what is promoted")
    if settings.test.network_mode is not None:
        message = "should not be set: a test instance is on a network of its session, and 'egress: true' opens it"
        yield KeyProblem(loc=("test", "network_mode"), message=message)
    yield from _check_mac_address(settings)
    if settings.network_mode is not None and settings.networks:
        yield KeyProblem(loc=("network_mode",), message="should not be set beside networks; remove one of the two")
    if "default" in settings.networks:
        message = (
            "should be a network of the host's configuration, or bridge for the engine's own; there is no project "
            "network here that 'default' would mean"
        )
        yield KeyProblem(loc=("networks", "default"), message=message)
    for index, key, message in check_prepare(settings.prepare, volumes=settings.volumes):
        yield KeyProblem(loc=("prepare", index, key), message=message)
    for loc, message in check_expect(settings.expect, limit=settings.test.timeout):
        yield KeyProblem(loc=loc, message=message)
    yield from _check_watch(settings)
    memory, swap = settings.mem_limit, settings.memswap_limit
    if swap is not None and not memory:
        yield KeyProblem(loc=("memswap_limit",), message="should not be set without mem_limit")
    elif swap is not None and memory is not None and -1 < swap < memory:
        yield KeyProblem(
            loc=("memswap_limit",), message="should be at least mem_limit, it counts memory and swap together"
        )


def _check_mac_address(settings: Settings) -> Iterator[KeyProblem]:
    if settings.test.mac_address is not None:
        message = "should not be set: a test instance is on a network of its session, with an address of its own"
        yield KeyProblem(loc=("test", "mac_address"), message=message)
    if settings.mac_address is None:
        return
    if settings.network_mode in {"host", "none"}:
        message = f"should not be set where network_mode is {settings.network_mode}: there is no interface to have it"
        yield KeyProblem(loc=("mac_address",), message=message)
    for name, joined in list(settings.networks.items())[:1]:
        if joined.mac_address not in {None, settings.mac_address}:
            message = f"should be the same as networks.{name}.mac_address, or be set once"
            yield KeyProblem(loc=("mac_address",), message=message)


def _check_same(settings: Settings) -> Iterator[KeyProblem]:
    allowed = {each for each in settings.test.same if each.startswith("/")}
    found: list[tuple[Loc, Volume]] = [(("volumes", index), volume) for index, volume in enumerate(settings.volumes)]
    found += [(("test", "volumes", index), volume) for index, volume in enumerate(settings.test.volumes)]
    shared = {volume.target for _, volume in found if volume.test is TestMount.SAME}
    for loc, volume in found:
        if volume.test is TestMount.SAME and volume.target not in allowed:
            meant = f"say that it is meant, with 'test: {{same: [{volume.target}]}}'"
            yield KeyProblem(
                loc=(*loc, "test"), message=f"should not be 'same', which lets tests write production's data; {meant}"
            )
    for index, target in enumerate(settings.test.same):
        if target.startswith("/") and target not in shared:
            message = f"should be the target of a volume with 'test: same', and none has {target}"
            yield KeyProblem(loc=("test", "same", index), message=message)


def _check_watch(settings: Settings) -> Iterator[KeyProblem]:
    targets = {PurePosixPath(volume.target) for volume in settings.volumes if volume.type != "tmpfs"}
    for index, path in enumerate(settings.drift.watch):
        if targets.isdisjoint((PurePosixPath(path), *PurePosixPath(path).parents)):
            message = (
                f"should be in a volume, and {path} is in none; what is in the container's layer is always looked at"
            )
            yield KeyProblem(loc=("drift", "watch", index), message=message)


def _check_keys(keys: ServiceKeys, at: Loc) -> Iterator[KeyProblem]:
    if keys.mem_reservation and keys.mem_limit and keys.mem_reservation > keys.mem_limit:
        yield KeyProblem(loc=(*at, "mem_reservation"), message="should be at most mem_limit")
    taken: dict[str, str] = {}
    for key in ("volumes", "tmpfs"):
        for index, mount in enumerate(getattr(keys, key) or ()):
            place = f"{key}[{index}]"
            if mount.target in taken:
                message = f"should have a target of its own, {mount.target} is that of {taken[mount.target]}"
                yield KeyProblem(loc=(*at, key, index), message=message)
            taken.setdefault(mount.target, place)
    for port in published_twice(keys.ports):
        yield KeyProblem(loc=(*at, "ports"), message=f"should publish each port once, not {described(port)} twice")
    for name, limit in keys.ulimits.items():
        # -1 is no limit, and so the highest.
        if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
            yield KeyProblem(
                loc=(*at, "ulimits", name), message="should have a soft limit that is not above the hard one"
            )


def check_secrets(settings: Settings, *, directory: Path, has_dockerfile: bool) -> Iterator[KeyProblem]:
    """Tell which secrets would be in the image, and which ones something else is mounted on.

    Links are looked through, so that `directory` counts as it is on the disk.
    """
    if has_dockerfile:
        yield from _check_places(settings, (), directory)
        yield from _check_places(settings.test, ("test",), directory)
    yield from [*_check_targets(settings, ())] or _check_targets(for_test(settings), ("test",))


def _check_places(keys: ServiceKeys, at: Loc, directory: Path) -> Iterator[KeyProblem]:
    said: list[tuple[Loc, str]] = [(("env_file", index), each.path) for index, each in enumerate(keys.env_file)]
    said += [(("secrets", name), secret.file) for name, secret in keys.secrets.items()]
    for loc, path in said:
        place = Path(os.path.realpath(directory / path))
        for name in IN_IMAGE:
            if place.is_relative_to(os.path.realpath(directory / name)):
                message = f"should not lie in {name}/, which goes into the image; keep it elsewhere"
                yield KeyProblem(loc=(*at, *loc), message=message)


def _check_targets(keys: ServiceKeys, at: Loc) -> Iterator[KeyProblem]:
    taken: dict[str, str] = {}
    for key in ("volumes", "tmpfs"):
        taken |= {mount.target: f"{key}[{index}]" for index, mount in enumerate(getattr(keys, key) or ())}
    below: dict[str, str] = {}
    for target in taken:
        _note_below(below, target)
    for name, secret in keys.secrets.items():
        target = secret.placed(name)
        above = below.get(target)
        if target in taken:
            message = f"should have a target of its own, {target} is that of {taken[target]}"
            yield KeyProblem(loc=(*at, "secrets", name), message=message)
        elif above is not None:
            message = f"should have a file as its target, and {above} of {taken[above]} is below {target}"
            yield KeyProblem(loc=(*at, "secrets", name), message=message)
        taken.setdefault(target, f"secrets.{name}")
        _note_below(below, target)


def _note_below(below: dict[str, str], target: str) -> None:
    """Note a target as the first one below each directory above it."""
    for parent in PurePosixPath(target).parents:
        below.setdefault(str(parent), target)


def conflicts(all_settings: Mapping[ContainerDir, Settings]) -> tuple[Problem, ...]:
    """Return what production instances would collide on; each conflict is a problem of both files, sorted by file."""
    claims: dict[tuple[str, ...], list[_Claim]] = {}
    for directory, settings in all_settings.items():
        for about, claim in _claims(directory, settings):
            claims.setdefault(about, []).append(claim)
    found: set[Problem] = set()
    for group in claims.values():
        for one, other in permutations(group, 2):
            if one.file != other.file and _overlap(one.host_ip, other.host_ip):
                found.add(Problem(one.file, one.key, f"{one.said[0]}{other.file}{one.said[1]}"))
    return tuple(sorted(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    """What a file takes for its container; `said` is what goes before and after the other file's name."""

    file: Path
    key: str
    said: tuple[str, str]
    host_ip: str | None = None


def _claims(directory: ContainerDir, settings: Settings) -> Iterator[tuple[tuple[str, ...], _Claim]]:
    """Yield each claim behind what it is about: only claims about the same thing can collide."""
    file = directory.settings_file
    name = settings.container_name or directory.name
    said = (f"should be unique, {name} is also the name of ", "")
    yield ("name", name), _Claim(file=file, key="container_name", said=said)
    for port in settings.ports:
        if (about := published_as(port)) is not None:
            said = (f"should not publish {described(port)}, ", " does")
            yield ("port", *about), _Claim(file=file, key="ports", said=said, host_ip=port.host_ip)
    first = next(iter(settings.networks), settings.network_mode or "bridge")
    if settings.mac_address is not None:
        claim = _Claim(file=file, key="mac_address", said=(f"should not be {settings.mac_address}, ", " has it"))
        yield ("address", first, settings.mac_address), claim
    for network, joined in settings.networks.items():
        for key in ("ipv4_address", "ipv6_address", "mac_address"):
            if (address := getattr(joined, key)) is not None:
                claim = _Claim(
                    file=file, key=f"networks.{network}.{key}", said=(f"should not be {address}, ", " has it")
                )
                yield ("address", network, address), claim


def published_twice(ports: Iterable[Port]) -> Iterator[Port]:
    """Yield each port that cannot be published beside one before it."""
    before: dict[tuple[str, str], list[Port]] = {}
    for port in ports:
        if (about := published_as(port)) is not None:
            others = before.setdefault(about, [])
            if any(_overlap(port.host_ip, other.host_ip) for other in others):
                yield port
            others.append(port)


def published_as(port: Port) -> tuple[str, str] | None:
    """Return the port of the host and its protocol; None where the engine chooses."""
    return (str(port.published), port.protocol) if isinstance(port.published, int) else None


def described(port: Port) -> str:
    """Show a published port: `127.0.0.1:53/udp`."""
    host = f"[{port.host_ip}]:" if ":" in (port.host_ip or "") else f"{port.host_ip}:" if port.host_ip else ""
    return f"{host}{port.published}/{port.protocol}"


def _overlap(one: str | None, other: str | None) -> bool:
    if one is None or other is None or one == other:
        return True
    first, second = ipaddress.ip_address(one), ipaddress.ip_address(other)
    if first.version == second.version:
        return first.is_unspecified or second.is_unspecified
    # A socket on :: takes IPv4 connections too, unless the system says otherwise.
    return any(address.version == 6 and address.is_unspecified for address in (first, second))  # noqa: PLR2004
