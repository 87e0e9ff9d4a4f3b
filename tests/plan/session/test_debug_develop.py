"""What a developer has in the foreground, planned."""

from __future__ import annotations

from dataclasses import replace

from kharness.plan.facts import HealthFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.session.debug import development_name, plan_development

SPEC = RunSpec(
    name="dev-web-1",
    image="sha256:1",
    command=("serve",),
    entrypoint=("/run",),
    log_driver="json-file",
    log_options={"max-size": "1m"},
    health=HealthFacts(test=("CMD", "check")),
)


def test_its_output_goes_to_the_terminal_alone() -> None:
    assert plan_development(SPEC) == replace(SPEC, log_driver="none", log_options={})
    assert development_name("web", "1") == "dev-web-1"


def test_a_shell_takes_the_place_of_its_program_and_of_its_health_check() -> None:
    found = plan_development(SPEC, shell=("/bin/busybox", "sh"), tty=True)
    assert (found.entrypoint, found.command) == (("/bin/busybox",), ("sh",))
    assert (found.tty, found.stdin_open) == (True, True)
    assert found.health == HealthFacts(test=("NONE",))
