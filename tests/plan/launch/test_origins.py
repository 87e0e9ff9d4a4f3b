"""Where a setting comes from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from kharness.errors import UsageError
from kharness.plan.launch.origins import explain, laid_over, refusals
from kharness.settings.flags import from_environment, from_flags
from kharness.settings.layers import SettingsLayer
from kharness.settings.model import Settings

FILE = Path("containers/web/settings.yaml")
HOST = SettingsLayer(
    said={"mem_limit": "256m", "environment": {"TZ": "UTC"}}, file=Path("h.toml"), called="the host (h.toml)"
)
OTHERS = "the host (h.toml) says 256m; default none"
SAID = {
    "mem_limit": "512m",
    "environment": ["A=1", "TZ=local"],
    "release": {"data": "snapshot"},
    "test": {"user": "x"},
    "logging": {"driver": "local", "options": {"max-size": "1m"}},
}
VARIABLES = {"KHARNESS_RUN_MEM_LIMIT": "700m", "KHARNESS_RUN_CPUS": "2"}
FLAGS: dict[str, tuple[str, ...] | bool] = {
    "mem_limit": ("1g",),
    "environment": ("A=two words",),
    "cpus": ("null",),
    "logging": ("driver=syslog",),
}


def told(key: str, *, built: bool = True, said: dict[str, Any] = SAID) -> list[str]:
    sources = (HOST, SettingsLayer(said=said, file=FILE), from_environment(VARIABLES), from_flags(FLAGS))
    return list(explain(key, sources, name="web", built=built))


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        (
            "mem_limit",
            [f"mem_limit: 1g, from --mem-limit; KHARNESS_RUN_MEM_LIMIT says 700m; {FILE} says 512m; {OTHERS}"],
        ),
        (
            "environment",
            [
                f"environment.TZ: local, from {FILE}; the host (h.toml) says UTC; default none",
                f"environment.A: two words, from --environment; {FILE} says 1; default none",
            ],
        ),
        ("environment.TZ", [f"environment.TZ: local, from {FILE}; the host (h.toml) says UTC; default none"]),
        ("cpus", ["cpus: none, the default, because --cpus says null; KHARNESS_RUN_CPUS says 2"]),
        ("release.data", [f"release.data: snapshot, from {FILE}; default keep"]),
        ("release.verify", ["release.verify: tests, by default"]),
        (
            "logging.options",
            [f"logging.options: the engine's, by default; {FILE} says {{max-size: 1m}}, which is not taken over"],
        ),
        ("test.user", [f"test.user: x, from {FILE}; default production's"]),
        ("test.labels", ["test.labels: none, by default"]),
        (
            "test.init",
            ["test.init: not set, a test instance has production's: init: true, because it is built here, by default"],
        ),
        ("user", ["user: the image's, by default"]),
        ("cpuset", ["cpuset: all, by default"]),
        (
            "test.oom_score_adj",
            ["test.oom_score_adj: not set, a test instance has production's: oom_score_adj: none, by default"],
        ),
        ("restart", ["restart: unless-stopped, by default"]),
        ("hostname", ["hostname: web, by default"]),
        ("read-only", ["read_only: true, because it is built here, by default"]),
        ("secrets.x.mode", ["secrets.x.mode: 0o400, by default"]),
    ],
)
def test_a_value_is_told_with_what_it_hides(key: str, lines: list[str]) -> None:
    assert told(key) == lines


def test_what_opens_the_host_is_explained_as_production_s_alone() -> None:
    assert told("test.pid", said={"pid": "host"}) == [
        "test.pid: none, by default: production's opens the host, and is not taken over"
    ]


def test_a_small_section_of_which_nothing_is_said_is_told_key_by_key() -> None:
    keys = ("tests", "exclude", "skips", "xfail", "flaky", "unrun", "fewer")
    assert [line.partition(":")[0] for line in told("gate")] == [f"gate.{key}" for key in keys]


def test_an_image_of_others_has_docker_s_defaults() -> None:
    assert told("cap_drop", built=False) == ["cap_drop: Docker's own, because it is built elsewhere, by default"]
    assert told("cap_drop") == ["cap_drop: [ALL], because it is built here, by default"]


@pytest.mark.parametrize("key", Settings.model_fields)
def test_every_key_can_be_explained(key: str) -> None:
    lines = told(key, said={})
    assert lines
    assert all(re.fullmatch(rf"{key}[a-z_.A-Z]*: .+", line) for line in lines)


@pytest.mark.parametrize(
    ("key", "error"),
    [
        ("mem_limt", "mem_limt: unknown key, did you mean 'mem_limit'?"),
        ("healthcheck.intervall", "healthcheck.intervall: unknown key, did you mean 'interval'?"),
        ("test.egres", "test.egres: unknown key, did you mean 'egress'?"),
        ("mem_limit.x", "mem_limit.x: there is nothing below mem_limit"),
        ("environment.A.b", "environment.A.b: there is nothing below environment.A"),
        ("", ": unknown key"),
    ],
)
def test_an_unknown_key_names_the_nearest(key: str, error: str) -> None:
    with pytest.raises(UsageError) as caught:
        told(key)
    assert str(caught.value) == error


def test_what_has_no_say_is_refused_by_the_name_that_it_was_said_by() -> None:
    sources = (from_environment({"KHARNESS_RUN_IMAGE": "x"}), from_flags({"ports": ("80",), "test": ("egress=true",)}))
    production, development = refusals(sources, development=False), refusals(sources, development=True)
    assert [reason.partition(":")[0] for reason in production] == ["KHARNESS_RUN_IMAGE", "--test"]
    assert [reason.partition(":")[0] for reason in development] == ["KHARNESS_RUN_IMAGE", "--ports"]
    beside = refusals(
        (from_flags({"command": ("x",), "ports": ("80",), "user": ("x",)}),), development=False, with_shell=True
    )
    assert [reason.partition(":")[0] for reason in beside] == ["--command", "--ports"]
    assert "it is for test instances, and -D makes one" in production[1]


def test_what_was_laid_over_is_told_without_values() -> None:
    sources = (
        from_environment({"KHARNESS_RUN_CPUS": "2"}),
        from_flags({"environment": ("A=secret", "B=x"), "tty": True}),
    )
    assert laid_over(sources) == ("KHARNESS_RUN_CPUS", "--environment A,B", "--tty")
