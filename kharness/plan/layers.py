"""Where the layers of a container's file system are, if they are an overlay's."""

from __future__ import annotations

from dataclasses import dataclass

from kharness.plan.facts import ContainerFacts

OVERLAYS = frozenset({"overlay", "overlay2"})
"""Storage drivers whose layers are directories as the kernel's overlay has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Directories of the engine's host: what the container changed, and what is below, the uppermost first."""

    upper: str
    lower: tuple[str, ...]


def layers_of(facts: ContainerFacts) -> Layers | None:
    """Read the engine's answer to an inspect; None where it has no overlay, or does not say where it is."""
    driver = facts.raw.get("GraphDriver") or {}
    data = driver.get("Data") or {}
    upper, lower = data.get("UpperDir"), data.get("LowerDir")
    if driver.get("Name") not in OVERLAYS or not upper or not lower:
        return None
    return Layers(upper=upper, lower=tuple(lower.split(":")))
