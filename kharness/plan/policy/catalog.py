"""All checks, and which of them a container is held to."""

from __future__ import annotations

from typing import Any

from kharness.errors import UsageError
from kharness.plan.evidence.running import Running
from kharness.plan.policy.accounts import CHECK as KH301
from kharness.plan.policy.capabilities import CHECK as KH102
from kharness.plan.policy.check import Check
from kharness.plan.policy.clean_layer import CHECK as KH201
from kharness.plan.policy.cpu_limit import CHECK as KH111
from kharness.plan.policy.devices import CHECK as KH117
from kharness.plan.policy.engine_socket import CHECK as KH108
from kharness.plan.policy.health_check import CHECK as KH115
from kharness.plan.policy.host_paths import CHECK as KH109
from kharness.plan.policy.id_mapping import CHECK as KH403
from kharness.plan.policy.image_age import CHECK as KH309
from kharness.plan.policy.listening_ports import CHECK as KH308
from kharness.plan.policy.live_is_recorded import CHECK as KH402
from kharness.plan.policy.log_rotation import CHECK as KH116
from kharness.plan.policy.memory_limit import CHECK as KH110
from kharness.plan.policy.namespaces import CHECK as KH107
from kharness.plan.policy.no_new_privileges import CHECK as KH103
from kharness.plan.policy.non_root_user import CHECK as KH101
from kharness.plan.policy.package_manager import CHECK as KH305
from kharness.plan.policy.pids_limit import CHECK as KH112
from kharness.plan.policy.pinned_base import CHECK as KH302
from kharness.plan.policy.privileged import CHECK as KH106
from kharness.plan.policy.processes import CHECK as KH310
from kharness.plan.policy.production_is_live import CHECK as KH401
from kharness.plan.policy.published_ports import CHECK as KH114
from kharness.plan.policy.read_only_root import CHECK as KH105
from kharness.plan.policy.restart_limit import CHECK as KH113
from kharness.plan.policy.seccomp import CHECK as KH104
from kharness.plan.policy.secret_in_history import CHECK as KH306
from kharness.plan.policy.secret_in_layers import CHECK as KH307
from kharness.plan.policy.set_uid import CHECK as KH303
from kharness.plan.policy.world_writable import CHECK as KH304
from kharness.settings.model import Settings
from kharness.settings.policy import Policy, Profile

CHECKS: tuple[Check[Any], ...] = (
    KH101,
    KH102,
    KH103,
    KH104,
    KH105,
    KH106,
    KH107,
    KH108,
    KH109,
    KH110,
    KH111,
    KH112,
    KH113,
    KH114,
    KH115,
    KH116,
    KH117,
    KH201,
    KH301,
    KH302,
    KH303,
    KH304,
    KH305,
    KH306,
    KH307,
    KH308,
    KH309,
    KH310,
    KH401,
    KH402,
    KH403,
)
BY_ID = {check.id: check for check in CHECKS}


def profile_of(settings: Settings, *, default: Profile | None) -> Profile:
    """Return a container's profile: what it says, else what the host says, else by where its image comes from."""
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
    """Return the checks that a container is held to: of one that may end by itself nothing is asked that runs."""
    checks = checks_of(profile_of(settings, default=default))
    return tuple(check for check in checks if not (settings.may_end and check.part is Running))


def unknown_waivers(policy: Policy) -> tuple[str, ...]:
    """Return the waived identifiers that no check has."""
    return tuple(sorted(policy.waive.keys() - BY_ID.keys()))


def find_check(identifier: str) -> Check[Any]:
    """Return a check; `UsageError` where there is none."""
    found = BY_ID.get(identifier.upper())
    if found is None:
        raise UsageError(f"{identifier}: no such check; 'kharness policy list' names them")
    return found
