from __future__ import annotations

from kharness.settings.compose.profiles import Services, circle, missing, split

SERVICES: Services = {"web": {"depends_on": {"db": {}, "log": {"required": False}}}, "db": {"profiles": ["data"]}}


def test_profiles_enable_services() -> None:
    assert list(split(SERVICES, [""])[0]) == ["web"]
    assert list(split(SERVICES, ["data"])[0]) == ["web", "db"]
    assert list(split(SERVICES, ["*"])[0]) == ["web", "db"]


def test_a_needed_service_of_another_profile_is_a_fault() -> None:
    assert missing(*split(SERVICES, [])) == [
        (("services", "web", "depends_on"), "should not need 'db', whose profiles are not active")
    ]
    assert not missing(*split(SERVICES, ["data"]))


def test_a_circle_is_told_by_its_names() -> None:
    assert circle({"a": {"depends_on": {"b": {}}}, "b": {"depends_on": {"c": {}}}, "c": {"depends_on": {"b": {}}}}) == [
        "b",
        "c",
        "b",
    ]
    assert not circle({"a": {"depends_on": {"b": {}, "c": {}}}, "b": {"depends_on": {"c": {}}}, "c": {}})
