"""The flags of a session over a whole Compose project, and the verdict on it."""

from __future__ import annotations

import pytest

from kharness.ops.project.sessions import judge_project, project_flags
from kharness.plan.gate.result import ServiceResult, ServiceVerdict, SessionResult
from kharness.plan.release.operation import Ending, Released
from kharness.settings.model import Settings


def _settings(*volumes: object) -> Settings:
    return Settings.model_validate({"image": "x", "volumes": list(volumes)})


def test_one_service_with_data_makes_the_session_prod_ready() -> None:
    flags = ("--ready", "--launch")
    assert project_flags([_settings(), _settings("data:/data")], flags) == ("--prod-ready", "--launch")
    assert project_flags([_settings()], flags) == flags


def _service(name: str, ending: Ending | None) -> ServiceResult:
    released = Released(name=name, kind=ending, image="x", previous=None) if ending else None
    return ServiceResult(name=name, verdict=ServiceVerdict.PASSED, release=released)


@pytest.mark.parametrize(
    ("status", "services", "launch", "expected"),
    [
        (0, (_service("web", None),), False, (0, "passed")),
        (0, (_service("web", Ending.LAUNCHED), _service("db", Ending.UNCHANGED)), True, (0, "upgraded, unchanged")),
        (0, (_service("web", Ending.LAUNCHED), _service("db", None)), True, (1, "nothing was released of db")),
        (0, (), True, (1, "nothing was released")),
        (1, (), True, (1, "")),
    ],
)
def test_a_launch_is_a_success_where_every_service_is_live(
    status: int, services: tuple[ServiceResult, ...], *, launch: bool, expected: tuple[int, str]
) -> None:
    found = judge_project(status, SessionResult(status=status, services=services), launch=launch)
    assert found.status == expected[0]
    assert found.text.startswith(expected[1])


@pytest.mark.parametrize("launch", [True, False])
def test_a_session_without_a_result_is_no_success(*, launch: bool) -> None:
    assert judge_project(0, None, launch=launch).status == 1
