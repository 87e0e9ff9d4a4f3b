"""What a container has of its secrets, and that no text has any."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kharness.errors import UsageError
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.environment import SecretValue, redact, texts
from kharness.plan.launch.plan import Subject
from kharness.plan.launch.runspec import Mount, MountKind
from kharness.plan.session.modes import Mode
from tests.plan.made import SCRATCH, production_plan, subject, trial_plan

VALUE = "hunter2 and more"
SETTINGS = "secrets: {password: /real/password, key: /real/key}"
TEST = "test: {secrets: {password: test/password, key: test/key}}"
PASSWORD = SecretValue(
    name="password",
    target="/run/secrets/password",
    uid=None,
    gid=None,
    mode=0o400,
    value=VALUE.encode(),
    copy="/state/secrets/web/password-1",
)


def with_password(said: str) -> Subject:
    return replace(subject(said), secrets=(PASSWORD,))


def bind(source: str) -> Mount:
    return Mount(kind=MountKind.BIND, source=source, target="/run/secrets/password", read_only=True)


def test_production_mounts_its_copy_read_only_over_the_directories_in_memory() -> None:
    plan = production_plan(with_password(SETTINGS))
    assert plan.spec.mounts[-1] == bind("/state/secrets/web/password-1")
    assert [mount.target for mount in plan.spec.mounts] == ["/tmp", "/run", "/run/secrets/password"]
    assert [copy.secret for copy in plan.secrets] == [PASSWORD]


@pytest.mark.parametrize("mode", [Mode.STANDALONE, Mode.PROD_READY])
def test_a_test_instance_mounts_a_copy_of_its_own(mode: Mode) -> None:
    plan = trial_plan(with_password(f"{SETTINGS}\n{TEST}"), mode=mode)
    assert plan.spec.mounts[-1] == bind(f"{SCRATCH.directory}/secrets/password")
    assert [copy.path for copy in plan.secrets] == [f"{SCRATCH.directory}/secrets/password"]


@pytest.mark.parametrize("mode", [Mode.STANDALONE, Mode.PROD_READY])
@pytest.mark.parametrize(
    ("test", "untold"),
    [
        ("", "password, key"),
        ("test: {secrets: {}}", "password, key"),
        ("test: {secrets: {password: x}}", "key"),
        ("test: {secrets: {other: x}, same: [env_file]}", "password, key"),
    ],
)
def test_every_secret_of_production_needs_a_test_value(mode: Mode, test: str, untold: str) -> None:
    with pytest.raises(UsageError) as caught:
        trial_plan(subject(f"{SETTINGS}\n{test}"), mode=mode)
    assert str(caught.value) == (
        "web: secrets: production's values do not go into a test instance by themselves; name files of test values "
        f"for {untold} in test.secrets, or allow the real ones with 'test: {{same: [secrets]}}'"
    )


@pytest.mark.parametrize("test", [TEST, "test: {same: [secrets]}", "test: {same: [secrets], secrets: {key: x}}"])
def test_secrets_are_allowed_once_the_test_section_speaks_of_each(test: str) -> None:
    assert trial_plan(subject(f"{SETTINGS}\n{test}")).secrets == ()


def test_no_plan_and_no_line_has_a_value() -> None:
    given = with_password(f"{SETTINGS}\n{TEST}")
    for plan in (production_plan(given), trial_plan(given)):
        assert "hunter2" not in repr(given) + repr(plan) + docker_line(plan.spec)
    assert given.hidden == {VALUE}


@pytest.mark.parametrize(
    ("value", "hidden"),
    [
        (b"", set()),
        (b"hunter2", {"hunter2"}),
        (b"hunter2\n", {"hunter2"}),
        (b"  first line\r\n\n\tsecond\n", {"first line\r\n\n\tsecond", "first line", "second"}),
        (b"\xff\xfe", {"\ufffd\ufffd"}),
    ],
)
def test_a_secret_is_hidden_as_a_whole_and_line_by_line(value: bytes, hidden: set[str]) -> None:
    assert texts(value) == hidden


def test_a_key_is_hidden_however_its_lines_are_cut_out_of_it() -> None:
    key = "-----BEGIN KEY-----\nMIIEvQ1234567890\nabcdefgh/+==\n-----END KEY-----\n"
    shown = redact(f"log: {key} then MIIEvQ1234567890 and\n  abcdefgh/+==|", texts(key.encode()))
    assert shown == "log: ***\n then *** and\n  ***|"
