"""Whether all that starts with this host is up, well, and what is live."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kharness.errors import EngineError
from kharness.ops.harness import Harness
from kharness.ops.present import present
from kharness.plan.facts import ContainerFacts, short_id
from kharness.plan.life import why_not_up
from kharness.plan.readiness import DEFAULT_PROBE_TIMEOUT, probe_argv
from kharness.plan.waves import waves
from kharness.settings.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A container that should be up; `reasons` why it is not as it should be, each the end of a sentence."""

    name: str
    reasons: tuple[str, ...]


def check_all_up(harness: Harness, fleet: Mapping[str, Settings], *, host: str | None = None) -> tuple[Checked, ...]:
    """Look at what has an `autostart` for this host, in the order of the waves; empty reasons mean that all is well.

    Raises `EngineError` only where the engine does not answer.
    """
    names = [name for wave in waves(fleet, host=host or socket.gethostname()) for name in wave]
    with ThreadPoolExecutor(harness.host.launch_parallel) as pool:
        return tuple(pool.map(lambda name: check_up(harness, name, fleet[name]), names))


def check_up(harness: Harness, name: str, settings: Settings) -> Checked:
    """Look at one of them."""
    return Checked(name=name, reasons=tuple(_reasons(harness, name, settings)))


def why_down(harness: Harness, name: str) -> str:
    """Return why it is not up, as the end of a sentence; empty where it is. What it runs is not looked at."""
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
        yield from why_not_up(found) or _probed(harness, found)
    if live is not None and found.image_id != live.id:
        yield f"runs image {short_id(found.image_id)}, and {short_id(live.id)} is live"


def _is_done(found: ContainerFacts, settings: Settings) -> bool:
    return settings.may_end and (found.state, found.exit_code) == ("exited", 0)


def _probed(harness: Harness, found: ContainerFacts) -> Iterator[str]:
    # The engine asks for the first time when an interval is over, which may be minutes.
    if found.health != "starting" or found.health_check is None:
        return
    try:
        timeout = found.health_check.timeout or DEFAULT_PROBE_TIMEOUT
        result = harness.engine.exec(found.id, probe_argv(found.health_check), timeout=timeout)
    except (EngineError, TimeoutError) as error:
        yield f"runs, and its health check does not answer: {error}"
        return
    if not result.ok:
        yield f"runs, and its health check exits with {result.exit_code}"
