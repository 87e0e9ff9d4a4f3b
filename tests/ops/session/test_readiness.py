"""Waiting until a container is ready, with a clock that moves when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from kharness.errors import EngineError, LaunchError
from kharness.ops.session.readiness import FIRST_PAUSE, LONGEST_PAUSE, wait_ready
from kharness.plan.facts import ContainerFacts, ExecResult, HealthFacts, PortRef
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.readiness import ByHealth, ByPorts, ByRunning, ReadyCheck
from kharness.testing import FakeEngine

HEALTH = ByHealth(("check", "--deep"), timeout=3.0)
PORTS = ByPorts((PortRef(80), PortRef(443)))
OK, NO = ExecResult(0, "", ""), ExecResult(1, "still\nloading\n", "")


@dataclass
class Clock:
    """`then` is called at the moments that it names."""

    now: float = 100.0
    naps: list[float] = field(default_factory=list)
    then: dict[float, Callable[[], None]] = field(default_factory=dict)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.naps.append(seconds)
        # As on a real clock, time goes on even when nearly nothing was asked for.
        self.now += max(seconds, 1e-6)
        for moment in [moment for moment in self.then if self.now - 100.0 >= moment]:
            self.then.pop(moment)()


class Launched:
    """A container that has just been started."""

    def __init__(self, *, restart: str = "no", **spec: Any) -> None:
        self.engine = FakeEngine()
        self.clock = Clock()
        self.spec = RunSpec(name="web", image="web:1", restart=restart, **spec)

    def start(self, **image: Any) -> Launched:
        self.engine.put_image("web:1", **image)
        self.id = self.engine.create(self.spec)
        self.engine.start(self.id)
        return self

    def wait(self, check: ReadyCheck, *, timeout: float = 10.0) -> float:
        took = wait_ready(
            self.engine, self.id, check, spec=self.spec, timeout=timeout, clock=self.clock, sleep=self.clock.sleep
        )
        return round(took, 3)

    def reason(self, check: ReadyCheck, *, timeout: float = 10.0) -> str:
        with pytest.raises(LaunchError) as caught:
            self.wait(check, timeout=timeout)
        return str(caught.value)

    def answer(self, *answers: ExecResult) -> None:
        """Let the health command answer so, the last for ever."""
        left: Iterator[ExecResult] = iter(answers)
        last = [answers[0]]

        def script(_: ContainerFacts, argv: tuple[str, ...]) -> ExecResult | None:
            if argv != HEALTH.argv:
                return None
            last[0] = next(left, last[0])
            return last[0]

        self.engine.script = script

    @property
    def waited(self) -> float:
        return round(self.clock.now - 100.0, 3)


@pytest.fixture
def web() -> Launched:
    return Launched().start()


def test_what_is_ready_at_once_is_not_waited_for(web: Launched) -> None:
    assert web.wait(HEALTH) == 0.0
    assert web.clock.naps == []


def test_a_health_command_is_asked_again_soon_and_then_more_slowly(web: Launched) -> None:
    web.answer(NO, NO, NO, OK)
    assert web.wait(HEALTH) == pytest.approx(FIRST_PAUSE * (1 + 1.1 + 1.21), abs=1e-3)
    web.answer(*[NO] * 60, OK)
    web.wait(HEALTH, timeout=60)
    assert max(web.clock.naps) == LONGEST_PAUSE


def test_a_health_command_that_says_no_to_the_end_is_quoted(web: Launched) -> None:
    web.answer(NO)
    text = web.reason(HEALTH)
    assert text.startswith(
        "web: was not ready after 10 s: its health command 'check --deep' exits with 1: still / loading"
    )
    assert web.waited == 10.0


def test_a_health_command_gets_its_own_time_and_no_more_than_is_left(web: Launched) -> None:
    given: list[float] = []

    def hang(call: Any) -> None:
        if call.name == "exec":
            given.append(call.kwargs["timeout"])
            web.clock.now += call.kwargs["timeout"]
            raise TimeoutError(f"check still runs after {call.kwargs['timeout']:g} s")

    web.engine.before = hang
    text = web.reason(HEALTH, timeout=7.0)
    assert "its health command did not answer: check still runs" in text
    assert given[:2] == [3.0, 3.0]
    assert len(given) == 3
    assert given[2] < 1.0
    assert web.waited == pytest.approx(7.0, abs=0.2)


def test_the_last_answer_counts_more_than_a_look_that_time_ran_out_for(web: Launched) -> None:
    web.answer(NO)

    def slow(call: Any) -> None:
        if call.name == "exec" and call.kwargs["timeout"] < 1.0:
            raise TimeoutError("check still runs after 0.1 s")

    web.engine.before = slow
    assert "its health command 'check --deep' exits with 1: still / loading" in web.reason(HEALTH)


def test_looks_that_the_container_logs_do_not_hide_what_it_said_before() -> None:
    looks = "".join(f"127.0.0.1:{port}: GET / 503\n" for port in range(40_000, 40_050))
    web = Launched().start(labels={"fake.logs": f"cannot open the database\n{looks}"})
    web.answer(NO)
    lines = web.reason(HEALTH).splitlines()
    assert lines[1:] == [
        "    | cannot open the database",
        "    | 127.0.0.1:40000: GET / 503",
        "    | (this line 48 times more, with other numbers, and then)",
        "    | 127.0.0.1:40049: GET / 503",
    ]


def test_a_health_command_that_the_engine_cannot_run_now_is_tried_again(web: Launched) -> None:
    def refuse(call: Any) -> None:
        if call.name == "exec":
            web.engine.before = lambda _: None
            raise EngineError("the container is not running yet")

    web.engine.before = refuse
    assert web.wait(HEALTH) == FIRST_PAUSE


@pytest.mark.parametrize("status", [126, 127])
def test_a_health_command_that_can_never_run_ends_the_wait_early(web: Launched, status: int) -> None:
    web.engine.say("web", "listening")
    web.answer(ExecResult(status, "", "exec: check: not found\n"))
    text = web.reason(HEALTH, timeout=60.0)
    assert text == (
        f"web: can never be ready: its health command 'check --deep' exits with {status}: exec: check: not found; "
        "it cannot run in this image\n    | listening"
    )
    assert 2.0 <= web.waited < 3.0


def test_a_health_command_that_the_entry_point_has_yet_to_make_is_waited_for(web: Launched) -> None:
    missing = ExecResult(127, "", "not found")
    web.answer(*[missing] * 10, OK)
    assert web.wait(HEALTH) < 2.0
    web.answer(*[missing] * 10, NO, *[missing] * 10, OK)
    assert web.wait(HEALTH) < 4.0


@pytest.mark.parametrize("check", [HEALTH, PORTS, ByRunning()])
def test_an_exit_with_failure_ends_the_wait_at_once_with_the_last_words_and_advice(check: ReadyCheck) -> None:
    logs = "".join(f"line {'x' * number}\n" for number in range(40)) + "mkdir /var/x: Read-only file system"
    web = Launched(read_only=True, cap_drop=("ALL",), pids_limit=5).start(labels={"fake.exit": "3", "fake.logs": logs})
    text = web.reason(check, timeout=60.0)
    assert web.waited == 0.0
    assert text.startswith(f"web: exited with 3 instead of becoming ready\n    | line {'x' * 21}\n")
    assert "    | mkdir /var/x: Read-only file system\n    hint: the root file system is read-only" in text
    assert "read_only: false" in text
    assert text.count("hint: ") == 1


def test_an_exit_in_the_middle_of_the_wait_ends_it(web: Launched) -> None:
    web.answer(NO)
    web.clock.then[1.0] = lambda: web.engine.crash("web", 5)
    assert "exited with 5" in web.reason(HEALTH)
    assert web.waited < 1.3


def test_a_container_that_printed_nothing_is_said_to_have(web: Launched) -> None:
    web.engine.crash("web", 1)
    assert web.reason(ByRunning()).splitlines()[1] == "    (it printed nothing)"


def test_logs_that_cannot_be_read_do_not_hide_the_reason(web: Launched) -> None:
    web.engine.crash("web", 1)
    web.engine.fail_on["logs"] = EngineError("no such file")
    assert web.reason(ByRunning()).startswith("web: exited with 1")


def test_a_container_that_its_policy_restarts_over_and_over_is_not_ready() -> None:
    web = Launched(restart="always").start(labels={"fake.exit": "7"})
    assert "keeps restarting; it last exited with 7" in web.reason(PORTS)


def test_a_container_that_is_removed_meanwhile_is_told(web: Launched) -> None:
    web.answer(NO)
    web.clock.then[0.1] = lambda: web.engine.remove("web", force=True)
    assert web.reason(HEALTH) == "web: the container was removed while it started"


@pytest.mark.parametrize("check", [ByRunning(may_exit=True), ByHealth(HEALTH.argv, may_exit=True)])
def test_a_job_that_may_end_is_ready_when_it_has_ended_well(check: ReadyCheck) -> None:
    assert Launched().start(labels={"fake.exit": "0"}).wait(check) == 0.0
    web = Launched().start()
    web.answer(NO)
    web.clock.then[0.5] = lambda: web.engine.crash("web", 0)
    assert 0.5 <= web.wait(check) < 0.7


@pytest.mark.parametrize("check", [ByRunning(may_exit=True), ByHealth(HEALTH.argv, may_exit=True)])
def test_a_job_that_ends_badly_is_not_ready(check: ReadyCheck) -> None:
    assert "exited with 4" in Launched().start(labels={"fake.exit": "4"}).reason(check)


@pytest.mark.parametrize("check", [HEALTH, PORTS, ByRunning()])
def test_a_service_that_ends_is_not_ready_however_well_it_ended(check: ReadyCheck) -> None:
    assert "exited with 0 instead of becoming ready" in Launched().start(labels={"fake.exit": "0"}).reason(check)


def test_what_nothing_can_be_asked_must_have_run_for_a_moment(web: Launched) -> None:
    assert web.wait(ByRunning()) == pytest.approx(0.5, abs=0.15)
    web.clock.then[0.1 + web.waited] = lambda: web.engine.crash("web", 6)
    assert "exited with 6" in web.reason(ByRunning())


@pytest.mark.parametrize(("timeout", "took"), [(10.0, 1.0), (0.3, 0.3)])
def test_a_job_that_runs_on_is_taken_for_a_service(web: Launched, timeout: float, took: float) -> None:
    assert web.wait(ByRunning(may_exit=True), timeout=timeout) == pytest.approx(took, abs=0.15)


def test_ports_are_ready_when_all_of_them_listen() -> None:
    assert Launched(expose=PORTS.ports).start().wait(PORTS) == 0.0


def test_a_port_on_which_nothing_listens_is_named() -> None:
    web = Launched(expose=(PortRef(80),)).start()
    assert web.reason(PORTS).startswith(
        "web: was not ready after 10 s: nothing listens on 443/tcp inside the container\n"
    )


def test_an_image_without_cat_is_not_said_to_listen_nowhere(web: Launched) -> None:
    web.engine.script = lambda *_: ExecResult(127, "", "exec: cat: not found")
    assert "its sockets cannot be listed: exec: cat: not found" in web.reason(PORTS)


def test_a_host_without_ipv6_has_no_second_table(web: Launched) -> None:
    table = "  sl\n   0: 00000000:0050 00000000:0000 0A 0\n   1: 00000000:01BB 00000000:0000 0A 0\n"
    web.engine.script = lambda _, argv: (
        ExecResult(0, table, "") if argv[-1].endswith("/tcp") else ExecResult(1, "", "no such file")
    )
    assert web.wait(PORTS) == 0.0


def test_the_image_s_own_health_check_is_asked_when_the_plan_says_so() -> None:
    web = Launched().start(health=HealthFacts(test=("CMD", *HEALTH.argv)), labels={"fake.health": "unhealthy"})
    assert "not healthy" in web.reason(HEALTH)


def test_too_little_memory_is_told_by_the_setting_that_says_how_much(
    web: Launched, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = ContainerFacts(id=web.id, name="web", image_id="x", state="exited", exit_code=137, oom_killed=True)
    monkeypatch.setattr(web.engine, "container", lambda _: facts)
    assert "used more memory than mem_limit allows" in web.reason(PORTS)
