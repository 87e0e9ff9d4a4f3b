"""The services of a project as one stack: in order, on its networks, and with copies of one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kharness.engine.api import Engine
from kharness.errors import LaunchError
from kharness.ops.harness import Harness
from kharness.ops.opening import open_compose
from kharness.ops.session.instance import Instance
from kharness.ops.session.stack import StackLaunch, production_stack
from kharness.ops.session.stack_session import StackSession
from kharness.plan import labels
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, RunSpec
from kharness.plan.session.modes import Mode
from kharness.settings.compose.folder import compose_folder
from kharness.settings.host import HostSettings

SLEEP = '[sh, -c, "exec sleep 1000"]'
WRITES = "i=0; while :; do i=$((i + 1)); echo $i > /a/t; mv /a/t /a/n; usleep 20000; done"
FOLLOWS = "while :; do cat /a/n > /b/t && mv /b/t /b/n; usleep 2000; done"


class Shop:
    """A Compose project of a test's own on the engine."""

    def __init__(self, path: Path, engine: Engine, image: str) -> None:
        self.path = path
        self.engine = engine
        self.image = image
        self.told: list[str] = []
        self.name = path.name

    def harness(self, text: str) -> Harness:
        self.path.mkdir(exist_ok=True)
        (self.path / "compose.yaml").write_text(text.replace("IMAGE", self.image).replace("SLEEP", SLEEP))
        folder = compose_folder(self.path)
        assert folder is not None
        host = HostSettings(
            source_paths=(),
            dv=self.path.parent / "dv",
            state_dir=self.path.parent / "state",
            repository="kharness-test",
        )
        found = open_compose(folder, environ={}, engine=self.engine, host=host)
        return replace(found, report=lambda who, what: self.told.append(f"{who}: {what}"))

    def launch(self, text: str, *, mode: Mode = Mode.STANDALONE) -> StackLaunch:
        harness = self.harness(text)
        settings, broken = harness.fleet()
        assert not broken
        session = StackSession(harness, session=f"s{self.name[-6:]}", mode=mode)
        return StackLaunch(harness, session, settings)

    def produce(self, service: str, script: str, **volumes: str) -> str:
        image = self.engine.image(self.image)
        assert image is not None
        said = labels.production(self.name, service, folder=str(self.path), image=image.id)
        spec = RunSpec(
            name=f"{self.name}-{service}-1",
            image=image.id,
            command=("sh", "-c", script),
            labels=said,
            mounts=tuple(
                Mount(kind=MountKind.VOLUME, source=f"{self.name}_{key}", target=target)
                for key, target in volumes.items()
            ),
            networks=(Attachment(network="none"),),
        )
        container = self.engine.create(spec)
        self.engine.start(container)
        return container

    def left(self) -> list[str]:
        ours: dict[str, Any] = {labels.PROJECT: self.name, labels.ROLE: labels.ROLE_TEST}
        found = (
            self.engine.containers(labels=ours),
            self.engine.networks(labels=ours),
            self.engine.volumes(labels=ours),
        )
        return [each.name for kind in found for each in kind]


def networks_of(instance: Instance) -> dict[str, Any]:
    return dict(instance.inspect()["NetworkSettings"]["Networks"])


@pytest.fixture
def shop(tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Shop]:
    found = Shop(tmp_path / f"{prefix}shop".strip("-"), engine, busybox)
    yield found
    for container in engine.containers(labels={labels.PROJECT: found.name}):
        engine.remove(container.id, force=True)
    for key in ("a", "b"):
        if engine.volume(f"{found.name}_{key}"):
            engine.remove_volume(f"{found.name}_{key}")
    for image in engine.images():
        for tag in image.tags:
            if f"/{found.name}-" in tag:
                engine.untag(tag)


def test_services_are_found_by_the_names_of_production(shop: Shop) -> None:
    text = """\
services:
  db: {image: IMAGE, command: SLEEP, restart: 'no', networks: {back: {aliases: [database]}}}
  web: {image: IMAGE, command: SLEEP, restart: 'no', networks: [back], depends_on: [db]}
  alone: {image: IMAGE, command: SLEEP, restart: 'no'}
networks: {back: {}}
"""
    launch = shop.launch(text)
    try:
        stack = launch.launch()
        assert list(stack).index("db") < list(stack).index("web")
        for name in ("db", "database", f"{shop.name}-db-1"):
            assert stack["web"].exec("ping", "-c", "1", name).ok
        assert not stack["alone"].exec("ping", "-c", "1", "database").ok
    finally:
        launch.close()
    assert shop.left() == []


def test_a_project_without_a_way_out_reaches_nobody_and_one_service_s_door_is_its_own(shop: Shop) -> None:
    text = """\
services:
  open: {image: IMAGE, command: SLEEP, restart: 'no', x-kharness: {test: {egress: true}}}
  shut: {image: IMAGE, command: SLEEP, restart: 'no'}
"""
    launch = shop.launch(text)
    try:
        stack = launch.launch()
        on_open, on_shut = (networks_of(stack[name]) for name in ("open", "shut"))
        [(common, _)] = on_shut.items()
        [own] = on_open.keys() - {common}
        found = {name: shop.engine.network(name) for name in (common, own)}
        assert [net.internal for net in found.values() if net] == [True, False]
        assert f"default via {on_open[own]['Gateway']} " in stack["open"].exec("ip", "route").stdout
    finally:
        launch.close()
    assert shop.left() == []


def test_a_job_that_fails_ends_the_launch_of_those_that_need_it(shop: Shop) -> None:
    text = """\
services:
  job: {image: IMAGE, command: [sh, -c, "echo no luck; exit 3"], restart: 'no'}
  web: {image: IMAGE, command: SLEEP, restart: 'no', depends_on: {job: {condition: service_completed_successfully}}}
"""
    launch = shop.launch(text)
    try:
        with pytest.raises(LaunchError, match=r"job: others need it to complete successfully, and it exited with 3\n"):
            launch.launch()
    finally:
        launch.close()
    assert shop.left() == []


@pytest.mark.usefixtures("as_root")
def test_copies_of_an_application_and_its_database_are_of_one_moment(shop: Shop) -> None:
    text = """\
services:
  app: {image: IMAGE, command: SLEEP, restart: 'no', volumes: ["aa:/a"]}
  db: {image: IMAGE, command: SLEEP, restart: 'no', volumes: ["bb:/b"]}
volumes: {aa: {name: NAME_a}, bb: {name: NAME_b}}
""".replace("NAME", shop.name)
    shop.harness(text)
    writers = [shop.produce("app", WRITES, a="/a"), shop.produce("db", FOLLOWS, a="/a", b="/b")]
    while not shop.engine.exec(writers[1], ["cat", "/b/n"]).stdout:
        pass
    for _ in range(3):
        launch = shop.launch(
            text.replace('"a:/a"', f'"{shop.name}_a:/a"').replace('"b:/b"', f'"{shop.name}_b:/b"'), mode=Mode.PROD_READY
        )
        shop.told.clear()
        try:
            stack = launch.launch()
            counts = [int(stack["app"].exec("cat", "/a/n").stdout), int(stack["db"].exec("cat", "/b/n").stdout)]
        finally:
            launch.close()
        # The follower may be one step behind; a standstill for each volume would be many apart.
        assert abs(counts[0] - counts[1]) <= 1
        [line] = [line for line in shop.told if "was paused" in line]
        assert line.startswith(f"app, db: {shop.name}-app-1, {shop.name}-db-1 was paused for ")
    assert all(found.state == "running" for each in writers if (found := shop.engine.container(each)))
    assert shop.left() == []


def test_production_is_a_stack_as_well_and_one_service_that_does_not_run_is_named(shop: Shop) -> None:
    text = """\
services:
  app: {image: IMAGE, command: SLEEP, restart: 'no'}
  db: {image: IMAGE, command: SLEEP, restart: 'no'}
"""
    harness = shop.harness(text)
    settings, _ = harness.fleet()
    container = shop.produce("app", "exec sleep 1000")
    with pytest.raises(LaunchError, match="db: production does not run: there is no container of it"):
        production_stack(harness, settings)
    stack = production_stack(harness, {"app": settings["app"]})
    assert (stack["app"].id, stack["app"].mode) == (container, Mode.IN_PROD)
    assert stack["app"].exec("true").ok
