from __future__ import annotations

from pathlib import Path

from kharness.settings.compose.paths import absolute, service_paths

HERE = Path("/srv/shop")


def test_relative_paths_are_those_of_the_directory() -> None:
    service = {
        "build": ".",
        "env_file": ["a.env", {"path": "../b.env"}],
        "volumes": ["./x:/x:ro", "data:/d", "/abs:/a"],
    }
    assert service_paths(service, HERE) == {
        "build": "/srv/shop",
        "env_file": ["/srv/shop/a.env", {"path": "/srv/b.env"}],
        "volumes": ["/srv/shop/x:/x:ro", "data:/d", "/abs:/a"],
    }


def test_what_is_no_path_stays() -> None:
    build = {"context": "https://example.org/a.git", "additional_contexts": {"b": "service:b", "c": "./c"}}
    found = service_paths({"build": build, "volumes": [{"type": "volume", "source": "data", "target": "/d"}]}, HERE)
    assert found["build"]["context"] == "https://example.org/a.git"
    assert found["build"]["additional_contexts"] == {"b": "service:b", "c": "/srv/shop/c"}
    assert found["volumes"][0]["source"] == "data"


def test_files_of_secrets_and_configs_are_those_of_the_directory() -> None:
    assert absolute({"secrets": {"a": {"file": "./a"}}}, HERE) == {"secrets": {"a": {"file": "/srv/shop/a"}}}
