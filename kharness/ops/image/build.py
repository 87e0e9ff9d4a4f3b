"""Build a container directory's image, or pull the one it names, unless nothing has changed.

`plan_build` decides: first of what is there, then again when everything that goes into the image was fetched and read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from kharness.engine.api import BuildRequest
from kharness.errors import BuildError, ConflictError, KharnessError
from kharness.host.image.base import base_refs, host_suite
from kharness.host.image.context import stream
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.image.hardening import keep_report, overhear
from kharness.ops.image.pull import pulled_image, renews
from kharness.ops.image.recipe import (
    ROOT_FACT,
    Recipe,
    build_facts,
    chosen_family,
    fetched_digest,
    fitting,
    given_args,
    not_downloaded,
    read_recipe,
)
from kharness.ops.image.source import (
    final_dockerfile,
    idle_remarks,
    is_remote,
    read_dockerfile,
    service_prefix,
)
from kharness.ops.project.identity import refuse_shared_images
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.image.build import (
    ROOT_ARG,
    BuildFacts,
    BuildPlan,
    base_images,
    local_base,
    needs_newer_frontend,
    plan_build,
)
from kharness.settings.build import Build
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings

UNREAD = "unknown instruction"
NEWER = "a heredoc needs Engine 23, or '# syntax=docker/dockerfile:1' as the Dockerfile's first line and a registry"
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


def bases_of(harness: Harness, directory: ContainerDir, settings: Settings) -> frozenset[str]:
    """Return the container directories whose `:live` image this one is built on."""
    if settings.image is not None:
        return frozenset()
    text = final_dockerfile(harness, directory, settings)
    args = settings.build.args if settings.build else {}
    names = [other.name for other in harness.catalog.directories if other.name != directory.name]
    prefix = service_prefix(harness)
    references = base_images(text, args=args)
    found = (local_base(ref, repository=harness.repository, names=names, prefix=prefix) for ref in references)
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
        if ROOT_ARG in recipe.facts.args and ROOT_ARG not in given_args(settings):
            _keep_root(harness, directory.name, recipe.facts.args[ROOT_ARG])
        plan = _plan(harness, recipe, settings)
        if plan.kept is not None:
            harness.report(directory.name, "unchanged, not built again")
            _tag(harness, plan, recipe.facts.tags.latest)
            return Built(name=directory.name, image=plan.kept, digest=recipe.digest, fresh=False, bases=recipe.bases)
        for remark in idle_remarks(harness, directory):
            harness.report(directory.name, remark)
        if harness.compose is None:
            return _build(harness, directory, settings, recipe, candidates=candidates or {}, rebuild=rebuild)
        # Services of one project may be built of the same: the first one builds, the others take its image.
        with lock(harness.locks, f"build-{recipe.sources[:32]}", timeout=LOCK_TIMEOUT):
            if not rebuild and (shared := _shared(harness, directory, recipe)):
                return shared
            return _build(harness, directory, settings, recipe, candidates=candidates or {}, rebuild=rebuild)


def would_build(harness: Harness, directory: ContainerDir, settings: Settings, *, rebuild: bool = False) -> BuildPlan:
    """Return what `build` would do; nothing is fetched, built or tagged. Raises as `build` does."""
    if settings.image is not None:
        return plan_build(pull_facts(harness, directory, settings, settings.image, rebuild=rebuild))
    facts = build_facts(harness, directory, settings, candidates={}, rebuild=rebuild)
    plan = plan_build(replace(facts, missing=tuple(not_downloaded(harness, settings))))
    if rebuild or not plan.complete:
        return plan
    return _plan(harness, read_recipe(harness, directory, settings, candidates={}), settings)


def pull_facts(harness: Harness, directory: ContainerDir, settings: Settings, ref: str, *, rebuild: bool) -> BuildFacts:
    """Return what is known before the image of a directory is pulled."""
    return BuildFacts(
        name=directory.name,
        tags=harness.tags(directory.name),
        images={ref: fitting(harness, ref, settings.platform)},
        rebuild=rebuild,
        pulls=ref,
        renews=renews(harness, settings, ref),
    )


def _shared(harness: Harness, directory: ContainerDir, recipe: Recipe) -> Built | None:
    """Return the image that another service of the project was built of exactly this, tagged as this one's, too."""
    for other in harness.catalog.directories:
        if other.name == directory.name:
            continue
        recorded = {build.image_id for build in harness.state.builds(other.name) if build.digest == recipe.sources}
        latest = harness.engine.image(harness.tags(other.name).latest) if recorded else None
        if latest is not None and latest.id in recorded:
            harness.engine.tag(latest.id, recipe.facts.tags.latest)
            base = ",".join(recipe.bases.values())
            harness.state.record_build(
                name=directory.name, image_id=latest.id, digest=recipe.sources, base=base, at=time.time()
            )
            harness.report(directory.name, f"built of the same as {other.name}, whose image is taken")
            return Built(name=directory.name, image=latest, digest=recipe.digest, fresh=True, bases=recipe.bases)
    return None


def _plan(harness: Harness, recipe: Recipe, settings: Settings) -> BuildPlan:
    """Decide, now that all that goes into the image is known."""
    facts = recipe.facts
    recorded = (build.image_id for build in harness.state.builds(facts.name) if build.digest == recipe.sources)
    facts = replace(
        facts,
        digest=recipe.sources,
        # Whether a context has changed that the engine fetches, its own cache finds out.
        recorded=frozenset() if is_remote(settings) else frozenset(recorded),
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
    request = _request(harness, directory, settings, recipe, rebuild=rebuild)
    with ExitStack() as stack:
        for ref, entries in recipe.contexts.items():
            harness.engine.import_image(stream(entries), ref)
            stack.callback(harness.engine.untag, ref)
        try:
            image = harness.engine.build(
                stream(recipe.entries) if request.remote is None else (),
                request,
                progress=overhear(report, harness.details(directory.name)),
            )
        except BuildError as error:
            if not needs_newer_frontend(read_dockerfile(directory, settings)) or UNREAD not in str(error):
                raise
            raise BuildError(f"{str(error).partition(chr(10))[0]}; {NEWER}", tail=error.tail) from error
    if not image.fits(settings.platform):
        harness.engine.untag(recipe.facts.tags.latest)
        raise BuildError(
            f"{directory.settings_file}: platform: should be {image.platform}, for which its base and this engine "
            f"build, not {settings.platform}"
        )
    keep_report(harness, directory.name, image, report)
    _refuse_moved_bases(harness, directory.name, candidates)
    harness.report(directory.name, f"built in {time.monotonic() - began:.1f} s")
    harness.state.record_build(name=directory.name, image_id=image.id, digest=recipe.sources, base=base, at=time.time())
    digest = fetched_digest(harness, directory.name, recipe.sources) if request.remote else recipe.digest
    return Built(name=directory.name, image=image, digest=digest, fresh=True, bases=recipe.bases)


def _request(
    harness: Harness, directory: ContainerDir, settings: Settings, recipe: Recipe, *, rebuild: bool
) -> BuildRequest:
    said = settings.build or Build()
    return BuildRequest(
        tag=recipe.facts.tags.latest,
        dockerfile=recipe.dockerfile,
        args=recipe.facts.args,
        labels={
            **said.labels,
            labels.PROJECT: harness.project.name,
            labels.NAME: directory.name,
            labels.DIGEST: recipe.sources,
            labels.BASE: ",".join(recipe.bases.values()),
        },
        target=said.target,
        no_cache=rebuild or said.no_cache,
        platform=settings.platform,
        buildkit=recipe.buildkit,
        remote=said.context if said.is_remote else None,
        network=said.network,
        shm_size=said.shm_size,
        ulimits={name: (limit.soft, limit.hard) for name, limit in said.ulimits.items()},
        extra_hosts=said.extra_hosts,
    )


def _keep_root(harness: Harness, name: str, ref: str) -> None:
    """Record which root image this host has: once chosen it never flips, even if another registry answers tomorrow."""
    families = {ref: family for family, ref in base_refs(host_suite()).items()}
    if ref in families and chosen_family(harness) is None:
        harness.state.set_engine_fact(ROOT_FACT, families[ref])
        harness.report(name, f"built on {ref} from now on; 'base' in the host's configuration changes that")


def _pull(harness: Harness, directory: ContainerDir, settings: Settings, ref: str, *, rebuild: bool) -> Built:
    facts = pull_facts(harness, directory, settings, ref, rebuild=rebuild)
    before = facts.images[ref]
    image = before
    if image is None or plan_build(facts).pulls:
        image = pulled_image(harness, directory.name, ref, before, settings)
    _tag(harness, plan_build(replace(facts, images={ref: image}, rebuild=False, renews=False)), facts.tags.latest)
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
