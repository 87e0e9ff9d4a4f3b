"""The first images of a Compose project that goes live before any session has passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kharness.host.project.test_files import commit_of
from kharness.ops.harness import Harness
from kharness.ops.image.build import build
from kharness.ops.project.targets import needs_of
from kharness.ops.release.release import promote
from kharness.plan.facts import short_id
from kharness.plan.release.operation import Provenance
from kharness.settings.catalog import ContainerDir


def release_untested(
    harness: Harness, directory: ContainerDir, *, needs: bool = True, dry_run: bool = False
) -> Iterator[tuple[str, str]]:
    """Build or pull what has no `:live` image, and make it live as untested.

    That is a service and, with `needs`, those that it needs. Yields the names and what was, or would be, done. The
    ledger has each as untested; an image that is live already stays. Raises what building and promoting do.
    """
    for name in (*(_needed(harness, directory.name) if needs else ()), directory.name):
        each = harness.catalog.select(name, prefix=False)
        if harness.engine.image(harness.tags(name).live) is not None:
            continue
        if dry_run:
            yield name, "nothing is live yet: its image would be made live UNTESTED, and launched"
            continue
        image = build(harness, each, harness.settings(each)).image
        evidence = Provenance(
            session="",
            tests=0,
            digest=image.labels.get("kharness.digest", ""),
            commit=commit_of(each.path),
            untested=True,
        )
        promote(harness, name, image.id, evidence)
        yield name, f"image {short_id(image.id)} is live UNTESTED; this is recorded"


def _needed(harness: Harness, name: str) -> Sequence[str]:
    needs = needs_of(harness.compose) if harness.compose else {}
    found: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        for need in needs.get(name, ()):
            if need not in (*above, *found):
                visit(need, (*above, name))
                found.append(need)

    visit(name, ())
    return found
