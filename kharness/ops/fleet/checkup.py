"""Check that all containers that start with this host are up, healthy and run the live image."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from kharness.errors import StateError
from kharness.ops.harness import Harness
from kharness.ops.image.build import is_base
from kharness.ops.launch.deviations import changes_of
from kharness.ops.launch.intent import why_stays_down
from kharness.ops.project.production import present
from kharness.ops.session.needs import needs_text, unmet_needs
from kharness.ops.session.readiness import probed
from kharness.plan.facts import ContainerFacts, short_id
from kharness.plan.fleet.course import waves
from kharness.plan.fleet.status import Checked, Other
from kharness.plan.launch.life import is_done, state_text, why_not_up, why_stuck
from kharness.settings.model import Settings


def check_all_up(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Checked, ...]:
    """Check all containers with an `autostart` for this host, in the order of the waves.

    A container without reasons is well. Raises `EngineError` only where the engine does not answer.
    """
    names = [name for wave in waves(fleet, host=host or socket.gethostname()) for name in wave]
    with ThreadPoolExecutor(harness.host.launch_parallel) as pool:
        return tuple(pool.map(lambda name: check_up(harness, name, fleet[name]), names))


def check_up(harness: Harness, name: str, settings: Settings) -> Checked:
    """Check one container."""
    down = why_stays_down(harness, name)
    if down is not None:
        found = present(harness, name)
        if found is None or not found.up:
            return Checked(name=name, reasons=(), note=str(down))
    return Checked(name=name, reasons=tuple(_reasons(harness, name, settings)))


def others(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Other, ...]:
    """Return the containers in use that do not start with this host: with a live image, or a container.

    Raises `EngineError`.
    """
    starting = {name for wave in waves(fleet, host=host or socket.gethostname()) for name in wave}
    names = (name for name in sorted(fleet) if name not in starting)
    return tuple(filter(None, (_other(harness, name, fleet) for name in names)))


def _other(harness: Harness, name: str, fleet: Mapping[str, Settings]) -> Other | None:
    found = present(harness, name)
    if found is not None:
        return Other(name=name, runs=found.state == "running", state=why_stuck(found) or state_text(found))
    live = harness.engine.image(harness.tags(name).live)
    if live is None or is_base(harness, name, fleet):
        return None
    return Other(name=name, runs=False, state="has no container")


def why_down(harness: Harness, name: str) -> str:
    """Return why it is not up, as the end of a sentence, empty if it is; its image is not checked."""
    found = present(harness, name)
    if found is None:
        return "has no container"
    settings = harness.settings(harness.catalog.select(name, prefix=False))
    return "" if _is_done(found, settings) else "; ".join(why_not_up(found))


def _reasons(harness: Harness, name: str, settings: Settings) -> Iterator[str]:
    found = present(harness, name)
    live = harness.engine.image(harness.tags(name).live)
    if live is None:
        yield "has no live image"
    if found is None:
        yield "has no container"
        return
    if not _is_done(found, settings):
        yield from why_not_up(found) or probed(harness.engine, found)
    if live is not None and found.image_id != live.id:
        yield f"runs image {short_id(found.image_id)}, and {short_id(live.id)} is live"
    yield from needs_text(unmet_needs(harness, settings))
    with suppress(StateError):
        yield from filter(None, [changes_of(harness, harness.catalog.select(name, prefix=False), found).by_hand_text])


def _is_done(found: ContainerFacts, settings: Settings) -> bool:
    return settings.may_end and is_done(found)
