"""Checks of an image's files: as a container sees them, and as each layer still holds them."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kharness.plan.checks.check import CIS, check
from kharness.plan.trees import matches
from kharness.settings.policy import Policy

MANAGERS = frozenset(
    {"apk", "apt", "apt-get", "aptitude", "dpkg", "dnf", "microdnf", "yum", "rpm", "zypper", "pacman", "opkg", "ipkg"}
)
PROGRAMS = frozenset({"/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"})
PASSWD = "/etc/passwd"  # noqa: S105 - a file of accounts, no password
OPEN = frozenset({"/tmp", "/var/tmp", "/run", "/var/run", "/run/lock", "/var/lock", "/dev/shm"})  # noqa: S108
"""Directories that all users may write to by convention (Filesystem Hierarchy Standard 3.0), if they are sticky."""
REPLACED = ("/dev", "/proc", "/sys")
"""Directories that the engine mounts over."""


@dataclass(frozen=True, slots=True)
class LayerEntry:
    """A file of a layer: its path from the root, its type and mode as in stat(2).

    `capable`: it has capabilities of its own (setcap(8)), which every process that runs it gets.
    """

    path: str
    mode: int
    capable: bool = False


@dataclass(frozen=True, slots=True)
class LeakedSecret:
    """A secret in a file of an image: its kind, and the file's path."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageLayer:
    """A layer: its entries, the paths that it removes, the secrets in its files, its passwd if it has one.

    Of a directory in `emptied`, nothing that lower layers put there is left.
    """

    entries: tuple[LayerEntry, ...] = ()
    removed: tuple[str, ...] = ()
    emptied: tuple[str, ...] = ()
    secrets: tuple[LeakedSecret, ...] = ()
    passwd: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What checks need of an image's files. `lost` are secrets whose file a later layer removes or replaces.

    `files` counts all entries that are left: an unreadable image has none. `passwd` is None where it is no plain file.
    """

    files: int
    set_uid: tuple[str, ...] = ()
    world_writable: tuple[str, ...] = ()
    managers: tuple[str, ...] = ()
    secrets: tuple[LeakedSecret, ...] = ()
    lost: tuple[LeakedSecret, ...] = ()
    passwd: str | None = ""


def content_of(layers: Sequence[ImageLayer]) -> Content:
    """Lay the layers over each other."""
    left: dict[str, tuple[int, LayerEntry]] = {}
    for number, layer in enumerate(layers):
        for path in layer.removed:
            left.pop(path, None)
        # A file in place of a directory hides what was below it. Most replaced entries are files: skip those.
        over = (entry.path for entry in layer.entries if not stat.S_ISDIR(entry.mode))
        hollow = frozenset((*layer.removed, *layer.emptied, *(path for path in over if _is_directory(left, path))))
        if hollow:
            left = {path: found for path, found in left.items() if not _below(path, hollow)}
        left.update((entry.path, (number, entry)) for entry in layer.entries)
    entries = [entry for _, entry in left.values()]
    kept: list[LeakedSecret] = []
    lost: list[LeakedSecret] = []
    for number, layer in enumerate(layers):
        for secret in layer.secrets:
            (kept if left.get(secret.path, (None,))[0] == number else lost).append(secret)
    return Content(
        files=len(left),
        set_uid=_paths(entry for entry in entries if entry.capable or _runs_as_another(entry.mode)),
        world_writable=_paths(entry for entry in entries if _is_everybodys(entry)),
        managers=_paths(entry for entry in entries if _is_manager(entry)),
        secrets=tuple(dict.fromkeys(kept)),
        lost=tuple(dict.fromkeys(lost)),
        passwd=_passwd(layers, left),
    )


def administrators(passwd: str) -> tuple[str, ...]:
    """Return the accounts with uid 0 of a passwd(5) file."""
    lines = (line.split(":") for line in passwd.splitlines())
    return tuple(fields[0] for fields in lines if len(fields) > 2 and fields[2].strip("0") == "" and fields[2])  # noqa: PLR2004 - the columns up to the uid


def _passwd(layers: Sequence[ImageLayer], left: Mapping[str, tuple[int, LayerEntry]]) -> str | None:
    number = left.get(PASSWD, (None,))[0]
    return "" if number is None else layers[number].passwd


def _is_directory(left: Mapping[str, tuple[int, LayerEntry]], path: str) -> bool:
    found = left.get(path)
    return found is not None and stat.S_ISDIR(found[1].mode)


def _below(path: str, above: frozenset[str]) -> bool:
    while path != "/":
        path = posixpath.dirname(path)
        if path in above:
            return True
    return False


def _runs_as_another(mode: int) -> bool:
    return stat.S_ISREG(mode) and bool(mode & (stat.S_ISUID | stat.S_ISGID))


def _is_everybodys(entry: LayerEntry) -> bool:
    if not (stat.S_ISREG(entry.mode) or stat.S_ISDIR(entry.mode)) or not entry.mode & stat.S_IWOTH:
        return False
    if entry.path in REPLACED or entry.path.startswith(tuple(f"{path}/" for path in REPLACED)):
        return False
    sticky = stat.S_ISDIR(entry.mode) and bool(entry.mode & stat.S_ISVTX)
    return not (sticky and entry.path in OPEN)


def _is_manager(entry: LayerEntry) -> bool:
    # busybox has links by some of these names, and little behind them.
    directory, name = posixpath.split(entry.path)
    return stat.S_ISREG(entry.mode) and name in MANAGERS and directory in PROGRAMS


def _paths(entries: Iterable[LayerEntry]) -> tuple[str, ...]:
    return tuple(sorted(entry.path for entry in entries))


@check(
    "KH301",
    "has no root account",
    Content,
    reason="Without an account of uid 0, neither su nor a login can make a user root.",
    mend="RUN /prep as the last step, before USER",
    source=CIS + "4.1 and 4.3",
)
def root_account(content: Content, _policy: Policy) -> Iterator[str]:
    if content.passwd is None:
        yield f"{PASSWD} is not a plain file, so its accounts cannot be checked"
    for name in administrators(content.passwd or ""):
        yield f"{PASSWD} has {name} with uid 0"


@check(
    "KH303",
    "has no undeclared set-uid file",
    Content,
    reason=(
        "An intruder becomes root through a program that runs as its owner; most images have a dozen that no service "
        "uses."
    ),
    mend="RUN /prep, or chmod u-s; declare those that are needed: policy: {allow: {set_uid: [...]}}",
    source=CIS + "4.8",
)
def set_uid(content: Content, policy: Policy) -> Iterator[str]:
    yield from (path for path in content.set_uid if path not in policy.allow.set_uid)


@check(
    "KH304",
    "has no undeclared world-writable file",
    Content,
    reason="An intruder can change it, or leave a program there for others to run, as any user.",
    mend="RUN /prep, or chmod o-w; declare those that are needed: policy: {allow: {world_writable: [...]}}",
    source=CIS + "4.3",
)
def world_writable(content: Content, policy: Policy) -> Iterator[str]:
    yield from (path for path in content.world_writable if path not in policy.allow.world_writable)


@check(
    "KH305",
    "has no package manager",
    Content,
    reason="With a package manager an intruder can install every tool; a service that is rebuilt needs none.",
    mend="RUN /prep as the last step",
    source=CIS + "4.3",
)
def package_manager(content: Content, _policy: Policy) -> Iterator[str]:
    yield from content.managers


@check(
    "KH307",
    "has no secret in any of its layers",
    Content,
    reason=("Everyone who has the image can read each of its layers, and so also a file that a later step removes."),
    mend=(
        "use secrets: in settings.yaml, and change the value: it is known; declare an example: policy: "
        "{allow: {secrets: [...]}}"
    ),
    source=CIS + "4.10",
    baseline=True,
)
def secret_in_layers(content: Content, policy: Policy) -> Iterator[str]:
    for secret in content.secrets:
        if not _is_allowed(secret.path, policy):
            yield f"{secret.path} has {secret.kind}"
    for secret in content.lost:
        if not _is_allowed(secret.path, policy):
            yield f"{secret.path} has {secret.kind}; a later layer removes or replaces it, and it is still in the image"


def _is_allowed(path: str, policy: Policy) -> bool:
    return any(matches(pattern, path) for pattern in policy.allow.secrets)
