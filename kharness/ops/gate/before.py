"""Before a session tests anything: which services it need not test, and who answers for the host."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping

from kharness.ops.gate.inputs import inputs_now
from kharness.ops.harness import Harness
from kharness.ops.project.identity import productions
from kharness.ops.release.rollback import was_released
from kharness.plan.checks.catalog import checks_for
from kharness.plan.project import labels
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.settings.model import Settings


def find_unchanged(
    harness: Harness, directories: Iterable[ContainerDir], settings: Mapping[str, Settings], *, mode: Mode
) -> dict[str, str]:
    """Return the directories that passed with exactly their present inputs, with the image id that passed."""
    found = {}
    for directory in directories:
        if directory.name not in settings:
            continue
        now = inputs_now(harness, directory, settings[directory.name], mode=mode, candidates={})
        verdict = harness.state.verdict(directory.name, mode.value, now.key) if now else None
        if verdict and verdict.passed and harness.engine.image(verdict.image_id):
            found[directory.name] = verdict.image_id
    return found


def find_idle(
    harness: Harness, fleet: Iterable[ContainerDir], settings: Mapping[str, Settings]
) -> tuple[list[str], list[str]]:
    """Return the directories without a production container: never released, and released but not started by the host.

    Among the latter are bases, and containers that a user starts by hand now and then; named itself, each must run.
    """
    present = {each.labels[labels.NAME] for each in productions(harness)}
    absent = [each.name for each in fleet if each.name in settings and each.name not in present]
    unreleased = [name for name in absent if not was_released(harness, name)]
    return unreleased, [name for name in absent if name not in unreleased and settings[name].autostart is None]


def answers_for_host(
    harness: Harness, names: Iterable[str], settings: Mapping[str, Settings], *, out: Container[str]
) -> str:
    """Return the first directory that has checks of the host itself, which run once; empty without one.

    `out` are those that are not tested.
    """
    default = harness.host.policy
    return next(
        (
            name
            for name in names
            if name in settings
            and name not in out
            and any(check.of_host for check in checks_for(settings[name], default=default))
        ),
        "",
    )
