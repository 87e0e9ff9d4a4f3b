"""Build a container directory's image, or pull the one it names, unless nothing has changed.

`plan_build` decides: first of what is there, then again when everything that goes into the image was fetched and read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from kharness.engine.api import BuildRequest
from kharness.errors import BuildError, ConflictError, HostError, ImageMissingError, KharnessError
from kharness.host.image.base import Family, base_refs, ensure_base, host_suite
from kharness.host.image.context import ContextEntry, content_digest, plan_context, stream
from kharness.host.image.download import fetch, is_cached
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.image.hardening import keep_report, overhear
from kharness.ops.launch.secrets import refuse_secrets_in_image
from kharness.ops.project.identity import refuse_shared_images
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.image.build import (
    ROOT_ARG,
    BaseKind,
    BuildBase,
    BuildFacts,
    BuildPlan,
    base_images,
    bases_in,
    local_base,
    plan_build,
    rewrite_bases,
    wants_root,
)
from kharness.settings.build import Build, Download
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

ROOT_FACT = "base"
DOWNLOADS = "downloads"
"""Below the state directory: what was downloaded, by its checksum."""
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
    """What an image would be built from now; `digest` stands for all of it, `bases` are image ids by reference."""

    entries: tuple[ContextEntry, ...]
    digest: str
    bases: Mapping[str, str]
    facts: BuildFacts


def bases_of(harness: Harness, directory: ContainerDir, settings: Settings) -> frozenset[str]:
    """Return the container directories whose `:live` image this one is built on."""
    if settings.image is not None:
        return frozenset()
    text = read_dockerfile(directory)
    args = settings.build.args if settings.build else {}
    names = [other.name for other in harness.catalog.directories if other.name != directory.name]
    found = (local_base(ref, repository=harness.repository, names=names) for ref in base_images(text, args=args))
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
    refuse_shared_images(harness, directory.name)
    if settings.image is not None:
        return _pull(harness, directory, settings, settings.image, rebuild=rebuild)
    with lock(harness.locks, f"build-{directory.name}", timeout=LOCK_TIMEOUT):
        recipe = read_recipe(harness, directory, settings, candidates=candidates or {}, rebuild=rebuild)
        if ROOT_ARG in recipe.facts.args and ROOT_ARG not in _args(settings):
            _keep_root(harness, directory.name, recipe.facts.args[ROOT_ARG])
        plan = _plan(harness, recipe, settings)
        if plan.kept is not None:
            harness.report(directory.name, "unchanged, not built again")
            _tag(harness, plan, recipe.facts.tags.latest)
            return Built(name=directory.name, image=plan.kept, digest=recipe.digest, fresh=False, bases=recipe.bases)
        return _build(harness, directory, settings, recipe, candidates=candidates or {}, rebuild=rebuild)


def would_build(harness: Harness, directory: ContainerDir, settings: Settings, *, rebuild: bool = False) -> BuildPlan:
    """Return what `build` would do; nothing is fetched, built or tagged. Raises as `build` does."""
    if settings.image is not None:
        return plan_build(pull_facts(harness, directory, settings, settings.image, rebuild=rebuild))
    facts = build_facts(harness, directory, settings, candidates={}, rebuild=rebuild)
    plan = plan_build(replace(facts, missing=tuple(_not_downloaded(harness, settings))))
    if rebuild or not plan.complete:
        return plan
    return _plan(harness, read_recipe(harness, directory, settings, candidates={}), settings)


def pull_facts(harness: Harness, directory: ContainerDir, settings: Settings, ref: str, *, rebuild: bool) -> BuildFacts:
    """Return what is known before the image of a directory is pulled."""
    images = {ref: _fitting(harness, ref, settings.platform)}
    return BuildFacts(name=directory.name, tags=harness.tags(directory.name), images=images, rebuild=rebuild, pulls=ref)


def build_facts(
    harness: Harness,
    directory: ContainerDir,
    settings: Settings,
    *,
    candidates: Mapping[str, str],
    rebuild: bool = False,
    root: str | None = None,
) -> BuildFacts:
    """Return what a build needs, and what of it is there. `root` is the reference of the root image, where known."""
    text, args = read_dockerfile(directory), _args(settings)
    wanted = wants_root(text) and ROOT_ARG not in args
    root = (root or _present_root(harness)) if wanted else None
    if wanted and root is not None:
        args[ROOT_ARG] = root
    names = [other.name for other in harness.catalog.directories]
    bases = tuple(
        base
        for base in bases_in(text, args=args, repository=harness.repository, names=names, candidates=candidates)
        # Before there is a root image, its variable is no reference.
        if root is not None or not wanted or ROOT_ARG not in base.ref
    )
    return BuildFacts(
        name=directory.name,
        tags=harness.tags(directory.name),
        images={base.tag: _there(harness, base, settings) for base in bases if base.kind is not BaseKind.CANDIDATE},
        rebuild=rebuild,
        args=args,
        bases=bases,
        root=root is not None or not wanted,
    )


def _there(harness: Harness, base: BuildBase, settings: Settings) -> ImageFacts | None:
    pulled = base.kind in {BaseKind.ROOT, BaseKind.FOREIGN}
    return _fitting(harness, base.tag, settings.platform if pulled else None)


def _fitting(harness: Harness, ref: str, platform: str | None) -> ImageFacts | None:
    # An image of another platform has to be pulled again: the engine would silently take it.
    found = harness.engine.image(ref)
    return found if found is not None and found.fits(platform) else None


def read_recipe(
    harness: Harness,
    directory: ContainerDir,
    settings: Settings,
    *,
    candidates: Mapping[str, str],
    rebuild: bool = False,
) -> Recipe:
    """Fetch and read everything that goes into the image; nothing is built.

    Raises `UsageError` where a base has no `:live` image and is not built in this session.
    """
    facts = build_facts(harness, directory, settings, candidates=candidates, rebuild=rebuild)
    if plan_build(facts).root:
        root = _make_root(harness, directory)
        facts = build_facts(harness, directory, settings, candidates=candidates, rebuild=rebuild, root=root)
    text, args = read_dockerfile(directory), facts.args
    pulls = frozenset(plan_build(facts).pulls)
    bases: dict[str, str] = {}
    for base in facts.bases:
        found = facts.images.get(base.tag)
        if base.kind is BaseKind.CANDIDATE:
            bases[base.ref] = candidates[base.directory]
        elif base.ref in pulls or found is None:
            bases[base.ref] = _pulled(harness, directory.name, base.ref, found, platform=settings.platform).id
        else:
            bases[base.ref] = found.id
    moved = {base.ref: base.tag for base in facts.bases if base.directory}
    said = settings.build or Build()
    entries = plan_context(
        directory.path,
        copies=[(copy_source(harness, directory, item.source), item.target) for item in said.copy_],
        downloads=[(_download(harness, directory, item), item.target, item.mode) for item in said.download],
        dockerfile=rewrite_bases(text, moved, args=args).encode(),
    )
    refuse_secrets_in_image(directory, settings, entries)
    extra = {f"arg {key}": value for key, value in args.items()}
    extra |= {f"base {ref}": image for ref, image in bases.items()}
    extra["target"] = said.target or ""
    if settings.platform is not None:
        extra["platform"] = settings.platform
    # The rewritten line must not make a candidate's child differ from a child of the same base once it is live.
    plain = [ContextEntry("Dockerfile", None, 0o644, "file", content=text.encode())]
    digest = content_digest([*plain, *(entry for entry in entries if entry.arcname != "Dockerfile")], extra)
    return Recipe(entries=entries, digest=digest, bases=bases, facts=facts)


def _plan(harness: Harness, recipe: Recipe, settings: Settings) -> BuildPlan:
    """Decide, now that all that goes into the image is known."""
    facts = recipe.facts
    recorded = (build.image_id for build in harness.state.builds(facts.name) if build.digest == recipe.digest)
    facts = replace(
        facts,
        digest=recipe.digest,
        recorded=frozenset(recorded),
        max_age=settings.build.max_age if settings.build else None,
        now=time.time(),
    )
    for ref in () if facts.rebuild or not facts.recorded else (facts.tags.latest, facts.tags.live):
        facts = replace(facts, images={**facts.images, ref: harness.engine.image(ref)})
        plan = plan_build(facts)
        if plan.kept is not None:
            return plan
    return plan_build(facts)


def _build(
    harness: Harness,
    directory: ContainerDir,
    settings: Settings,
    recipe: Recipe,
    *,
    candidates: Mapping[str, str],
    rebuild: bool,
) -> Built:
    began = time.monotonic()
    harness.report(directory.name, "building")
    report: list[str] = []
    base = ",".join(recipe.bases.values())
    image = harness.engine.build(
        stream(recipe.entries),
        BuildRequest(
            tag=recipe.facts.tags.latest,
            args=recipe.facts.args,
            labels={
                labels.PROJECT: harness.project.name,
                labels.NAME: directory.name,
                labels.DIGEST: recipe.digest,
                labels.BASE: base,
            },
            target=settings.build.target if settings.build else None,
            no_cache=rebuild,
            platform=settings.platform,
        ),
        progress=overhear(report, harness.details(directory.name)),
    )
    if not image.fits(settings.platform):
        harness.engine.untag(recipe.facts.tags.latest)
        raise BuildError(
            f"{directory.settings_file}: platform: should be {image.platform}, for which its base and this engine "
            f"build, not {settings.platform}"
        )
    keep_report(harness, directory.name, image, report)
    _refuse_moved_bases(harness, directory.name, candidates)
    harness.report(directory.name, f"built in {time.monotonic() - began:.1f} s")
    harness.state.record_build(name=directory.name, image_id=image.id, digest=recipe.digest, base=base, at=time.time())
    return Built(name=directory.name, image=image, digest=recipe.digest, fresh=True, bases=recipe.bases)


def _args(settings: Settings) -> dict[str, str]:
    return dict(settings.build.args) if settings.build else {}


def _not_downloaded(harness: Harness, settings: Settings) -> Iterator[str]:
    # Only a dry run asks: it reads each file whole, as the download does that follows in a build.
    for item in settings.build.download if settings.build else ():
        if not is_cached(item.sha256, cache=harness.host.state_dir / DOWNLOADS):
            yield item.url


def _download(harness: Harness, directory: ContainerDir, item: Download) -> Path:
    cache = harness.host.state_dir / DOWNLOADS
    return fetch(item.url, item.sha256, cache=cache, progress=harness.details(directory.name))


def copy_source(harness: Harness, directory: ContainerDir, source: str) -> Path:
    """Return what `build.copy` means: a path of the project, or of the folder above the source path."""
    root = harness.folder or directory.source_path.parent
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


def _chosen_family(harness: Harness) -> Family | None:
    known = harness.state.engine_fact(ROOT_FACT)
    return harness.host.base or ("alpine" if known == "alpine" else "debian" if known else None)


def _present_root(harness: Harness) -> str | None:
    """Return the root image that a build would take without making or pulling one."""
    refs = base_refs(host_suite())
    chosen = _chosen_family(harness)
    wanted = (refs[chosen],) if chosen else tuple(refs.values())
    return next((ref for ref in wanted if harness.engine.image(ref)), None)


def _make_root(harness: Harness, directory: ContainerDir) -> str:
    return ensure_base(
        harness.engine,
        family=_chosen_family(harness),
        progress=lambda line: harness.report(directory.name, line),
        lock=directory.path / "base.lock",
    ).ref


def _keep_root(harness: Harness, name: str, ref: str) -> None:
    """Record which root image this host has: once chosen it never flips, even if another registry answers tomorrow."""
    families = {ref: family for family, ref in base_refs(host_suite()).items()}
    if ref in families and _chosen_family(harness) is None:
        harness.state.set_engine_fact(ROOT_FACT, families[ref])
        harness.report(name, f"built on {ref} from now on; 'base' in the host's configuration changes that")


def _pulled(harness: Harness, who: str, ref: str, found: ImageFacts | None, *, platform: str | None) -> ImageFacts:
    try:
        pulled = harness.engine.pull(ref, progress=harness.details(who), platform=platform)
    except ImageMissingError:
        if found is None:
            raise
        harness.report(who, f"{ref} cannot be pulled; the image on the engine is used")
        return found
    if not pulled.fits(platform):
        raise ImageMissingError(f"image {ref} is for {pulled.platform} alone, and not for {platform}")
    return pulled


def _pull(harness: Harness, directory: ContainerDir, settings: Settings, ref: str, *, rebuild: bool) -> Built:
    facts = pull_facts(harness, directory, settings, ref, rebuild=rebuild)
    before = facts.images[ref]
    image = before
    if image is None or plan_build(facts).pulls:
        image = _pulled(harness, directory.name, ref, before, platform=settings.platform)
    _tag(harness, plan_build(replace(facts, images={ref: image}, rebuild=False)), facts.tags.latest)
    fresh = before is None or before.id != image.id
    return Built(name=directory.name, image=image, digest=image.id, fresh=fresh, built=False)


def _tag(harness: Harness, plan: BuildPlan, ref: str) -> None:
    if plan.kept is not None and plan.tagged:
        harness.engine.tag(plan.kept.id, ref)


def _refuse_moved_bases(harness: Harness, who: str, candidates: Mapping[str, str]) -> None:
    for name, image in candidates.items():
        latest = harness.engine.image(harness.tags(name).latest)
        if latest is None or latest.id != image:
            # The child's label names a base that it was not built on.
            harness.engine.untag(harness.tags(who).latest)
            raise ConflictError(f"{who}: another process built its base {name} meanwhile; run again")
