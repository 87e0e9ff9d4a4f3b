"""Commands over many containers have those of all projects, in the order of all waves."""

from __future__ import annotations

from pathlib import Path

import pytest

from kharness.ops.fleet.course import Fleet, Group
from kharness.ops.fleet.groups import join_groups, plan_group
from kharness.ops.fleet.members import NEVER_LIVE, NO_TESTS, Options
from kharness.plan.fleet.course import CourseStep, End, Hold, can_begin, join_courses, plan_course, stages
from tests.ops.world import World

BLOG = """\
services:
  web: {image: x, depends_on: [db], x-kharness: {autostart: 5}}
  db: {image: x, volumes: ["data:/data"], x-kharness: {autostart: 5}}
volumes: {data: {}}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    found = World.create(tmp_path)
    found.engine.put_image("x")
    found.add("dns", "autostart: 1\n")
    found.add("report", "autostart: 9\n")
    return found


def _joined(world: World, command: str, options: Options | None = None) -> Group:
    groups = {}
    for prefix, harness in (("", world.harness()), ("blog/", world.compose(BLOG, "blog"))):
        fleet = Fleet(harness=harness, settings=harness.fleet()[0], host="attic")
        groups[prefix] = plan_group(command, fleet, options or Options())
    return join_groups(groups)


def _staged(group: Group) -> list[list[str]]:
    return [[step.name for step in stage] for stage in stages(group.course)]


def test_a_project_that_was_never_live_does_not_start_with_the_host(world: World) -> None:
    group = _joined(world, "up-all")
    assert _staged(group) == [["dns"], ["report"]]
    assert group.left_out == {"blog": NEVER_LIVE}
    assert "blog" in _joined(world, "upgrade-all").left_out


def test_services_start_in_their_wave_among_those_of_other_projects(world: World) -> None:
    world.engine.put_image("kharness/blog-db:live")
    assert _staged(_joined(world, "up-all")) == [["dns"], ["blog/db"], ["blog/web"], ["report"]]


def test_the_last_wave_of_all_projects_stops_first(world: World) -> None:
    world.engine.put_image("kharness/blog-db:live")
    assert _staged(_joined(world, "down-all")) == [["report"], ["blog/web"], ["blog/db"], ["dns"]]


def test_a_service_that_fails_holds_back_what_needs_it_by_its_whole_name(world: World) -> None:
    world.engine.put_image("kharness/blog-db:live")
    course = _joined(world, "up-all").course
    ends = {"dns": End.DONE, "blog/db": End.FAILED}
    assert [(step.name, why) for step, why in can_begin(course, ends, hold=Hold.NEEDS)] == [
        ("blog/web", "it needs blog/db, which failed"),
    ]


def test_a_project_is_one_session(world: World) -> None:
    harness = world.compose(BLOG, "blog")
    assert _joined(world, "test-all").left_out["blog"] == NO_TESTS
    (harness.catalog.directories[0].path / "test_blog.py").write_text("def test_it(stack): ...\n")
    group = _joined(world, "test-all", Options(flags=("--ready",), mode_is_given=False))
    assert [step.name for step in group.course.steps] == ["blog"]
    assert group.would("blog").endswith("stacks/blog --prod-ready")


def test_a_name_in_two_projects_is_two_steps() -> None:
    course = plan_course({"web": 1}, {})
    found = join_courses({"": course, "shop/": course})
    assert [step.name for step in found.steps] == ["shop/web", "web"]
    assert found.steps[0] == CourseStep(name="shop/web", wave=1)
