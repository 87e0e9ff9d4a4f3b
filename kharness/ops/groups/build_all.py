"""Build all images, bases before what is built on them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from kharness.host.forked import Work
from kharness.ops.build import build
from kharness.ops.fleet import Group, worked
from kharness.ops.groups.fleet import Fleet
from kharness.ops.groups.sessions import bases
from kharness.ops.harness import Harness
from kharness.plan.facts import short_id
from kharness.plan.fleet import Hold, plan_course

TIMEOUT = 3600.0


def build_all(fleet: Fleet, *, rebuild: bool = False, timeout: float | None = None) -> Group:
    """Return the group of all directories; what is built on a base gets the one that was built just now.

    What is built on a base that failed is held back.
    """
    needed = {name: bases(fleet, name) for name in fleet.settings}

    def work(name: str, values: Mapping[str, Mapping[str, Any]]) -> Work:
        candidates = {base: str(values[base]["image"]) for base in needed[name] if base in values}
        return fleet.forked(name, partial(build_one, name=name, rebuild=rebuild, candidates=candidates))

    return Group(
        command="build-all",
        course=plan_course(dict.fromkeys(fleet.settings), needed, broken=fleet.broken),
        hold=Hold.NEEDS,
        timeout=timeout or TIMEOUT,
        work=work,
        would=partial(_would, fleet),
    )


def build_one(harness: Harness, name: str, *, rebuild: bool, candidates: Mapping[str, str]) -> dict[str, Any]:
    """Make `:latest` of one of them. Raises what `build` does."""
    directory = harness.catalog.select(name, prefix=False)
    built = build(harness, directory, harness.settings(directory), rebuild=rebuild, candidates=candidates)
    what = ("built" if built.built else "pulled") if built.fresh else "unchanged"
    return worked(f"{what}: {short_id(built.image.id)}", image=built.image.id)


def _would(fleet: Fleet, name: str) -> str:
    if image := fleet.settings[name].image:
        return f"would be {image}, pulled unless it is here"
    on = ", ".join(sorted(bases(fleet, name)))
    return f"would be built{f' on {on}' if on else ''}, unless nothing has changed"
