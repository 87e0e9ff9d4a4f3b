"""The output of several containers as one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kharness.errors import EngineError, UsageError
from kharness.ops.host.logs import logs
from kharness.plan.facts import ContainerFacts, EngineFacts, LogLine
from tests.ops.world import World

DB, WEB = (ContainerFacts(id=name, name=name, image_id="sha256:1") for name in ("db", "web"))
BOTH = {"db": DB, "web": WEB}
Asked = tuple[str, int | None, str, bool]


class Talking:
    """An engine whose containers say one line after the other."""

    def __init__(self, *, endpoint: str = "unix:///s") -> None:
        self.said = {"db": [("1", "a"), ("4", "d")], "web": [("2", "b"), ("3", "c"), ("5", "e")]}
        self.asked: list[Asked] = []
        self.endpoint = endpoint

    def facts(self) -> EngineFacts:
        return EngineFacts(id="e", endpoint=self.endpoint)

    def log_lines(
        self, container: str, *, tail: int | None = None, after: str = "", follow: bool = False
    ) -> Iterator[LogLine]:
        self.asked.append((container, tail, after, follow))
        lines = [LogLine(at=at, text=text) for at, text in self.said[container] if at > after]
        yield from lines if tail is None else lines[len(lines) - tail :]
        if follow:
            yield LogLine(at="9", text=f"{container} is over")
            if container == "db":
                raise EngineError("db: the engine went away")


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World.create(tmp_path)


def read(world: World, engine: Talking, *, tail: int | None = None, follow: bool = False) -> list[str]:
    world.engine = engine  # type: ignore[assignment]
    return [f"{name} {line.text}" for name, line in logs(world.harness(), BOTH, tail=tail, follow=follow)]


def test_lines_are_in_the_order_of_their_times(world: World) -> None:
    assert read(world, Talking()) == ["db a", "web b", "web c", "db d", "web e"]
    assert read(world, Talking(), tail=1) == ["db d", "web e"]


def test_what_is_followed_goes_on_where_the_past_ended(world: World) -> None:
    engine = Talking()
    lines = read(world, engine, tail=1, follow=True)
    assert lines[:2] == ["db d", "web e"]
    assert set(lines[2:]) == {"db db is over", "web web is over"}
    assert {asked for asked in engine.asked if asked[3]} == {("db", None, "4", True), ("web", None, "5", True)}
    assert world.told == ["db: db: the engine went away"]


def test_no_past_at_all_means_none(world: World) -> None:
    engine = Talking()
    assert set(read(world, engine, tail=0, follow=True)) == {"db db is over", "web web is over"}
    assert {asked for asked in engine.asked if asked[3]} == {("db", 0, "", True), ("web", 0, "", True)}


def test_what_has_said_nothing_yet_is_followed_from_its_beginning(world: World) -> None:
    engine = Talking()
    engine.said = {"db": [], "web": []}
    read(world, engine, tail=3, follow=True)
    assert {asked for asked in engine.asked if asked[3]} == {("db", None, "", True), ("web", None, "", True)}


def test_more_than_ssh_allows_is_told_at_once(world: World) -> None:
    world.engine = Talking(endpoint="ssh://far:22")  # type: ignore[assignment]
    many = {str(number): WEB for number in range(5)}
    with pytest.raises(UsageError, match="over ssh the output of 4 containers at most"):
        next(logs(world.harness(), many))
