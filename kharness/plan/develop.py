"""The container that its developer has in the foreground: a test instance whose output goes to the terminal alone."""

from __future__ import annotations

from dataclasses import replace

from kharness.plan.facts import HealthFacts
from kharness.plan.runspec import RunSpec

ANY = "xxxx"
"""Stands in a printed line for what each instance has anew."""


def development_name(name: str, session: str = ANY) -> str:
    """Return the name of a development instance of a directory."""
    return f"dev-{name}-{session}"


def plan_development(spec: RunSpec, *, shell: tuple[str, ...] = (), tty: bool = False) -> RunSpec:
    """Change the plan of a test instance; with a `shell` that runs in place of its program, on a terminal or not."""
    spec = replace(spec, log_driver="none", log_options={})
    if not shell:
        return spec
    return replace(
        spec, entrypoint=shell[:1], command=shell[1:], tty=tty, stdin=True, health=HealthFacts(test=("NONE",))
    )
