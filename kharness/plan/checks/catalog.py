"""All checks, and which of them apply to a container."""

from __future__ import annotations

from typing import Any

from kharness.errors import UsageError
from kharness.plan.checks import content, image, limits, production, rights, running
from kharness.plan.checks.check import Check
from kharness.plan.checks.running import Running
from kharness.settings.model import Settings
from kharness.settings.policy import Policy, Profile

MODULES = (rights, limits, image, content, running, production)
CHECKS: tuple[Check[Any], ...] = tuple(
    sorted(
        (found for module in MODULES for found in vars(module).values() if isinstance(found, Check)),
        key=lambda each: each.id,
    )
)
BY_ID = {check.id: check for check in CHECKS}


def profile_of(settings: Settings, *, default: Profile | None) -> Profile:
    """Return a container's profile: its own, else the host's default, else `strict` for built images alone."""
    return settings.policy.profile or default or ("strict" if settings.image is None else "baseline")


def checks_of(profile: Profile) -> tuple[Check[Any], ...]:
    """Return the checks of a profile, by identifier."""
    match profile:
        case "strict":
            return CHECKS
        case "baseline":
            return tuple(check for check in CHECKS if check.baseline)
        case "none":
            return ()


def checks_for(settings: Settings, *, default: Profile | None) -> tuple[Check[Any], ...]:
    """Return the checks that apply to a container; those of running processes skip a job that ends by itself."""
    checks = checks_of(profile_of(settings, default=default))
    return tuple(check for check in checks if not (settings.may_end and check.part is Running))


def unknown_waivers(policy: Policy) -> tuple[str, ...]:
    """Return the waived identifiers that no check has."""
    return tuple(sorted(policy.waive.keys() - BY_ID.keys()))


def find_check(identifier: str) -> Check[Any]:
    """Return a check; raises `UsageError` for an unknown identifier."""
    found = BY_ID.get(identifier.upper())
    if found is None:
        raise UsageError(f"{identifier}: no such check; 'kharness policy list' shows all checks")
    return found
