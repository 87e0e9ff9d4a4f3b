"""Compose's keys of a build: what a container directory and a service may say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from kharness.settings.build import Build, idle_keys, pull_interval, service_build

Complain = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("build: {context: ../x}", "build.context: is a Compose key that kharness does not support; the directory"),
        (
            "build: {additional_contexts: {x: ./y}}",
            "build.additional_contexts: is a Compose key that kharness does not",
        ),
        (
            "build: {dockerfile: a, dockerfile_inline: b}",
            "build: should have dockerfile or dockerfile_inline, not both",
        ),
        (
            "build: {ssh: [default]}",
            "build.ssh: is a Compose key that kharness does not support; the engine takes none",
        ),
        ("build: {tags: [a]}", "build.tags: is a Compose key that kharness does not support; kharness moves the tags"),
        ("pull_policy: sometimes", "pull_policy: should be always, missing, if_not_present, never, build, daily"),
        ("test: {pull_policy: always}", "test.pull_policy: should not differ: what is tested is what is promoted"),
    ],
)
def test_what_a_container_directory_may_not_say_has_its_hint(complaints: Complain, text: str, message: str) -> None:
    assert any(message in complaint for complaint in complaints(text))


def test_a_service_s_build_is_read_without_what_has_no_effect() -> None:
    said: dict[str, Any] = {
        "context": "/srv/shop",
        "dockerfile": "Dockerfile",
        "args": {"A": "1", "B": None},
        "extra_hosts": ["a=192.0.2.1"],
        "shm_size": "1024",
        "ulimits": {"nofile": {"soft": 1, "hard": 2}},
        "platforms": ["linux/amd64"],
        "sbom": "true",
        "provenance": None,
        "x-own": {},
    }
    found = Build.model_validate(service_build(said))
    assert (found.context, found.args, found.shm_size, found.extra_hosts) == (
        "/srv/shop",
        {"A": "1"},
        1024,
        (("a", "192.0.2.1"),),
    )
    assert [key for key, _ in idle_keys(said)] == ["platforms", "sbom"]


@pytest.mark.parametrize(
    ("context", "remote"),
    [
        ("/srv/x", False),
        ("./x", False),
        ("https://example.org/x.git#main:sub", True),
        ("https://example.org/x.tar.gz", True),
        ("git@example.org:x.git", True),
        ("ssh://git@example.org/x", True),
        ("github.com/x/y", True),
        (None, False),
    ],
)
def test_an_address_is_a_context_that_the_engine_fetches(context: str | None, *, remote: bool) -> None:
    assert Build(context=context).is_remote is remote


@pytest.mark.parametrize(
    ("policy", "seconds"), [("daily", 86400), ("weekly", 604800), ("every_12h", 43200), ("always", None)]
)
def test_a_policy_may_have_an_age(policy: str, seconds: float | None) -> None:
    assert pull_interval(policy) == seconds
