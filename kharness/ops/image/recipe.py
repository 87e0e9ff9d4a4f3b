"""Read everything that goes into an image, and what stands for all of it; only what is missing is fetched."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kharness.errors import HostError
from kharness.host.image.base import Family, base_refs, ensure_base, host_suite
from kharness.host.image.context import ContextEntry, content_digest, plan_context
from kharness.host.image.download import fetch, is_cached
from kharness.ops.harness import Harness
from kharness.ops.image.pull import pull
from kharness.ops.image.source import (
    DOCKERFILE,
    final_dockerfile,
    folder_contexts,
    read_dockerfile,
    service_context,
    service_prefix,
)
from kharness.ops.launch.secrets import refuse_secrets_in_image
from kharness.plan import labels
from kharness.plan.facts import ImageFacts
from kharness.plan.image.build import (
    ROOT_ARG,
    BaseKind,
    BuildBase,
    BuildFacts,
    bases_in,
    needs_buildkit,
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image would be built from now; `digest` stands for all of it, `bases` are image ids by reference.

    `sources` is the digest of what is known before the build. It is the same, but for a context that the engine
    fetches, whose content is known by its image alone. `dockerfile` is its name in the context; `contexts` are folders
    that become images for the time of the build, by their references.
    """

    entries: tuple[ContextEntry, ...]
    digest: str
    bases: Mapping[str, str]
    facts: BuildFacts
    sources: str = ""
    dockerfile: str = DOCKERFILE
    buildkit: bool = False
    contexts: Mapping[str, tuple[ContextEntry, ...]] = field(default_factory=dict)


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
    text, args = final_dockerfile(harness, directory, settings), given_args(settings)
    wanted = wants_root(text) and ROOT_ARG not in args
    root = (root or _present_root(harness)) if wanted else None
    if wanted and root is not None:
        args[ROOT_ARG] = root
    names = [other.name for other in harness.catalog.directories]
    bases = tuple(
        base
        for base in bases_in(
            text,
            args=args,
            repository=harness.repository,
            names=names,
            candidates=candidates,
            prefix=service_prefix(harness),
        )
        # Before there is a root image, its variable is no reference.
        if root is not None or not wanted or ROOT_ARG not in base.ref
    )
    return BuildFacts(
        name=directory.name,
        tags=harness.tags(directory.name),
        images={
            base.tag: _there(harness, base, settings)
            for base in bases
            if base.kind not in {BaseKind.CANDIDATE, BaseKind.CONTEXT}
        },
        rebuild=rebuild,
        renews=settings.build is not None and settings.build.pull,
        args=args,
        bases=bases,
        root=root is not None or not wanted,
    )


def _there(harness: Harness, base: BuildBase, settings: Settings) -> ImageFacts | None:
    pulled = base.kind in {BaseKind.ROOT, BaseKind.FOREIGN}
    return fitting(harness, base.tag, settings.platform if pulled else None)


def fitting(harness: Harness, ref: str, platform: str | None) -> ImageFacts | None:
    """Return the image of a reference that is on the engine, None where it is for another platform."""
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
    said = settings.build or Build()
    contexts = folder_contexts(harness, directory, settings)
    bases = _base_ids(harness, directory.name, settings, facts, candidates=candidates)
    extra = {f"arg {key}": value for key, value in facts.args.items()}
    extra |= {f"base {ref}": image for ref, image in bases.items()}
    extra |= {f"base {ref}": content_digest(entries, {}) for ref, entries in contexts.items()}
    extra["target"] = said.target or ""
    if settings.platform is not None:
        extra["platform"] = settings.platform
    extra |= _options(said)
    text = read_dockerfile(directory, settings)
    moved = {base.ref: base.tag for base in facts.bases if base.directory}
    final = rewrite_bases(final_dockerfile(harness, directory, settings), moved, args=facts.args)
    # A rewritten line must not make a candidate's child differ from a child of the same base once it is live.
    plain = ContextEntry(DOCKERFILE, None, 0o644, "file", content=text.encode())
    name = DOCKERFILE
    if harness.compose is None:
        entries = _laid_out(harness, directory, said, final)
        refuse_secrets_in_image(directory, settings, entries)
        digested = [plain, *(entry for entry in entries if entry.arcname != DOCKERFILE)]
    elif said.is_remote:
        entries, digested, name = (), [], said.dockerfile or DOCKERFILE
        extra["context"] = f"{said.context} {name}"
    else:
        context = service_context(directory, settings, final=final)
        entries, digested, name = context.sent, [*context.digested], context.dockerfile
        extra["dockerfile"] = text
    sources = content_digest(digested, extra)
    return Recipe(
        entries=entries,
        digest=fetched_digest(harness, directory.name, sources) if said.is_remote else sources,
        bases=bases,
        facts=facts,
        sources=sources,
        dockerfile=name,
        buildkit=needs_buildkit(final),
        contexts=contexts,
    )


def _base_ids(
    harness: Harness, who: str, settings: Settings, facts: BuildFacts, *, candidates: Mapping[str, str]
) -> dict[str, str]:
    """Return the ids of the images that are built on, by reference, after pulling those that are missing."""
    pulls = frozenset(plan_build(facts).pulls)
    bases: dict[str, str] = {}
    for base in facts.bases:
        found = facts.images.get(base.tag)
        if base.kind is BaseKind.CANDIDATE:
            bases[base.ref] = candidates[base.directory]
        elif base.kind is BaseKind.CONTEXT:
            continue
        elif base.ref in pulls or found is None:
            bases[base.ref] = pull(harness, who, base.ref, found, platform=settings.platform)[0].id
        else:
            bases[base.ref] = found.id
    return bases


def _laid_out(harness: Harness, directory: ContainerDir, said: Build, dockerfile: str) -> tuple[ContextEntry, ...]:
    return plan_context(
        directory.path,
        copies=[(copy_source(harness, directory, item.source), item.target) for item in said.copy_],
        downloads=[(_download(harness, directory, item), item.target, item.mode) for item in said.download],
        dockerfile=dockerfile.encode(),
    )


def _options(said: Build) -> dict[str, str]:
    """Return what else the image depends on, where it is said."""
    options = {
        "labels": sorted(said.labels.items()),
        "network": said.network,
        "shm_size": said.shm_size,
        "extra_hosts": said.extra_hosts,
        "ulimits": sorted((name, limit.soft, limit.hard) for name, limit in said.ulimits.items()),
    }
    return {f"option {key}": repr(value) for key, value in options.items() if value}


def fetched_digest(harness: Harness, name: str, sources: str) -> str:
    """Return what stands for a context that the engine fetched: the image that it became at the last build."""
    latest = harness.engine.image(harness.tags(name).latest)
    known = latest is not None and latest.labels.get(labels.DIGEST) == sources
    return content_digest((), {"sources": sources, "image": latest.id if latest is not None and known else ""})


def given_args(settings: Settings) -> dict[str, str]:
    """Return the build arguments that the settings give."""
    return dict(settings.build.args) if settings.build else {}


def not_downloaded(harness: Harness, settings: Settings) -> Iterator[str]:
    """Yield the URLs whose files are not in the cache."""
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


def chosen_family(harness: Harness) -> Family | None:
    """Return which family of root images this host has, None where nothing has decided it yet."""
    known = harness.state.engine_fact(ROOT_FACT)
    return harness.host.base or ("alpine" if known == "alpine" else "debian" if known else None)


def _present_root(harness: Harness) -> str | None:
    """Return the root image that a build would take without making or pulling one."""
    refs = base_refs(host_suite())
    chosen = chosen_family(harness)
    wanted = (refs[chosen],) if chosen else tuple(refs.values())
    return next((ref for ref in wanted if harness.engine.image(ref)), None)


def _make_root(harness: Harness, directory: ContainerDir) -> str:
    return ensure_base(
        harness.engine,
        family=chosen_family(harness),
        progress=lambda line: harness.report(directory.name, line),
        lock=directory.path / "base.lock",
    ).ref
