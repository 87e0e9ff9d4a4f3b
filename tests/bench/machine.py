"""The machine that figures were taken on, in a line or two."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from kharness.engine.api import Engine

GIB = 1 << 30


def machine(engine: Engine) -> str:
    """Describe processors, memory, kernel, engine and load."""
    facts = engine.facts()
    load = os.getloadavg()[0]
    return (
        f"{_processors()}, {facts.memory / GIB:.0f} GiB, Linux {platform.release()}, load {load:.1f} at the start\n"
        f"{'Podman' if facts.podman else 'Docker Engine'} {facts.version} ({facts.storage_driver}), "
        f"Python {platform.python_version()}"
    )


def _processors() -> str:
    count = len(os.sched_getaffinity(0))
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{count} cores{f' of {model}' if model else ''}"
