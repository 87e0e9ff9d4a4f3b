"""The failure bundle of a container that tells its secrets, without an engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kharness.ops.session.instance import Instance, InstanceFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByRunning
from kharness.plugin.bundle import bundle, complete
from kharness.testing import FakeEngine

SECRETS = ("hunter2-hunter2", 'say "cheese"', "zebra")


class Telling(Instance):
    """An instance whose health check said something."""

    output = ""

    def inspect(self) -> Mapping[str, Any]:
        return {"State": {"Status": "running", "Health": {"Log": [{"ExitCode": 1, "Output": self.output}]}}}


@pytest.fixture
def instance(tmp_path: Path) -> Telling:
    engine = FakeEngine(root=tmp_path)
    image = engine.put_image("web:1", labels={"fake.logs": "up with hunter2-hunter2 and zebra"})
    container = engine.create(RunSpec(name="web", image=image.id))
    engine.start(container)
    facts = InstanceFacts(name="web", container="web", id=container, image=image.id, mode="standalone")
    return Telling(engine, facts, ready=ByRunning, ready_timeout=1.0, secrets=SECRETS)


def says(instance: Telling, text: str) -> None:
    cast("FakeEngine", instance._engine).say(instance.id, text)


def test_the_log_is_shown_without_its_secrets(instance: Telling) -> None:
    assert dict(bundle(instance))["log of web (last 50 lines)"] == "up with *** and ***"


def test_the_log_is_shown_without_what_it_repeats(instance: Telling) -> None:
    looks = "".join(f"{port}: GET / 503\n" for port in range(200))
    says(instance, f"cannot open the database\n{looks}")
    log = dict(bundle(instance))["log of web (last 50 lines)"].splitlines()
    assert (log[1], log[-1], len(log)) == ("cannot open the database", "199: GET / 503", 5)


def test_of_several_failures_the_first_has_the_log_and_the_others_what_came_since(instance: Telling) -> None:
    stash: dict[Any, Any] = {}
    first = reported(instance, {}, stash, failed=True, sections=[], longrepr="no", nodeid="test_web.py::test_a")
    second = reported(instance, {}, stash, failed=True, sections=[], longrepr="no", nodeid="test_web.py::test_b")
    heading = "log of web (last 50 lines)"
    assert dict(first.sections)[heading] == "up with *** and ***"
    assert dict(second.sections)[heading] == "(as in the report of test_web.py::test_a)"
    assert dict(second.sections)["state of web"] == "(as in the report of test_web.py::test_a)"
    says(instance, "gone")
    third = reported(instance, {}, stash, failed=True, sections=[], longrepr="no", nodeid="test_web.py::test_c")
    assert dict(third.sections)[heading] == "(as in the report of test_web.py::test_a, and since then)\ngone"


@pytest.mark.parametrize(
    "output",
    [
        'denied: say "cheese"\n',
        # What is shown begins in the middle of the secret.
        f"hunter2-hunter2{'.' * 290}",
    ],
)
def test_what_a_health_check_said_is_hidden_before_it_is_cut_and_escaped(instance: Telling, output: str) -> None:
    instance.output = output
    told = dict(bundle(instance))["state of web"]
    assert "***" in told
    assert not [part for part in ("cheese", "hunter2") if part in told]


def reported(instance: Telling, stash: dict[Any, Any], session: dict[Any, Any] | None = None, **report: Any) -> Any:
    """Return the report of a test that works with the instance, as far as a bundle looks at it."""
    found = SimpleNamespace(**{"nodeid": "test_web.py::test", **report})
    config = SimpleNamespace(stash={} if session is None else session)
    item = SimpleNamespace(config=config, stash=stash, funcargs={"container": instance})
    complete(cast("pytest.Item", item), cast("pytest.TestReport", found))
    return found


def test_what_a_failed_test_compares_and_prints_is_hidden_but_for_words(instance: Telling) -> None:
    sections = [("Captured stdout call", "hunter2-hunter2 of the zebra")]
    longrepr = "assert 'hunter2-hunter2' == 'zebra'"
    report = reported(instance, {}, failed=True, sections=sections, longrepr=longrepr)
    assert report.sections[0] == ("Captured stdout call", "*** of the zebra")
    assert report.longrepr == "assert '***' == 'zebra'"
    assert "hunter2" not in json.dumps(report.sections)
    assert len(report.sections) > 1


def test_what_a_passed_test_prints_is_hidden_also_when_its_container_is_gone(instance: Telling) -> None:
    stash: dict[Any, Any] = {}
    sections = [("Captured stdout call", "hunter2-hunter2")]
    report = reported(instance, stash, failed=False, sections=sections, longrepr=None)
    assert report.sections == [("Captured stdout call", "***")]
    item = SimpleNamespace(config=SimpleNamespace(stash={}), stash=stash, funcargs={})
    last = SimpleNamespace(failed=False, sections=sections, longrepr=None)
    complete(cast("pytest.Item", item), cast("pytest.TestReport", last))
    assert last.sections == [("Captured stdout call", "***")]


def test_a_report_without_secrets_stays_what_it_is(instance: Telling) -> None:
    longrepr = object()
    assert reported(instance, {}, failed=True, sections=[], longrepr=longrepr).longrepr is longrepr
