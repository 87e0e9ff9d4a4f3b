"""What must hold between the keys of one file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from kharness.settings.conflicts import collide, described
from kharness.settings.expect import check_expect
from kharness.settings.model import Settings
from kharness.settings.prepare import check_prepare
from kharness.settings.problems import Told
from kharness.settings.section import Loc
from kharness.settings.service import ServiceKeys
from kharness.settings.stand_in import TestMount
from kharness.settings.volumes import Volume

MAY_BE_NULL = frozenset({"command", "entrypoint"})
"""Keys whose null is Compose's word for the image's own."""
MAY_HOLD_NULL = frozenset({"args", "environment", "labels", "networks", "sysctls"})
"""Mappings whose values are read one by one."""


def empty_keys(value: Any, at: Loc = ()) -> Iterator[Loc]:
    """Yield the place of each key with nothing after it: more often a slip of indentation than a wish."""
    for key, said in value.items() if isinstance(value, Mapping) else enumerate(value):
        here = (*at, key)
        if said is None and key not in MAY_BE_NULL and MAY_HOLD_NULL.isdisjoint(at[-1:]):
            yield here
        elif isinstance(said, Mapping | list):
            yield from empty_keys(said, here)


def check_image(said: Mapping[str, Any], *, has_dockerfile: bool) -> Iterator[Told]:
    """Tell where the image should come from; `said` is the file as it is read, so that other errors hide nothing."""
    if has_dockerfile and "image" in said:
        yield Told(loc=("image",), message="should not be said beside a Dockerfile; remove one of the two")
    if not has_dockerfile and "image" not in said:
        message = "is required, because there is no Dockerfile beside settings.yaml to build"
        yield Told(loc=("image",), message=message)
    if not has_dockerfile and "build" in said:
        yield Told(loc=("build",), message="should not be said where there is no Dockerfile to build")


def check_settings(settings: Settings) -> Iterator[Told]:
    """Tell what keys contradict each other."""
    yield from _check_keys(settings, ())
    yield from _check_keys(settings.test, ("test",))
    yield from _check_same(settings)
    for key in ("image", "build"):
        if getattr(settings.test, key) is not None:
            yield Told(loc=("test", key), message="should not differ: what is tested is what is promoted")
    for index, key, message in check_prepare(settings.prepare, volumes=settings.volumes):
        yield Told(loc=("prepare", index, key), message=message)
    for loc, message in check_expect(settings.expect, limit=settings.test.timeout):
        yield Told(loc=loc, message=message)
    yield from _check_watch(settings)
    memory, swap = settings.mem_limit, settings.memswap_limit
    if swap is not None and not memory:
        yield Told(loc=("memswap_limit",), message="should not be said without mem_limit")
    elif swap is not None and memory is not None and -1 < swap < memory:
        yield Told(loc=("memswap_limit",), message="should be at least mem_limit, it counts memory and swap together")


def _check_same(settings: Settings) -> Iterator[Told]:
    allowed = {each for each in settings.test.same if each.startswith("/")}
    found: list[tuple[Loc, Volume]] = [(("volumes", index), volume) for index, volume in enumerate(settings.volumes)]
    found += [(("test", "volumes", index), volume) for index, volume in enumerate(settings.test.volumes)]
    shared = {volume.target for _, volume in found if volume.test is TestMount.SAME}
    for loc, volume in found:
        if volume.test is TestMount.SAME and volume.target not in allowed:
            meant = f"say that it is meant, with 'test: {{same: [{volume.target}]}}'"
            yield Told(
                loc=(*loc, "test"), message=f"should not be 'same', which lets tests write production's data; {meant}"
            )
    for index, target in enumerate(settings.test.same):
        if target.startswith("/") and target not in shared:
            message = f"should be the target of a volume with 'test: same', and none has {target}"
            yield Told(loc=("test", "same", index), message=message)


def _check_watch(settings: Settings) -> Iterator[Told]:
    targets = [PurePosixPath(volume.target) for volume in settings.volumes if volume.type != "tmpfs"]
    for index, path in enumerate(settings.drift.watch):
        if not any(PurePosixPath(path).is_relative_to(target) for target in targets):
            message = (
                f"should be in a volume, and {path} is in none; what is in the container's layer is always looked at"
            )
            yield Told(loc=("drift", "watch", index), message=message)


def _check_keys(keys: ServiceKeys, at: Loc) -> Iterator[Told]:
    taken: dict[str, str] = {}
    for key in ("volumes", "tmpfs"):
        for index, mount in enumerate(getattr(keys, key) or ()):
            place = f"{key}[{index}]"
            if mount.target in taken:
                message = f"should have a target of its own, {mount.target} is that of {taken[mount.target]}"
                yield Told(loc=(*at, key, index), message=message)
            taken.setdefault(mount.target, place)
    for index, port in enumerate(keys.ports):
        if any(collide(port, other) for other in keys.ports[:index]):
            yield Told(loc=(*at, "ports"), message=f"should publish each port once, not {described(port)} twice")
    for name, limit in keys.ulimits.items():
        # -1 is no limit, and so the highest.
        if limit.hard != -1 and (limit.soft == -1 or limit.soft > limit.hard):
            yield Told(loc=(*at, "ulimits", name), message="should have a soft limit that is not above the hard one")
