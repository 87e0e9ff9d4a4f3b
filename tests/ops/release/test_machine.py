"""Any sequence of releases, deaths, failures, prunings and recoveries: production is never lost."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kharness.errors import EngineError, KharnessError
from kharness.ops.image.prune import prune
from kharness.ops.release.recover import recover
from kharness.ops.release.release import promote
from kharness.ops.release.rollback import roll_back
from kharness.plan.facts import ImageFacts
from tests.ops.release.test_recover import Death, Killed
from tests.ops.releases import EVIDENCE, Production

PLACES = st.integers(0, 14)
WHEN = st.sampled_from(["before", "after"])
VERSIONS = st.integers(0, 4)


class Releases(RuleBasedStateMachine):
    """Production of one container, and everything that can happen to it."""

    @initialize()
    def first_launch(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="kharness-machine-"))
        self.web = Production(self.path / "web")
        self.images: dict[int, ImageFacts] = {}
        assert self.web.launch(self.image(0)).ok

    def teardown(self) -> None:
        try:
            self.recover()
        finally:
            shutil.rmtree(self.path)

    def image(self, version: int) -> ImageFacts:
        known = self.images.get(version)
        if known is None or self.web.engine.image(known.id) is None:
            # One that was pruned is built again.
            self.images[version] = self.web.image(str(version), labels={"version": str(version)})
        return self.images[version]

    def dying(self, work: Callable[[], object], *, number: int, when: str) -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            death = Death(self.web, monkeypatch, number=number, when=when)
            with suppress(Killed, KharnessError):
                work()
            death.over()

    @rule(version=VERSIONS, fit=st.booleans())
    def launch(self, version: int, *, fit: bool) -> None:
        with suppress(KharnessError):
            self.web.launch(self.image(version), verify=lambda: () if fit else ("it is broken",))

    @rule(version=VERSIONS, number=PLACES, when=WHEN)
    def launch_and_die(self, version: int, number: int, when: str) -> None:
        image = self.image(version)
        self.dying(lambda: self.web.launch(image), number=number, when=when)

    @rule(version=VERSIONS, number=PLACES, when=WHEN, lasting=st.booleans())
    def launch_on_an_engine_that_fails(self, version: int, number: int, when: str, *, lasting: bool) -> None:
        image = self.image(version)
        self.web.fail(EngineError("flaky"), number=number * 3, when=when, onwards=lasting)
        with suppress(KharnessError):
            self.web.launch(image)
        self.web.heal()

    @rule(version=VERSIONS)
    def promote(self, version: int) -> None:
        with suppress(KharnessError):
            promote(self.web.world.harness(), "web", self.image(version).id, EVIDENCE)

    @rule(number=PLACES, when=WHEN)
    def roll_back_and_die(self, number: int, when: str) -> None:
        def work() -> None:
            roll_back(self.web.world.harness(), self.web.world.directory("web"), verify=lambda: ())

        self.dying(work, number=number, when=when)

    @rule(number=PLACES, when=WHEN)
    def recover_and_die(self, number: int, when: str) -> None:
        self.dying(lambda: recover(self.web.world.harness()), number=number, when=when)

    @rule(keep=st.integers(1, 3))
    def prune(self, keep: int) -> None:
        for version in list(self.images):
            with suppress(KharnessError):
                self.web.engine.untag(f"built/web:{version}")
        with suppress(KharnessError):
            tuple(prune(self.web.world.harness(), keep=keep))

    @rule()
    def stopped_containers_are_pruned_by_somebody(self) -> None:
        for box in list(self.web.engine.boxes.values()):
            if box.state == "exited":
                self.web.engine.remove(box.id, force=True)

    @invariant()
    def never_twice(self) -> None:
        assert not self.web.together

    @rule()
    def recover(self) -> None:
        """Whatever happened before: it runs, by its name, with its policy, and is what was launched last."""
        recover(self.web.world.harness())
        assert self.web.world.harness().state.operations() == ()
        running = [box for box in self.web.engine.boxes.values() if box.running]
        assert [box.name for box in running] == ["web"]
        assert running[0].restart == "on-failure"
        rows = self.web.world.harness().state.releases("web", limit=1000)
        assert running[0].image.id == next(row.image_id for row in rows if row.kind in {"launch", "rollback"})
        moved = next(row.image_id for row in rows if row.kind in {"promote", "launch", "rollback"})
        assert self.web.world.tagged("ktools/web:live") == moved


TestReleases = Releases.TestCase
TestReleases.settings = settings(
    max_examples=100, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck)
)
