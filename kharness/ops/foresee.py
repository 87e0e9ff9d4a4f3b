"""What use cases would do, for those who only want to know: nothing is built, pulled, tagged or released."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kharness.host.base import base_refs
from kharness.host.download import is_cached
from kharness.host.suite import host_suite
from kharness.ops.build import plan_recipe, read_dockerfile, unchanged
from kharness.ops.harness import Harness
from kharness.ops.recover import Recovered
from kharness.ops.response import Asked
from kharness.plan.drift import Done, Scanned
from kharness.plan.facts import short_id
from kharness.plan.operation import Phase
from kharness.plan.order import ROOT_ARG, base_images, local_base, wants_root
from kharness.plan.untouched import shown
from kharness.settings.build import Build
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def would_build(harness: Harness, directory: ContainerDir, settings: Settings, *, rebuild: bool = False) -> str:
    """Say what `build` would do, as the end of a sentence; raises as it does."""
    if settings.image is not None:
        there = harness.engine.image(settings.image)
        if there is None or rebuild:
            return f"{settings.image} would be pulled"
        tagged = harness.tags(directory.name).latest in there.tags
        return f"{short_id(there.id)} is unchanged" if tagged else f"{short_id(there.id)} would be tagged"
    if rebuild:
        return "would be built anew, and what it is built on would be renewed"
    if missing := tuple(_missing(harness, directory, settings)):
        return f"would be built, after {' and '.join(missing)}"
    recipe = plan_recipe(harness, directory, settings, candidates={})
    found = unchanged(harness, directory.name, settings.build, recipe.digest)
    return f"{short_id(found.id)} is unchanged" if found else "would be built"


def _missing(harness: Harness, directory: ContainerDir, settings: Settings) -> Iterator[str]:
    said = settings.build or Build()
    text, args = read_dockerfile(directory), dict(said.args)
    if wants_root(text) and ROOT_ARG not in args:
        refs = base_refs(host_suite(), repository=harness.repository)
        root = next((ref for ref in refs.values() if harness.engine.image(ref)), None)
        if root is None:
            yield "its root image was made or pulled"
        args[ROOT_ARG] = root or ROOT_ARG
    names = [other.name for other in harness.catalog.directories]
    for ref in base_images(text, args=args):
        # A base of ours that is not there is an error, not a thing to be pulled.
        own = local_base(ref, repository=harness.repository, names=names) or ref.startswith(f"{harness.repository}/")
        if not own and ref != ROOT_ARG and harness.engine.image(ref) is None:
            yield f"{ref} was pulled"
    for item in said.download:
        if not is_cached(item.sha256, cache=harness.host.state_dir / "downloads"):
            yield f"{item.url} was downloaded"


def would_recover(harness: Harness) -> tuple[str, ...]:
    """Say what `recover` would do about each operation that is not over. Raises `StateError`."""
    return tuple(
        f"{entry.operation.name}: {Recovered.what(entry.operation)} would be "
        f"{'completed' if entry.phase is Phase.KEEP else 'undone'}, unless somebody is at it"
        for entry in harness.state.operations()
    )


def would_respond(harness: Harness, found: Sequence[Scanned], asked: Asked) -> Iterator[Done]:
    """Say what `respond` would do about each container that has something left."""
    for each in found:
        if not each.verdict.left:
            continue
        if asked.snapshot:
            yield Done(name=each.name, text="the evidence would be saved")
        if asked.remove:
            for entry in each.verdict.left:
                stays = "" if entry.kind == "added" else f" stays: it was {entry.kind}, which cannot be undone here"
                yield Done(name=each.name, text=f"{shown(entry.path)}{stays or ' would be removed'}", good=not stays)
        if asked.restart:
            live = harness.engine.image(harness.tags(each.name).live)
            text = f"would run {short_id(live.id)} in a new container" if live else "nothing is live to launch"
            yield Done(name=each.name, text=text, good=live is not None)
