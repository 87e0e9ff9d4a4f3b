"""The steps of every operation, in their order, with what a person does where the way back fails."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.plan.image.tags import Tags
from kharness.plan.release.operation import Data, Former, Kind, Operation, Provenance
from kharness.plan.release.steps import Act, Strategy, plan_rollout, step_texts, strategy_of

OLD = Former(id="0123456789abcdef", name="web", image="sha256:one", was_up=True, restart="on-failure", retries=5)
PROMOTION = Operation(
    id="op1",
    kind=Kind.PROMOTE,
    name="web",
    image="sha256:two",
    live="sha256:one",
    prev=None,
    tags=Tags("shop", "web"),
    evidence=Provenance(session="s", tests=1),
    at=0.0,
)
LAUNCH = replace(PROMOTION, kind=Kind.LAUNCH, container="web", former=OLD)
DATA = Data(root="/rw/dv", keep=3, after=7)


def test_a_promotion_moves_prev_before_live_so_that_no_image_is_without_a_name() -> None:
    steps = plan_rollout(Strategy.PROMOTE, None, PROMOTION)
    assert [(step.act, step.says, step.by_hand) for step in steps] == [
        (Act.PREV, "tag one as shop/web:prev", "docker rmi shop/web:prev"),
        (Act.LIVE, "tag two as shop/web:live", "docker tag sha256:one shop/web:live"),
    ]


def test_a_launch_creates_the_new_container_before_it_stops_the_old_one() -> None:
    operation = replace(LAUNCH, fresh=("/rw/dv/web/data",))
    assert step_texts(plan_rollout(Strategy.RECREATE, OLD, operation)) == (
        "tag one as shop/web:prev",
        "tag two as shop/web:live",
        "create /rw/dv/web/data",
        "create the new container as web.new",
        "stop web",
        "rename the old container to web.old, where it stays until the new one is verified",
        "start the new container as web",
        "verify it in place; where that fails, all of this is undone",
    )


def test_the_data_are_taken_while_neither_container_runs() -> None:
    acts = [step.act for step in plan_rollout(Strategy.RECREATE, OLD, replace(LAUNCH, data=DATA))]
    assert acts.index(Act.STOP) < acts.index(Act.SNAPSHOT) < acts.index(Act.SWITCH)
    # On the way back the new one goes first, and the old one starts on its own data.
    back = [*reversed(acts)]
    assert back.index(Act.SWITCH) < back.index(Act.SNAPSHOT) < back.index(Act.STOP) < back.index(Act.POLICY)


def test_a_first_launch_has_no_old_container_to_put_aside() -> None:
    acts = {step.act for step in plan_rollout(Strategy.RECREATE, None, replace(LAUNCH, former=None))}
    assert not acts & {Act.POLICY, Act.STOP, Act.ASIDE}


def test_what_failed_on_the_way_back_is_named_with_the_command_that_a_person_types() -> None:
    steps = {step.act: step for step in plan_rollout(Strategy.RECREATE, OLD, replace(LAUNCH, data=DATA))}
    error = OSError("no")
    assert [steps[act].left(error) for act in (Act.SWITCH, Act.SNAPSHOT, Act.ASIDE, Act.STOP, Act.POLICY)] == [
        (
            "web: the new container may still be there: no; "
            "by hand: docker ps -aq --filter label=kharness.release=op1 | xargs -r docker rm -f"
        ),
        (
            "web: the data may not be what they were: no; "
            "by hand: mv /rw/dv/web /rw/dv/web.discarded; mv /rw/dv/.kharness/snapshots/web/op1/data /rw/dv/web"
        ),
        "web: the old container may have another name: no; by hand: docker rename 0123456789ab web",
        "web: the old container may not run: no; by hand: docker start 0123456789ab",
        (
            "web: the old container may lack its restart policy: no; "
            "by hand: docker update --restart on-failure:5 0123456789ab"
        ),
    ]
    assert steps[Act.DIRECTORIES].left(error) == "no"


def test_a_restoration_exchanges_every_directory_while_the_container_stands_still() -> None:
    operation = replace(PROMOTION, kind=Kind.RESTORE, container="web", former=OLD, restored=("/rw/dv/web", "/vol/x"))
    steps = plan_rollout(Strategy.EXCHANGE, OLD, operation)
    assert step_texts(steps) == (
        "prepare the data for /rw/dv/web",
        "prepare the data for /vol/x",
        "stop web",
        "put the present data of /rw/dv/web aside, and the others in their place",
        "put the present data of /vol/x aside, and the others in their place",
        "start web, and wait until it is ready",
    )
    assert next(step for step in steps if step.of == "/vol/x" and step.by_hand).by_hand == (
        "docker stop 0123456789ab; mv /vol/x /vol/x.restored; mv /vol/.kharness/snapshots/x/op1/data /vol/x"
    )


def test_what_was_down_is_not_started_after_its_data_were_exchanged() -> None:
    down = replace(OLD, was_up=False)
    operation = replace(PROMOTION, container="web", former=down, restored=("/rw/dv/web",))
    assert "start web, and wait until it is ready" not in step_texts(plan_rollout(Strategy.EXCHANGE, down, operation))


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (PROMOTION, Strategy.PROMOTE),
        (LAUNCH, Strategy.RECREATE),
        (replace(LAUNCH, restored=("/rw/dv/web",)), Strategy.EXCHANGE),
    ],
)
def test_the_journal_tells_by_which_steps_an_operation_is_undone(operation: Operation, expected: Strategy) -> None:
    assert strategy_of(operation) is expected


def test_another_target_may_launch_by_steps_of_its_own() -> None:
    assert strategy_of(LAUNCH, launches=Strategy.REPLACE) is Strategy.REPLACE
    assert [step.act for step in plan_rollout(Strategy.REPLACE, OLD, LAUNCH)] == [
        Act.PREV,
        Act.LIVE,
        Act.STAGE,
        Act.SWITCH,
        Act.VERIFY,
    ]
