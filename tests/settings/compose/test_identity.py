"""What Compose calls and labels a service's container, its networks and volumes."""

from __future__ import annotations

from pathlib import Path

from kharness.settings.compose.identity import definition_labels, service_origin
from kharness.settings.compose.load import load_compose

TEXT = """
name: shop
services:
  web:
    image: i
    environment: {DB_PASSWORD: x, MODE: y, API_KEY: z, DSN: "pg://u:p@db/x"}
    depends_on: {db: {condition: service_healthy, restart: true}}
    secrets: [s, t]
    configs: [{source: c, uid: "5", mode: 0440}]
    volumes: ["data:/d"]
  db: {image: i, container_name: database}
volumes: {data: {labels: {a: b}}}
secrets: {s: {file: ./s}, t: {environment: T}}
configs: {c: {content: hello}}
"""
LABEL = "com.docker.compose."


def test_a_container_has_composes_name_and_labels(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(TEXT, encoding="utf-8")
    project = load_compose(tmp_path, environ={"T": "token"})
    found = service_origin(project, "web")
    assert found.container == "shop-web-1"
    assert service_origin(project, "db").container == "database"
    told = {key.removeprefix(LABEL): value for key, value in found.labels.items()}
    assert told.pop("config-hash") != service_origin(project, "db").labels[f"{LABEL}config-hash"]
    assert told == {
        "project": "shop",
        "service": "web",
        "container-number": "1",
        "oneoff": "False",
        "project.working_dir": str(tmp_path),
        "project.config_files": str(tmp_path / "compose.yaml"),
        "depends_on": "db:service_healthy:true",
        "version": "2.40.3",
    }


def test_networks_and_volumes_are_labelled_by_their_keys(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(TEXT, encoding="utf-8")
    found = service_origin(load_compose(tmp_path, environ={}), "web")
    assert list(found.networks) == ["shop_default"]
    made = definition_labels(found, found.volumes["shop_data"], kind="volume")
    assert made == {
        "a": "b",
        f"{LABEL}volume": "data",
        f"{LABEL}project": "shop",
        f"{LABEL}version": "2.40.3",
    }


def test_values_that_no_report_shows_are_known_by_their_variables_names(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(TEXT, encoding="utf-8")
    found = service_origin(load_compose(tmp_path, environ={"T": "token"}), "web")
    assert found.hidden == {"DB_PASSWORD", "API_KEY", "DSN"}
    assert found.secrets == (tmp_path / "s",)
    assert "token" not in repr(found)


def test_contents_are_given_with_owner_and_mode(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(TEXT, encoding="utf-8")
    token, config = service_origin(load_compose(tmp_path, environ={"T": "token"}), "web").given
    assert (token.target, token.content, token.mode, token.secret) == ("/run/secrets/t", b"token", 0o444, True)
    assert (config.target, config.content, config.uid, config.mode) == ("/c", b"hello", 5, 0o440)
    assert not config.secret
