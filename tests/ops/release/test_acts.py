"""Each step of each operation has a way to be done: an operation that has none would stop in its middle."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.ops.release.acts import HANDLERS
from kharness.ops.release.engine_target import EngineTarget
from kharness.ops.release.target import Target
from kharness.plan.release.steps import Strategy, plan_rollout
from tests.ops.release.memory_target import Cluster, MemoryTarget
from tests.ops.world import World
from tests.plan.release.test_steps import DATA, LAUNCH, OLD

WHOLE = replace(LAUNCH, fresh=("/rw/dv/web",), data=DATA, restored=("/rw/dv/web",))


@pytest.mark.parametrize("strategy", Strategy)
def test_every_act_has_a_handler_here_or_at_the_target(world: World, strategy: Strategy) -> None:
    harness = world.harness()
    target: Target = EngineTarget(harness)
    if strategy is Strategy.REPLACE:
        target = MemoryTarget(Cluster(), harness)
    acts = {step.act for step in plan_rollout(strategy, OLD, WHOLE)}
    assert acts <= HANDLERS.keys() | target.handlers.keys()


def test_no_target_redefines_what_is_done_everywhere(world: World) -> None:
    assert HANDLERS.keys().isdisjoint(EngineTarget(world.harness()).handlers)
