"""Build a container directory's image, or pull the one it names, unless nothing has changed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from kharness.engine.api import BuildRequest
from kharness.errors import ConflictError, HostError, ImageMissingError, KharnessError, UsageError
from kharness.host.base import Family, ensure_base
from kharness.host.context import ContextEntry, content_digest, plan_context, stream
from kharness.host.download import fetch
from kharness.host.locks import lock
from kharness.ops.hardening import keep_report, overhear
from kharness.ops.harness import Harness
from kharness.ops.secrets import refuse_secrets_in_image
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.order import ROOT_ARG, base_images, local_base, rewrite_bases, wants_root
from kharness.plan.times import moment
from kharness.settings.build import Build
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

ROOT_FACT = "base"
LOCK_TIMEOUT = 1800.0
"""Seconds to wait for another session that builds the same image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The image of a directory. `digest` stands for everything it was made from; `fresh` says it was made just now."""

    name: str
    image: ImageFacts
    digest: str
    fresh: bool
    built: bool = True
    bases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image would be built from now."""

    entries: tuple[ContextEntry, ...]
    args: Mapping[str, str]
    digest: str
    bases: Mapping[str, str]


def bases_of(harness: Harness, directory: ContainerDir, settings: Settings) -> frozenset[str]:
    """Return the container directories whose `:live` image this one is built on."""
    if settings.image is not None:
        return frozenset()
    text = read_dockerfile(directory)
    args = settings.build.args if settings.build else {}
    names = [other.name for other in harness.catalog.directories if other.name != directory.name]
    found = (local_base(ref, repository=harness.host.repository, names=names) for ref in base_images(text, args=args))
    return frozenset(name for name in found if name)


def is_base(harness: Harness, name: str, fleet: Mapping[str, Settings]) -> bool:
    """Whether a directory is only built on, and never launched: nothing starts it with the host, and others need it.

    `fleet` has its settings, and those of others as far as they are known.
    """
    if fleet[name].autostart is not None:
        return False
    for directory in harness.catalog.directories:
        try:
            if name in bases_of(harness, directory, fleet.get(directory.name, fleet[name])):
                return True
        except KharnessError:
            continue
    return False


def build(
    harness: Harness,
    directory: ContainerDir,
    settings: Settings,
    *,
    rebuild: bool = False,
    candidates: Mapping[str, str] | None = None,
) -> Built:
    """Make `:latest` of the directory and return it; an unchanged image is not built again.

    `candidates` maps base directories built in this session to their image ids: they are built on instead of `:live`.
    Raises `BuildError`, `ImageMissingError`, `HostError`.
    """
    if settings.image is not None:
        return _pull(harness, directory, settings.image, pull=rebuild)
    with lock(harness.locks, f"build-{directory.name}", timeout=LOCK_TIMEOUT):
        recipe = plan_recipe(harness, directory, settings, candidates=candidates or {}, pull=rebuild)
        tags = harness.tags(directory.name)
        if not rebuild and (found := unchanged(harness, directory.name, settings.build, recipe.digest)):
            harness.report(directory.name, "unchanged, not built again")
            _tag(harness, found, tags.latest)
            return Built(name=directory.name, image=found, digest=recipe.digest, fresh=False, bases=recipe.bases)
        began = time.monotonic()
        harness.report(directory.name, "building")
        report: list[str] = []
        image = harness.engine.build(
            stream(recipe.entries),
            BuildRequest(
                tag=tags.latest,
                args=recipe.args,
                labels={
                    labels.NAME: directory.name,
                    labels.DIGEST: recipe.digest,
                    labels.BASE: ",".join(recipe.bases.values()),
                },
                target=settings.build.target if settings.build else None,
                no_cache=rebuild,
            ),
            progress=overhear(report, harness.details(directory.name)),
        )
        keep_report(harness, directory.name, image, report)
        _refuse_moved_bases(harness, directory.name, candidates or {})
        harness.report(directory.name, f"built in {time.monotonic() - began:.1f} s")
        harness.state.record_build(
            name=directory.name,
            image_id=image.id,
            digest=recipe.digest,
            base=",".join(recipe.bases.values()),
            at=time.time(),
        )
        return Built(name=directory.name, image=image, digest=recipe.digest, fresh=True, bases=recipe.bases)


def plan_recipe(
    harness: Harness,
    directory: ContainerDir,
    settings: Settings,
    *,
    candidates: Mapping[str, str],
    pull: bool = False,
) -> Recipe:
    """Read everything that goes into the image; nothing is built.

    Raises `UsageError` where a base has no `:live` image and is not built in this session.
    """
    said = settings.build or Build()
    text = read_dockerfile(directory)
    args = dict(said.args)
    if wants_root(text) and ROOT_ARG not in args:
        args[ROOT_ARG] = _root_image(harness, directory)
    bases: dict[str, str] = {}
    moved: dict[str, str] = {}
    names = [other.name for other in harness.catalog.directories]
    for ref in base_images(text, args=args):
        name = local_base(ref, repository=harness.host.repository, names=names)
        if name is None:
            # The root image was made or pulled just now, under a reference that no registry must answer for.
            renewed = pull and ref != args.get(ROOT_ARG)
            bases[ref] = _base_image(harness, directory.name, ref, pull=renewed).id
        elif name in candidates:
            moved[ref] = harness.tags(name).latest
            bases[ref] = candidates[name]
        else:
            # Without a tag `:live` is meant, and an engine would take what was built last.
            moved[ref] = harness.tags(name).live
            bases[ref] = _live_image(harness, directory.name, name).id
    entries = plan_context(
        directory.path,
        copies=[(copy_source(harness, directory, item.source), item.target) for item in said.copy_],
        downloads=[
            (
                fetch(
                    item.url,
                    item.sha256,
                    cache=harness.host.state_dir / "downloads",
                    progress=harness.details(directory.name),
                ),
                item.target,
                item.mode,
            )
            for item in said.download
        ],
        dockerfile=rewrite_bases(text, moved, args=args).encode(),
    )
    refuse_secrets_in_image(directory, settings, entries)
    extra = {f"arg {key}": value for key, value in args.items()}
    extra |= {f"base {ref}": image for ref, image in bases.items()}
    extra["target"] = said.target or ""
    # The rewritten line must not make a candidate's child differ from a child of the same base once it is live.
    plain = [ContextEntry("Dockerfile", None, 0o644, "file", content=text.encode())]
    digest = content_digest([*plain, *(entry for entry in entries if entry.arcname != "Dockerfile")], extra)
    return Recipe(entries=entries, args=args, digest=digest, bases=bases)


def copy_source(harness: Harness, directory: ContainerDir, source: str) -> Path:
    """Return what `build.copy` means: a path of the project, or of the folder above the source path."""
    root = harness.project or directory.source_path.parent
    for base in (root, directory.source_path.parent, directory.path):
        if (base / source).exists():
            return base / source
    raise HostError(f"{directory.settings_file}: build.copy: should name something below {root}, not {source!r}")


def read_dockerfile(directory: ContainerDir) -> str:
    """Return its text; raises `HostError`."""
    path = directory.path / "Dockerfile"
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HostError(f"{path}: cannot be read: {error}") from error


def _root_image(harness: Harness, directory: ContainerDir) -> str:
    known = harness.state.fact(ROOT_FACT)
    chosen: Family | None = harness.host.base or ("alpine" if known == "alpine" else "debian" if known else None)
    base = ensure_base(
        harness.engine,
        family=chosen,
        progress=lambda line: harness.report(directory.name, line),
        lock=directory.path / "base.lock",
    )
    if chosen is None:
        # Once chosen it never flips by itself, whatever registry answers tomorrow.
        harness.state.set_fact(ROOT_FACT, base.family)
        harness.report(
            directory.name, f"built on {base.ref} from now on; 'base' in the host's configuration changes that"
        )
    return base.ref


def _live_image(harness: Harness, who: str, name: str) -> ImageFacts:
    ref = harness.tags(name).live
    found = harness.engine.image(ref)
    if found is None:
        raise UsageError(f"{who}: its base {ref} does not exist yet; promote {name} first")
    return found


def _base_image(harness: Harness, who: str, ref: str, *, pull: bool) -> ImageFacts:
    if not ref.startswith(f"{harness.host.repository}/"):
        return _image(harness, who, ref, pull=pull)
    found = harness.engine.image(ref)
    if found is None:
        raise UsageError(
            f"{who}: its base {ref} is not on the engine, and images of {harness.host.repository} are made here"
        )
    return found


def _image(harness: Harness, who: str, ref: str, *, pull: bool) -> ImageFacts:
    found = harness.engine.image(ref)
    if found is not None and not pull:
        return found
    try:
        return harness.engine.pull(ref, progress=harness.details(who))
    except ImageMissingError:
        if found is None:
            raise
        harness.report(who, f"{ref} cannot be pulled; the one on the engine is used")
        return found


def unchanged(harness: Harness, name: str, said: Build | None, digest: str) -> ImageFacts | None:
    """Return the image that was built of exactly this, and is young enough; None where there is none."""
    tags = harness.tags(name)
    # A commit of a container, and an image built on this one, carry its labels: the ledger knows what we built.
    ours = {build.image_id for build in harness.state.builds(name) if build.digest == digest}
    for ref in (tags.latest, tags.live):
        image = harness.engine.image(ref)
        if image is None or image.id not in ours or image.labels.get(labels.DIGEST) != digest:
            continue
        if said is None or said.max_age is None or _age(image) <= said.max_age:
            return image
    return None


def _age(image: ImageFacts) -> float:
    created = moment(image.created)
    # What does not say when it was made is older than anything may be.
    return inf if created is None else time.time() - created.timestamp()


def _pull(harness: Harness, directory: ContainerDir, ref: str, *, pull: bool) -> Built:
    before = harness.engine.image(ref)
    image = _image(harness, directory.name, ref, pull=pull) if pull or before is None else before
    _tag(harness, image, harness.tags(directory.name).latest)
    fresh = before is None or before.id != image.id
    return Built(name=directory.name, image=image, digest=image.id, fresh=fresh, built=False)


def _tag(harness: Harness, image: ImageFacts, ref: str) -> None:
    # The engine waits for its disk at each tag, also at one that is there already.
    if ref not in image.tags:
        harness.engine.tag(image.id, ref)


def _refuse_moved_bases(harness: Harness, who: str, candidates: Mapping[str, str]) -> None:
    for name, image in candidates.items():
        latest = harness.engine.image(harness.tags(name).latest)
        if latest is None or latest.id != image:
            # Its label says what it should have been built on: nobody must take it for that.
            harness.engine.untag(harness.tags(who).latest)
            raise ConflictError(f"{who}: its base {name} was built anew by somebody else meanwhile; run again")
