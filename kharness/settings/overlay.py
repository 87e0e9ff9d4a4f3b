"""What a test instance is launched from: production's settings with `test:` laid over them."""

from __future__ import annotations

from typing import Any

from kharness.settings.model import Settings
from kharness.settings.secrets import merged
from kharness.settings.service import ServiceKeys
from kharness.settings.volumes import Tmpfs, Volume

NOT_INHERITED = ("labels", "container_name", "ports", "networks", "env_file")
"""What would collide with production or speak in its name; a test instance has it only where `test:` says so."""
MERGED = ("environment", "sysctls")


def for_test(settings: Settings) -> Settings:
    """Return the settings of a test instance; `test` itself stays as it is.

    A key that `test:` says replaces production's, `environment` and `sysctls` are merged by name, a volume or tmpfs
    replaces what production mounts at the same target. A secret has its test value, and nothing without one.
    """
    test = settings.test
    said = test.model_fields_set & ServiceKeys.model_fields.keys()
    changes: dict[str, Any] = {
        key: ServiceKeys.model_fields[key].get_default(call_default_factory=True)
        for key in NOT_INHERITED
        if key not in test.same
    }
    changes |= {key: getattr(test, key) for key in said}
    changes |= {key: {**getattr(settings, key), **getattr(test, key)} for key in MERGED}
    changes["secrets"] = merged(settings.secrets, test.secrets, same="secrets" in test.same)
    tmpfs = test.tmpfs if "tmpfs" in said else settings.tmpfs
    changes["volumes"] = _volumes(settings.volumes, test.volumes, hidden=test.tmpfs or ())
    changes["tmpfs"] = _visible(tmpfs, hidden=test.volumes)
    return settings.model_copy(update=changes)


def _volumes(
    production: tuple[Volume, ...], test: tuple[Volume, ...], *, hidden: tuple[Tmpfs, ...]
) -> tuple[Volume, ...]:
    covered = {mount.target for mount in hidden}
    by_target = {volume.target: volume for volume in production if volume.target not in covered}
    return tuple({**by_target, **{volume.target: volume for volume in test}}.values())


def _visible(tmpfs: tuple[Tmpfs, ...] | None, *, hidden: tuple[Volume, ...]) -> tuple[Tmpfs, ...] | None:
    covered = {volume.target for volume in hidden}
    return None if tmpfs is None else tuple(mount for mount in tmpfs if mount.target not in covered)
