"""Launch production from `:live` by hand: no promotion, no tests, but never worse than before."""

from __future__ import annotations

from functools import partial

from kharness.errors import KharnessError, LaunchError, UsageError
from kharness.host.locks import lock
from kharness.ops.harness import Harness
from kharness.ops.putback import PutBack
from kharness.ops.readiness import wait_ready
from kharness.ops.release import LOCK_TIMEOUT, keyed
from kharness.ops.subject import production_subject
from kharness.ops.targets.engine import EngineTarget
from kharness.plan.facts import ContainerFacts
from kharness.plan.launch import LaunchPlan, plan_production_launch
from kharness.settings.catalog import ContainerDir


def relaunch(harness: Harness, directory: ContainerDir) -> ContainerFacts:
    """Replace what runs; it comes back when the new one does not become ready. Raises `LaunchError`, `UsageError`."""
    name = directory.name
    live = harness.engine.image(harness.tags(name).live)
    if live is None:
        raise UsageError(f"{name}: nothing is live yet; 'pytest {directory.path} --ready --promote' promotes an image")
    subject = production_subject(directory, harness.settings(directory), live)
    plan = keyed(plan_production_launch(subject, volume_root=harness.volume_root))
    target = EngineTarget(harness)
    with lock(harness.locks, f"release-{name}", timeout=LOCK_TIMEOUT):
        swap = target.replace(subject, plan)
        back = PutBack()
        back.add(partial(target.revert, swap))
        try:
            found = _ready(harness, plan, swap.new)
        except KharnessError as error:
            raise LaunchError("\n".join((str(error), *back.run()))) from error
        except BaseException as error:
            for left in back.run():
                error.add_note(left)
            raise
        for note in target.keep(swap):
            harness.report(name, note)
    return found


def _ready(harness: Harness, plan: LaunchPlan, container: str) -> ContainerFacts:
    wait_ready(harness.engine, container, plan.ready, spec=plan.spec, timeout=harness.host.ready_timeout)
    found = harness.engine.container(container)
    if found is None:
        raise LaunchError(f"{plan.spec.name}: the new container vanished")
    return found
