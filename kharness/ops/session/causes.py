"""Why a container that did not start could not: its program, and the directories that it may not write to."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from kharness.engine.api import Engine
from kharness.errors import KharnessError, LaunchError
from kharness.plan import labels
from kharness.plan.facts import ContainerFacts, ImageFacts
from kharness.plan.image.hardening import Hardening
from kharness.plan.launch.runspec import MountKind, RunSpec
from kharness.plan.launch.users import resolve_user

Taken = Callable[[ImageFacts], Hardening | None]
"""Returns what `/prep` took from an image, None where that is not known."""
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where an engine looks for a program if the image names no PATH."""
SCRIPT = 1 << 20
"""Bytes of the largest file that is looked into for its first line."""
NOT_THERE = ("no such file or directory", "not found", "can't open", "cannot open")
DENIED = ("permission denied", "operation not permitted")
COMMAND = re.compile(r"([\w./+-]+): (?:command )?not found", re.ASCII)
KEEPS = {"sbin": "KEEP_SBIN", "set-uid": "KEEP_SETUID"}
"""Steps of `/prep`, and the list of what each is to keep."""


def causes(engine: Engine, facts: ContainerFacts, spec: RunSpec, said: str, *, taken: Taken) -> tuple[str, ...]:
    """Return what was seen to be wrong; `said` is what container and engine printed.

    What cannot be seen is left out.
    """
    text = said.lower()
    found: list[str] = []
    # Only hints: that they cannot be had must not hide the failure.
    with suppress(KharnessError):
        if any(each in text for each in NOT_THERE):
            found += _of_program(engine, facts, taken)
            found += _of_commands(engine, facts, said, taken)
    with suppress(KharnessError, OSError):
        if any(each in text for each in DENIED):
            found += _about(text, (*_of_tmpfs(engine, facts, spec), *_of_owners(engine, facts, spec)))
    return tuple(found)


def with_causes(engine: Engine, container: str, spec: RunSpec, error: LaunchError, *, taken: Taken) -> LaunchError:
    """Return the error of a start that the engine refused, with what was seen to be wrong."""
    found = None
    with suppress(KharnessError):
        found = engine.container(container)
    more = causes(engine, found, spec, str(error), taken=taken) if found is not None else ()
    return LaunchError("\n".join((str(error), *(f"    hint: {each}" for each in more)))) if more else error


def nothing_taken(_image: ImageFacts) -> Hardening | None:
    """Know of no image what `/prep` took from it."""
    return None


def _about(text: str, found: Sequence[tuple[str, str]]) -> Iterator[str]:
    # Of several places that could have been denied, the messages usually name one.
    named = [each for target, each in found if re.search(rf"(?<![\w./-]){re.escape(target.lower())}(?![\w.-])", text)]
    yield from named or (each for _, each in found)


def _of_program(engine: Engine, facts: ContainerFacts, taken: Taken) -> Iterator[str]:
    program = str(facts.raw.get("Path") or "")
    config = facts.raw.get("Config") or {}
    if not program:
        return
    environment = dict(each.partition("=")[::2] for each in config.get("Env") or ())
    if "/" in program:
        places = [posixpath.join(config.get("WorkingDir") or "/", program)]
    else:
        places = [posixpath.join(place, program) for place in environment.get("PATH", PATH).split(":") if place]
    there = next((place for place in places if engine.stat(facts.id, place) is not None), None)
    if there is None:
        yield _gone(program, places, _taken_of(engine, facts, taken))
        return
    yield from _of_script(engine, facts, there, taken)


def _of_commands(engine: Engine, facts: ContainerFacts, said: str, taken: Taken) -> Iterator[str]:
    # A shell was started, and names what it did not find.
    hardening = _taken_of(engine, facts, taken)
    for name in dict.fromkeys(COMMAND.findall(said)):
        if hardening is not None and (taken_away := _by_name(hardening, name)):
            yield taken_away


def _of_script(engine: Engine, facts: ContainerFacts, path: str, taken: Taken) -> Iterator[str]:
    found = engine.stat(facts.id, path)
    if found is None or not stat.S_ISREG(found.mode) or found.size > SCRIPT:
        return
    first = engine.read_file(facts.id, path).partition(b"\n")[0]
    if not first.startswith(b"#!"):
        return
    words = first[2:].decode(errors="replace").split()
    if first.endswith(b"\r"):
        yield (
            f"{path} has lines that end with CR and LF, as on Windows, so that the kernel looks for an interpreter "
            f"'{words[0] if words else ''}\\r': save it with LF alone (sed -i 's/\\r$//')"
        )
    elif words and engine.stat(facts.id, words[0]) is None:
        yield f"{path} begins with #!{words[0]}: {_gone(words[0], words[:1], _taken_of(engine, facts, taken))}"


def _by_name(hardening: Hardening, name: str) -> str:
    base = posixpath.basename(name)
    paths = [path for deed in hardening.done for path in deed.names if posixpath.basename(path) == base]
    said = _gone(name, paths, hardening) if base else ""
    return said if said.startswith("/prep") else ""


def _gone(program: str, places: list[str], hardening: Hardening | None) -> str:
    for deed in hardening.done if hardening else ():
        for name in deed.names:
            if deed.what == "removed" and (name in places or (name.endswith("/") and program.startswith(name))):
                keep = KEEPS.get(deed.step)
                how = (
                    f'a line {keep}="${keep} {_kept(deed.step, name)}" in files/prep-local keeps it'
                    if keep
                    else f"PREP_{deed.step.upper().replace('-', '_')}=0 before /prep leaves that step out"
                )
                return f"/prep took {name} out of the image (step {deed.step}): {how}"
    where = "in none of PATH's directories" if "/" not in program else "not there"
    return f"the image has no {program}: it is {where}"


def _kept(step: str, path: str) -> str:
    return posixpath.basename(path) if step == "sbin" else path


def _taken_of(engine: Engine, facts: ContainerFacts, taken: Taken) -> Hardening | None:
    image = engine.image(facts.image_id)
    return taken(image) if image is not None else None


def _of_tmpfs(engine: Engine, facts: ContainerFacts, spec: RunSpec) -> Iterator[tuple[str, str]]:
    for mount in spec.mounts:
        if mount.kind is not MountKind.TMPFS or mount.mode is None:
            continue
        below = engine.stat(facts.id, mount.target)
        if below is None or not stat.S_ISDIR(below.mode) or stat.S_IMODE(below.mode) == mount.mode:
            continue
        mode = stat.S_IMODE(below.mode)
        text = (
            f"{mount.target} should have mode {mount.mode:o}, and has the image's, {mode:o}, where runc is older than "
            f"1.2: 'RUN chmod {mount.mode:o} {mount.target}' in the Dockerfile gives the image that one"
        )
        yield mount.target, text


def _of_owners(engine: Engine, facts: ContainerFacts, spec: RunSpec) -> Iterator[tuple[str, str]]:
    about = engine.facts()
    if not about.local or about.userns or about.rootless:
        return
    image = engine.image(facts.image_id)
    user = spec.user if spec.user is not None else (image.user if image else "")
    passwd, group = (_read(engine, facts.id, path) for path in ("/etc/passwd", "/etc/group"))
    ids = resolve_user(user, passwd=passwd, group=group)
    if ids is None:
        return
    test = spec.labels.get(labels.ROLE) == labels.ROLE_TEST
    for mount in spec.mounts:
        if mount.kind is not MountKind.BIND or mount.read_only or mount.source is None:
            continue
        found = os.stat(mount.source)  # noqa: PTH116 - beside the others
        if not stat.S_ISDIR(found.st_mode) or _may_write(found, ids):
            continue
        text = (
            f"{mount.target} belongs to {found.st_uid}:{found.st_gid} on this host, and the container's user is "
            f"{ids[0]}:{ids[1]}, who may not write to it: {_mend(mount.source, found, ids, test=test)}"
        )
        yield mount.target, text


def _mend(source: str, found: os.stat_result, ids: tuple[int, int], *, test: bool) -> str:
    own = f"user: '{found.st_uid}:{found.st_gid}' lets it run as the owner"
    if not test:
        return f"sudo chown {ids[0]}:{ids[1]} {source}, or {own}"
    return f"only root can give directories away, so run the tests as root, or {own}" if os.geteuid() else own


def _may_write(found: os.stat_result, ids: tuple[int, int]) -> bool:
    # Root of a container without capabilities is as any other user.
    needed = stat.S_IWOTH
    if found.st_uid == ids[0]:
        needed = stat.S_IWUSR
    elif found.st_gid == ids[1]:
        needed = stat.S_IWGRP
    return bool(found.st_mode & needed)


def _read(engine: Engine, container: str, path: str) -> str:
    try:
        return engine.read_file(container, path).decode(errors="replace")
    except KharnessError:
        return ""
