"""Builds, decided without an engine: what a Dockerfile builds on, in which order, and what a build does.

`plan_build` decides of what is there now; a dry run prints the same plan that a build carries out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from graphlib import CycleError, TopologicalSorter
from math import inf

from kharness.errors import UsageError
from kharness.plan import labels
from kharness.plan.facts import ImageFacts, short_id
from kharness.plan.image.tags import Tags
from kharness.plan.text import moment

ROOT_ARG = "KHARNESS_BASE"
"""A Dockerfile with `FROM ${KHARNESS_BASE}` builds on the root image of this host."""

_CONTINUED = re.compile(r"\\[ \t]*\n")
_FROM = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?\s*$", re.IGNORECASE)
_COPY_FROM = re.compile(r"^\s*(?:COPY|ADD)\s.*?--from=(\S+)", re.IGNORECASE)
_MOUNT_FROM = re.compile(r"(?<=[ \t,=])--mount=(?:[^\s,]+,)*?from=([^\s,]+)", re.IGNORECASE)
_NEEDS_BUILDKIT = re.compile(
    r"^\s*(?:RUN\s+(?:--\S+\s+)*--(?:mount|network|security)="
    r"|(?:COPY|ADD)\s+(?:--\S+\s+)*--(?:chmod|link|parents|exclude)\b"
    r"|(?:RUN|COPY|ADD)\s(?:[^#\n]*\s)?<<-?['\"]?[A-Za-z_]"
    r"|ARG\s+(?:TARGET|BUILD)(?:PLATFORM|OS|OSVERSION|ARCH|VARIANT)\b"
    r"|FROM\s+--platform=\$)",
    re.IGNORECASE | re.MULTILINE,
)
_HEREDOC = re.compile(r"^\s*(?:RUN|COPY|ADD)\s(?:[^#\n]*\s)?<<-?['\"]?[A-Za-z_]", re.IGNORECASE | re.MULTILINE)
_SYNTAX = re.compile(r"^\s*#\s*syntax\s*=", re.IGNORECASE)
CONTEXT_REPOSITORY = "kharness-context"
"""Images that are made of a folder for the time of a build, because its Dockerfile has a name for it."""
_ARG = re.compile(r"^\s*ARG\s+(\w+)(?:=(\S+))?", re.IGNORECASE)
_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")


def base_images(dockerfile: str, *, args: Mapping[str, str]) -> tuple[str, ...]:
    """Return the image references that a Dockerfile builds on or copies from, without its own stages.

    `args` are the build arguments; a variable that has no value stays as it is written.
    """
    values: dict[str, str] = {}
    stages: set[str] = set()
    found: list[str] = []
    # A comment in the middle of an instruction is no part of it.
    told = "\n".join(line for line in dockerfile.splitlines() if not line.lstrip().startswith("#"))
    for line in _CONTINUED.sub(" ", told).splitlines():
        if (arg := _ARG.match(line)) and not found:
            name, default = arg.groups()
            values[name] = args.get(name, (default or "").strip("'\""))
        elif started := _FROM.match(line):
            # A stage has a name for what comes after it: `FROM alpine AS alpine` is built on an image.
            found += [] if (ref := _expand(started[1], values)).lower() in stages else [ref]
            if started[2]:
                stages.add(started[2].lower())
        elif copied := _COPY_FROM.match(line):
            found += [] if (ref := _expand(copied[1], values)).lower() in stages else [ref]
        else:
            mounted = (_expand(match[1], values) for match in _MOUNT_FROM.finditer(line))
            found += [ref for ref in mounted if ref.lower() not in stages]
    return tuple(ref for ref in dict.fromkeys(found) if ref != "scratch" and not ref.isdigit())


def wants_root(dockerfile: str) -> bool:
    """Whether the Dockerfile builds on this host's root image."""
    return any((arg := _ARG.match(line)) is not None and arg[1] == ROOT_ARG for line in dockerfile.splitlines())


def needs_buildkit(dockerfile: str) -> bool:
    """Whether the classic builder would refuse the Dockerfile, or build another image of it."""
    return _NEEDS_BUILDKIT.search(_CONTINUED.sub(" ", dockerfile)) is not None


def needs_newer_frontend(dockerfile: str) -> bool:
    """Whether Engine 20.10 refuses the Dockerfile: it has heredocs, and names no newer frontend in its first line."""
    return _HEREDOC.search(dockerfile) is not None and _SYNTAX.match(dockerfile) is None


def local_base(ref: str, *, repository: str, names: Iterable[str], prefix: str = "") -> str | None:
    """Return the container directory that `REPOSITORY/NAME:live` means, or None.

    `prefix` is what comes before the names of a project's services in their images'.
    """
    place, _, rest = ref.rpartition("/")
    image, _, tag = rest.partition(":")
    if place != repository or tag not in {"live", ""} or not image.startswith(prefix):
        return None
    name = image.removeprefix(prefix)
    return name if name in set(names) else None


def rewrite_contexts(dockerfile: str, contexts: Mapping[str, str]) -> str:
    """Make `FROM`, `--from` and `--mount=from` name images instead of contexts; a name holds without its `:latest`."""
    if not contexts:
        return dockerfile
    named = {name.removesuffix(":latest").lower(): ref for name, ref in contexts.items()}

    def line(text: str) -> str:
        found = [each for each in (_FROM.match(text), _COPY_FROM.match(text)) if each]
        for match in reversed([*found, *_MOUNT_FROM.finditer(text)]):
            ref = named.get(match[1].strip("'\"").removesuffix(":latest").lower())
            if ref is not None:
                text = text[: match.start(1)] + ref + text[match.end(1) :]
        return text

    return "".join(line(text) for text in dockerfile.splitlines(keepends=True))


def build_order(edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Order names so that bases come before what is built on them; `UsageError` names a cycle."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for name in sorted(edges):
        sorter.add(name, *sorted(edges[name]))
    try:
        return tuple(sorter.static_order())
    except CycleError as error:
        circle = " -> ".join(error.args[1])
        raise UsageError(f"these images are built on each other in a circle: {circle}") from error


def _expand(text: str, values: Mapping[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1] or match[3]
        return values.get(name) or match[2] or match[0]

    return _VARIABLE.sub(value, text).strip("'\"")


def rewrite_bases(dockerfile: str, moved: Mapping[str, str], *, args: Mapping[str, str]) -> str:
    """Make `FROM` and `COPY --from` name other references; `moved` maps the old to the new ones."""
    if not moved:
        return dockerfile
    values = {
        arg[1]: args.get(arg[1], (arg[2] or "").strip("'\"")) for arg in map(_ARG.match, dockerfile.splitlines()) if arg
    }

    def line(text: str) -> str:
        found = [each for each in (_FROM.match(text) or _COPY_FROM.match(text),) if each]
        for match in reversed([*found, *_MOUNT_FROM.finditer(text)]):
            ref = moved.get(_expand(match[1], values))
            if ref is not None:
                text = text[: match.start(1)] + ref + text[match.end(1) :]
        return text

    return "".join(line(text) for text in dockerfile.splitlines(keepends=True))


class BaseKind(StrEnum):
    """Where an image that a Dockerfile names comes from."""

    CANDIDATE = "candidate"
    """A container directory's, built in this session and not live yet."""
    LIVE = "live"
    """A container directory's, as it is live."""
    OWN = "own"
    """Of our own repository: it is made here, and no registry is asked for it."""
    ROOT = "root"
    """The root image of this host, which a rebuild does not renew."""
    CONTEXT = "context"
    """A folder, of which an image is made for the time of the build."""
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildBase:
    """An image that a Dockerfile builds on or copies from.

    `ref` is as in the Dockerfile, `tag` the reference on the engine that is meant, `directory` the container
    directory that it is the image of, if any.
    """

    ref: str
    kind: BaseKind
    tag: str
    directory: str = ""


def bases_in(
    dockerfile: str,
    *,
    args: Mapping[str, str],
    repository: str,
    names: Iterable[str],
    candidates: Iterable[str],
    prefix: str = "",
) -> tuple[BuildBase, ...]:
    """Return what a Dockerfile builds on. `names` are all container directories, `candidates` those of this session.

    `prefix` is as for `local_base`.
    """
    known, new = frozenset(names), frozenset(candidates)

    def base(ref: str) -> BuildBase:
        if ref.startswith(f"{CONTEXT_REPOSITORY}/"):
            return BuildBase(ref=ref, kind=BaseKind.CONTEXT, tag=ref)
        name = local_base(ref, repository=repository, names=known, prefix=prefix)
        if name in new and name is not None:
            return BuildBase(
                ref=ref, kind=BaseKind.CANDIDATE, tag=Tags(repository, prefix + name).latest, directory=name
            )
        if name is not None:
            # Without a tag `:live` is meant, and an engine would take what was built last.
            return BuildBase(ref=ref, kind=BaseKind.LIVE, tag=Tags(repository, prefix + name).live, directory=name)
        if ref.startswith(f"{repository}/"):
            return BuildBase(ref=ref, kind=BaseKind.OWN, tag=ref)
        return BuildBase(ref=ref, kind=BaseKind.ROOT if ref == args.get(ROOT_ARG) else BaseKind.FOREIGN, tag=ref)

    return tuple(map(base, base_images(dockerfile, args=args)))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
    """What is known before a build of the directory `name`.

    `pulls` is the image that the settings name in place of a build, `renews` says that it, or the base images of a
    build, are asked of the registry though they are there. `args` are a build's arguments. `images` are on the engine,
    by reference; `missing` are the URLs that are not downloaded yet; `root` says that the root image is there, or not
    needed. Once all that goes into the image was read, `digest` stands for it, and `recorded` are the ids of the images
    that were built of it. `now` is in seconds since the epoch, `max_age` in seconds.
    """

    name: str
    tags: Tags
    images: Mapping[str, ImageFacts | None]
    rebuild: bool = False
    pulls: str | None = None
    renews: bool = False
    args: Mapping[str, str] = field(default_factory=dict)
    bases: tuple[BuildBase, ...] = ()
    root: bool = True
    missing: tuple[str, ...] = ()
    digest: str = ""
    recorded: frozenset[str] = frozenset()
    max_age: float | None = None
    now: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """What a build does: fetch what is missing, then build, unless there is an image that is kept.

    `pulls` are references, pulled also where the engine has one to renew. `kept` becomes `:latest` if it is `tagged`.
    `first` has what must be fetched before the build, as parts of a sentence in the past.
    """

    pulls: tuple[str, ...] = ()
    root: bool = False
    downloads: tuple[str, ...] = ()
    builds: bool = False
    rebuild: bool = False
    kept: ImageFacts | None = None
    tagged: bool = False
    first: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether everything that goes into the image is there, to be read without changing anything."""
        return not self.first

    def __str__(self) -> str:
        """Return what would be done, as the end of a sentence."""
        if self.kept is not None:
            return f"{short_id(self.kept.id)} {'would be tagged' if self.tagged else 'is unchanged'}"
        if not self.builds:
            return f"{' and '.join(self.pulls)} would be pulled"
        if self.rebuild:
            return "would be built again without the cache, on base images that are pulled again"
        return f"would be built, after {' and '.join(self.first)}" if self.first else "would be built"


def plan_build(facts: BuildFacts) -> BuildPlan:
    """Decide what a build does; without a `digest` it builds, because nothing is known to be unchanged.

    Raises `UsageError` where a base image has to be there, and is not.
    """
    if facts.pulls is not None:
        found = facts.images.get(facts.pulls)
        if found is None or facts.rebuild or facts.renews:
            return BuildPlan(pulls=(facts.pulls,))
        return _keep(found, facts.tags)
    for base in facts.bases:
        _refuse_missing(base, facts)
    kept = None if facts.rebuild else _unchanged(facts)
    if kept is not None:
        return _keep(kept, facts.tags)
    absent = tuple(base.ref for base in facts.bases if _is_pulled(base, facts))
    first = (
        *(() if facts.root else ("its root image was made or pulled",)),
        *(f"{ref} was pulled" for ref in absent if facts.images.get(ref) is None),
        *(f"{url} was downloaded" for url in facts.missing),
    )
    return BuildPlan(
        pulls=absent,
        root=not facts.root,
        downloads=facts.missing,
        builds=True,
        rebuild=facts.rebuild,
        first=first,
    )


def _keep(image: ImageFacts, tags: Tags) -> BuildPlan:
    # The engine waits for its disk at each tag, also at one that is there already.
    return BuildPlan(kept=image, tagged=tags.latest not in image.tags)


def _refuse_missing(base: BuildBase, facts: BuildFacts) -> None:
    if base.kind in {BaseKind.CANDIDATE, BaseKind.CONTEXT} or facts.images.get(base.tag) is not None:
        return
    if base.kind is BaseKind.LIVE:
        raise UsageError(f"{facts.name}: its base {base.tag} does not exist yet; promote {base.directory} first")
    if base.kind is BaseKind.OWN:
        why = f"is not on the engine, and images of {facts.tags.repository} are made here"
        raise UsageError(f"{facts.name}: its base {base.ref} {why}")


def _is_pulled(base: BuildBase, facts: BuildFacts) -> bool:
    if base.kind not in {BaseKind.ROOT, BaseKind.FOREIGN}:
        return False
    # The root image was made or pulled under a reference that no registry must answer for.
    renews = facts.rebuild or facts.renews
    return facts.images.get(base.ref) is None or (renews and base.kind is BaseKind.FOREIGN)


def _unchanged(facts: BuildFacts) -> ImageFacts | None:
    """Return the image that was built of exactly this, and is recent enough; None where there is none."""
    for ref in (facts.tags.latest, facts.tags.live):
        image = facts.images.get(ref)
        # A commit of a container, and an image built on this one, carry its labels: the ledger knows what we built.
        if image is None or not facts.digest or image.id not in facts.recorded:
            continue
        if image.labels.get(labels.DIGEST) != facts.digest:
            continue
        if facts.max_age is None or _age(image, facts.now) <= facts.max_age:
            return image
    return None


def _age(image: ImageFacts, now: float) -> float:
    created = moment(image.created)
    # An image without a date is older than any limit.
    return inf if created is None else now - created.timestamp()
