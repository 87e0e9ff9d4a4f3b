"""Builds and launches ahead of the tests, on the engine in memory: in their order, and not too far ahead."""

from __future__ import annotations

import threading
from typing import Any

from kharness.errors import LaunchError
from kharness.ops.session.pipeline import Order, Pipeline
from kharness.ops.session.session import TestSession
from kharness.plan.session.modes import Mode
from kharness.settings.catalog import ContainerDir
from kharness.testing.recording import Call
from tests.ops.world import World

PATIENCE = 30.0
"""Seconds, far above what a busy machine needs."""


class Session:
    """A pipeline over directories of a world; `notices` are what it published, in order."""

    def __init__(self, world: World, *names: str, mode: Mode = Mode.STANDALONE, **order: Any) -> None:
        harness = world.harness(launch_parallel=1)
        self.session = TestSession(harness, session="s1", mode=mode)
        self.notices: list[tuple[str, str]] = []
        self.first: list[str] = []
        self.harness = harness
        directories = tuple(world.directory(name) for name in names)
        settings = {each.name: harness.settings(each) for each in directories}
        asked = Order(directories=directories, settings=settings, mode=mode, **order)
        self.pipeline = Pipeline(harness, self.session, self._publish, asked, first_release=self._first)

    def wait(self, name: str) -> None:
        """Wait as the tests of a directory do."""
        notice = self.pipeline.want(name)
        assert notice is not None
        notice.result(timeout=PATIENCE)

    def _publish(self, name: str, **notice: Any) -> None:
        self.notices.append((name, str(notice.get("error", "ready"))))

    def _first(self, directory: ContainerDir) -> None:
        self.first.append(directory.name)
        raise LaunchError(f"{directory.name}: its first release failed")


def add(world: World, name: str, settings: str = "{}", base: str = "") -> None:
    world.add(name, settings, **({"dockerfile": f"FROM ktools/{base}:live\n"} if base else {}))


def test_each_directory_is_built_and_launched_in_the_order_of_its_tests(world: World) -> None:
    for name in ("web", "db"):
        add(world, name)
    session = Session(world, "web", "db")
    session.pipeline.start()
    for name in ("web", "db"):
        session.wait(name)
    assert session.notices == [("web", "ready"), ("db", "ready")]
    assert world.engine.running == {"test-web-s1", "test-db-s1"}
    assert {*session.pipeline.seconds["web"]} == {"build", "ready"}
    assert session.pipeline.want("other") is None


def test_bases_are_built_first_and_what_is_built_on_a_failed_one_says_so(world: World) -> None:
    add(world, "app", base="base")
    add(world, "base", "{}")
    (world.directory("base").path / "Dockerfile").write_text("FROM missing/image:1\n")
    world.engine.fail_on["build"] = LaunchError("no such image")
    session = Session(world, "app", "base")
    session.pipeline.start()
    session.wait("app")
    session.wait("base")
    assert session.notices[0][0] == "base"
    assert session.notices[1] == ("app", "app: its base base could not be built")
    assert {*session.pipeline.errors} == {"app", "base"}


def test_a_base_without_a_live_image_is_released_first_and_its_failure_has_one_cause(world: World) -> None:
    for name in ("app", "web"):
        add(world, name, base="base")
    add(world, "base")
    session = Session(world, "app", "web")
    session.pipeline.start()
    session.wait("app")
    session.wait("web")
    assert session.first == ["base"]
    assert session.notices == [
        ("app", "base: its first release failed"),
        ("web", "web: its base base could not be released"),
    ]


def test_images_that_are_built_on_each_other_in_a_circle_all_fail(world: World) -> None:
    add(world, "aa", base="bb")
    add(world, "bb", base="aa")
    session = Session(world, "aa", "bb")
    session.pipeline.start()
    assert ["circle" in error for _, error in session.notices] == [True, True]
    session.wait("aa")


def test_launches_wait_for_room_unless_their_tests_wait_for_them(world: World) -> None:
    names = ("aa", "bb", "cc", "dd")
    for name in names:
        add(world, name)
    launched = threading.Semaphore(0)
    world.engine.after = lambda call: launched.release() if call.name == "start" else None
    session = Session(world, *names)
    session.pipeline.start()
    for _ in range(2):
        assert launched.acquire(timeout=PATIENCE)
    session.wait("bb")
    assert not launched.acquire(timeout=0.2), "one ahead at a time for each launch in parallel, twice that in all"
    session.pipeline.done_with("aa", keep=False)
    assert launched.acquire(timeout=PATIENCE), "an instance that is gone makes room"
    session.wait("dd")
    assert [name for name, _ in session.notices] == ["aa", "bb", "cc", "dd"]
    assert session.pipeline.end_of("aa") == ""


def test_tests_that_wait_for_a_later_directory_let_those_before_it_go_ahead(world: World) -> None:
    names = ("aa", "bb", "cc", "dd")
    for name in names:
        add(world, name)
    session = Session(world, *names)
    session.pipeline.start()
    session.wait("dd")
    assert [name for name, _ in session.notices] == [*names]


def test_a_failed_launch_makes_room(world: World) -> None:
    for name in ("aa", "bb", "cc", "dd"):
        add(world, name)
    failing = {"create test-aa-s1", "create test-bb-s1"}

    def fail(call: Call) -> None:
        if any(str(call).startswith(each) for each in failing):
            raise LaunchError("no")

    world.engine.before = fail
    session = Session(world, "aa", "bb", "cc", "dd")
    session.pipeline.start()
    notice = session.pipeline._notices["dd"]
    notice.result(timeout=PATIENCE)
    assert [text for _, text in session.notices][2:] == ["ready", "ready"]


def test_the_end_of_a_session_ends_all_waiting(world: World) -> None:
    for name in ("aa", "bb", "cc"):
        add(world, name)
    session = Session(world, "aa", "bb", "cc")
    session.pipeline.start()
    session.wait("bb")
    session.pipeline.close(wait=True)
    assert [name for name, _ in session.notices] == ["aa", "bb"]


def test_what_stopped_before_the_end_of_its_tests_is_noticed(world: World) -> None:
    add(world, "web", "restart: 'no'")
    session = Session(world, "web")
    session.pipeline.start()
    session.wait("web")
    (box,) = world.engine.boxes.values()
    world.engine.stop(box.id, timeout=0)
    session.pipeline.look_at_the_rest()
    assert "needs the fixture private_container" in session.pipeline.end_of("web")


def test_latest_is_tested_as_it_is_where_nothing_is_built(world: World) -> None:
    add(world, "web")
    image = world.engine.put_image("ktools/web:latest")
    add(world, "db")
    session = Session(world, "web", "db", no_build=True)
    session.pipeline.start()
    for name in ("web", "db"):
        session.wait(name)
    assert session.pipeline.built["web"].image.id == image.id
    assert "there is no ktools/db:latest" in session.pipeline.errors["db"]


def test_production_that_does_not_run_cannot_be_tested(world: World) -> None:
    add(world, "web")
    session = Session(world, "web", mode=Mode.IN_PROD)
    session.pipeline.start()
    session.wait("web")
    assert "web: production does not run: there is no container of it" in session.pipeline.errors["web"]
