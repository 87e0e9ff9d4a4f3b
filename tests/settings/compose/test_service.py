"""What a service of a Compose project becomes: settings with the engine's names, and kharness's own keys laid over."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from kharness.errors import SettingsError
from kharness.settings.compose.load import load_compose
from kharness.settings.compose.project import ComposeProject
from kharness.settings.compose.service import service_settings
from kharness.settings.model import Settings


def project(folder: Path, text: str, **files: str) -> ComposeProject:
    (folder / "compose.yaml").write_text(f"name: shop\n{dedent(text)}", encoding="utf-8")
    for name, content in files.items():
        (folder / name.replace("_", ".")).write_text(content, encoding="utf-8")
    return load_compose(folder, environ={})


def settings(folder: Path, service: str, **files: str) -> Settings:
    return service_settings(project(folder, f"services: {{web: {{image: i, {service}}}}}", **files), "web")


def problems(folder: Path, service: str, **files: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        settings(folder, service, **files)
    return str(caught.value).splitlines()


def test_networks_and_volumes_have_the_engines_names_and_aliases(tmp_path: Path) -> None:
    text = """
        services:
          web: {image: i, networks: {back: {aliases: [www]}, front: {priority: 9}}, volumes: ["data:/d", "/anonymous"]}
        networks: {back: , front: {name: lan}}
        volumes: {data: }
    """
    found = service_settings(project(tmp_path, text), "web")
    assert list(found.networks) == ["lan", "shop_back"]
    assert found.networks["shop_back"].aliases == ("shop-web-1", "web", "www")
    assert [volume.source for volume in found.volumes] == ["shop_data", None]


def test_limits_and_restarts_of_deploy_are_the_services(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "deploy: {resources: {limits: {memory: 64m, cpus: '0.5', pids: 9}, reservations: {memory: 32m}}, "
        "restart_policy: {condition: on-failure, max_attempts: 3}}",
    )
    assert (found.mem_limit, found.cpus, found.pids_limit, found.mem_reservation) == (64 << 20, 0.5, 9, 32 << 20)
    assert found.restart is not None
    assert (found.restart.policy, found.restart.max_retries) == ("on-failure", 3)


def test_a_service_without_a_restart_policy_is_no_job(tmp_path: Path) -> None:
    assert settings(tmp_path, "init: true").restart is None
    assert settings(tmp_path, 'restart: "no"').may_end


def test_a_file_of_a_secret_or_config_is_mounted_read_only(tmp_path: Path) -> None:
    text = """
        services: {web: {image: i, secrets: [s], configs: [{source: c, target: /etc/c}]}}
        secrets: {s: {file: ./s}}
        configs: {c: {file: ./c}}
    """
    mounts = service_settings(project(tmp_path, text), "web").volumes
    assert [(mount.source, mount.target, mount.read_only) for mount in mounts] == [
        (f"{tmp_path}/s", "/run/secrets/s", True),
        (f"{tmp_path}/c", "/etc/c", True),
    ]


def test_services_start_with_the_host_in_wave_five_unless_something_else_is_said(tmp_path: Path) -> None:
    found = settings(tmp_path, "init: true").autostart
    assert found is not None
    assert found.wave == 5
    assert settings(tmp_path, "x-kharness: {autostart: false}").autostart is None


def test_what_kharness_adds_is_laid_over_from_the_file_down_to_the_service(tmp_path: Path) -> None:
    own = "autostart: 1\nrelease: {verify_for: 1s}\nservices: {web: {release: {verify_for: 2s}}}\n"
    beside = settings(tmp_path, "init: true", kharness_yaml=own)
    assert beside.autostart is not None
    assert (beside.autostart.wave, beside.release.verify_for) == (1, 2.0)
    inside = settings(tmp_path, "x-kharness: {release: {verify: none}}", kharness_yaml=own)
    assert (inside.release.verify, inside.release.verify_for) == ("none", 2.0)


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("scale: 2", "services.web.scale (line 2): should be 1, not 2"),
        ("deploy: {replicas: 3}", "services.web.deploy.replicas (line 2): should be 1, not 3"),
        ("x-kharness: {mode: x}", "services.web.x-kharness.mode (line 2): should be one of autostart"),
        ("x-kharness: [x]", "services.web.x-kharness (line 2): should be a mapping"),
        ("x-kharness: {release: {verify: x}}", "services.web.x-kharness.release.verify (line 2): should be one of"),
        ("deploy: {resources: {reservations: {generic_resources: []}}}", "is for a cluster"),
        ("deploy: {resources: {reservations: {devices: [{capabilities: [gpu]}]}}}", "does not support"),
    ],
)
def test_what_one_host_cannot_give_is_told_by_file_line_and_key(tmp_path: Path, service: str, expected: str) -> None:
    (found,) = problems(tmp_path, service)
    assert found.startswith(str(tmp_path / "compose.yaml"))
    assert expected in found


def test_problems_of_the_file_beside_are_told_in_that_file(tmp_path: Path) -> None:
    (found,) = problems(tmp_path, "init: true", kharness_yaml="services:\n  web:\n    release: {verify: x}\n")
    assert found.startswith(f"{tmp_path}/kharness.yaml: services.web.release.verify (line 3)")


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ("services: {wbe: {autostart: 1}}", "services.wbe (line 1): should be a service of the Compose file"),
        ("services: [web]", "should be a mapping"),
        ("[]", "should be a mapping"),
        ("services: {web: [expect]}", "services.web (line 1): should be a mapping"),
        ("services: {web: {expects: {}}}", "services.web.expects (line 1): should be one of autostart"),
        ("a: [", "line 2: should have its bracket"),
    ],
)
def test_the_file_beside_must_speak_of_services_that_are_there(tmp_path: Path, own: str, expected: str) -> None:
    (found,) = problems(tmp_path, "init: true", kharness_yaml=own + "\n")
    assert found.startswith(f"{tmp_path}/kharness.yaml: {expected}")


def test_links_that_rename_a_service_are_an_error_that_says_what_to_do_instead(tmp_path: Path) -> None:
    text = 'services: {web: {image: i, links: ["db:database"]}, db: {image: i}}'
    with pytest.raises(SettingsError, match="give it the alias database in its networks"):
        service_settings(project(tmp_path, text), "web")


@pytest.mark.parametrize(
    ("said", "defined", "expected"),
    [
        ("[s]", "{external: true}", "s is external: one host has no store of secrets"),
        ("[s]", "{environment: GONE}", "should have the variable GONE set, which s is taken from"),
        ("[{source: s, uid: root}]", "{environment: S}", "should have a number as uid of s"),
    ],
)
def test_a_secret_that_cannot_be_given_is_told_when_it_is_read(
    tmp_path: Path, said: str, defined: str, expected: str
) -> None:
    text = f"services: {{web: {{image: i, secrets: {said}}}}}\nsecrets: {{s: {defined}}}"
    (tmp_path / ".env").write_text("S=1", encoding="utf-8")
    with pytest.raises(SettingsError, match=expected):
        service_settings(project(tmp_path, text), "web")


def test_the_example_is_read_without_a_problem() -> None:
    shop = load_compose(Path(__file__).parents[3] / "examples" / "shop", environ={})
    assert not shop.remarks
    found = {name: service_settings(shop, name) for name in shop.services}
    assert sorted(found) == ["app", "cache", "db", "proxy"]
    assert all(each.expect.declares for each in found.values())
