"""From settings to the container: what production gets, what a test instance gets of it, and what never."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kharness.errors import UsageError
from kharness.plan import labels
from kharness.plan.facts import HealthFacts, PortRef
from kharness.plan.launch.plan import DEFAULT_TMPFS, NO_RESOLVER
from kharness.plan.launch.runspec import Attachment, Mount, MountKind, Publish, RunSpec
from kharness.plan.session.modes import Mode
from kharness.plan.session.readiness import ByPorts
from tests.plan.made import OURS, PLACE, Said, health, image, ports, production_plan, subject, trial_plan

MARK = "production-only"
PRODUCTION: dict[str, Any] = {
    "container_name": MARK,
    "ports": ["54321:80", "127.0.0.1:54322:53/udp"],
    "networks": {MARK: {"ipv4_address": "192.0.2.77", "aliases": [f"{MARK}-alias"]}},
    "labels": {f"proxy.{MARK}": "true", "owner": MARK},
    "devices": [f"/dev/{MARK}:/dev/x"],
    "restart": "on-failure:7",
    "logging": {"driver": "syslog", "options": {"tag": MARK}},
    "autostart": 3,
    "env_file": f"{MARK}.env",
}
"""Keys that a test instance has nothing of, with values that are easy to find."""
SHARED: dict[str, Any] = {
    "user": "web",
    "environment": {"A": "1"},
    "expose": [8080],
    "cap_add": ["CHOWN"],
    "mem_limit": "64m",
    "command": ["serve"],
    "volumes": ["./data:/data"],
}
BAKED = {
    "traefik.enable": "true",
    "com.example.build": "7",
    "org.opencontainers.image.title": "Web",
    "kharness.digest": "d1",
}


def production(said: Said = "", **more: Any) -> RunSpec:
    return production_plan(subject(said, **more)).spec


def trial(said: Said = "", *, mode: Mode = Mode.STANDALONE, **more: Any) -> RunSpec:
    return trial_plan(subject(said, **more), mode=mode).spec


def some_of(catalogue: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sets(st.sampled_from(sorted(catalogue))).map(lambda keys: {key: catalogue[key] for key in sorted(keys)})


@given(
    said=some_of(PRODUCTION | SHARED),
    test=some_of(SHARED),
    mode=st.sampled_from([Mode.STANDALONE, Mode.PROD_READY]),
    built=st.booleans(),
    publish=st.booleans(),
)
def test_nothing_by_which_production_is_found_or_reached_gets_into_a_test_instance(
    *, said: dict[str, Any], test: dict[str, Any], mode: Mode, built: bool, publish: bool
) -> None:
    whole = {**said, "test": {**test, "env_file": "test.env"}}
    spec = trial_plan(subject(whole, built=built), mode=mode, place=replace(PLACE, publish=publish)).spec

    assert MARK not in repr(spec)
    assert spec.name == PLACE.name
    assert spec.networks == (Attachment(network=PLACE.network),)
    assert all((port.host_ip, port.host_port) == ("127.0.0.1", None) for port in spec.publish)
    assert publish or not spec.publish
    assert (spec.restart, spec.restart_retries, spec.devices) == ("no", 0, ())
    assert spec.labels == {**PLACE.labels, labels.IMAGE: spec.image}
    assert (spec.log_driver, spec.log_options) == ("json-file", {})


def test_production_gets_all_that_is_said() -> None:
    spec = production(PRODUCTION)
    assert spec.name == MARK
    assert spec.publish == (
        Publish(port=PortRef(80), host_port=54321),
        Publish(port=PortRef(53, "udp"), host_ip="127.0.0.1", host_port=54322),
    )
    assert spec.networks == (Attachment(network=MARK, ipv4_address="192.0.2.77", aliases=(f"{MARK}-alias",)),)
    assert spec.labels == {
        f"proxy.{MARK}": "true",
        "owner": MARK,
        **OURS,
    }
    assert spec.devices == ((f"/dev/{MARK}", "/dev/x", "rwm"),)
    assert (spec.restart, spec.restart_retries) == ("on-failure", 7)
    assert (spec.log_driver, spec.log_options) == ("syslog", {"tag": MARK})


def test_production_that_says_little_comes_back_by_itself_on_the_engines_own_network() -> None:
    spec = production()
    assert (spec.name, spec.hostname, spec.restart) == ("web", "web", "unless-stopped")
    assert spec.networks == (Attachment(network="bridge"),)
    assert (spec.publish, spec.log_driver, spec.health) == ((), None, None)


def test_the_image_is_named_by_its_id_so_that_no_tag_can_move_meanwhile() -> None:
    assert production().image == trial().image == "sha256:tested"


def test_labels_baked_into_the_image_are_silenced_but_for_descriptions_and_our_own() -> None:
    spec = trial(of=image(labels=BAKED))
    assert spec.labels == {"traefik.enable": "", "com.example.build": "", **PLACE.labels, labels.IMAGE: spec.image}
    assert production(of=image(labels=BAKED)).labels.keys().isdisjoint(BAKED)


def test_labels_of_the_test_section_reach_the_test_instance_and_never_replace_our_own() -> None:
    text = "test: {labels: {traefik.enable: other, kharness.session: forged, kharness.role: production}}"
    spec = trial(text, of=image(labels=BAKED))
    assert spec.labels == {"traefik.enable": "other", "com.example.build": "", **PLACE.labels, labels.IMAGE: spec.image}


def test_labels_of_the_settings_never_replace_those_by_which_production_is_known() -> None:
    spec = production("labels: {kharness.role: test, kharness.name: other, kharness.project: x, kharness.image: x}")
    assert spec.labels == OURS


DEFAULTED = {"read_only", "cap_drop", "security_opt", "init", "pids_limit", "mounts"}


@pytest.mark.parametrize(
    ("attribute", "built", "pulled", "relaxing", "relaxed"),
    [
        ("read_only", True, False, "read_only: false", False),
        ("cap_drop", ("ALL",), (), "cap_drop: []", ()),
        ("security_opt", ("no-new-privileges:true",), (), "security_opt: []", ()),
        ("init", True, None, "init: false", False),
        ("pids_limit", 512, None, "pids_limit: -1", -1),
        ("mounts", DEFAULT_TMPFS, (), "tmpfs: []", ()),
    ],
)
def test_a_secure_default_holds_for_built_images_and_is_relaxed_by_its_own_key_alone(
    attribute: str, built: Any, pulled: Any, relaxing: str, relaxed: Any
) -> None:
    for plan in (production, trial):
        assert getattr(plan(), attribute) == built
        assert getattr(plan(built=False), attribute) == pulled
        assert getattr(plan(relaxing), attribute) == relaxed
        assert getattr(plan(relaxing, built=False), attribute) == relaxed
        others = DEFAULTED - {attribute}
        assert all(getattr(plan(relaxing), key) == getattr(plan(), key) for key in others)


def test_what_opens_the_host_to_production_is_not_taken_over_by_a_test_instance() -> None:
    text = "privileged: true\npid: host\nipc: host\noom_score_adj: 5\n"
    of_production, of_test = production(text), trial(text)
    assert (of_production.privileged, of_production.pid, of_production.ipc) == (True, "host", "host")
    assert (of_test.privileged, of_test.pid, of_test.ipc) == (None, None, None)
    assert trial("ipc: none").ipc == "none"
    assert trial(f"{text}test: {{privileged: true}}").privileged is True


def test_a_mac_address_is_that_on_production_s_first_network_and_no_test_instance_has_it() -> None:
    mac = "02:42:c0:00:02:15"
    text = f"mac_address: {mac}\n"
    assert production(text).networks == (Attachment(network="bridge", mac_address=mac),)
    assert [each.mac_address for each in production(f"{text}networks: [a, b]").networks] == [mac, None]
    assert production(f"{text}test: {{}}").networks[0].mac_address == mac
    assert {each.mac_address for each in trial(text).networks} == {None}


def test_a_default_is_relaxed_for_tests_alone_in_the_test_section() -> None:
    text = "test: {read_only: false, cap_drop: []}"
    assert (production(text).read_only, production(text).cap_drop) == (True, ("ALL",))
    assert (trial(text).read_only, trial(text).cap_drop) == (False, ())


def test_writable_directories_in_memory_are_open_to_every_user_and_yield_to_volumes() -> None:
    assert {(mount.target, mount.mode) for mount in DEFAULT_TMPFS} == {("/tmp", 0o1777), ("/run", 0o1777)}
    kinds = {mount.target: mount.kind for mount in production("volumes: [./run:/run/, /cache]").mounts}
    assert kinds == {"/run": MountKind.BIND, "/cache": MountKind.VOLUME, "/tmp": MountKind.TMPFS}


def test_tmpfs_that_is_said_replaces_the_default() -> None:
    (mount,) = production("tmpfs: ['/t:size=1k,mode=700,noexec']").mounts
    assert mount == Mount(kind=MountKind.TMPFS, source=None, target="/t", size=1024, mode=0o700, options=("noexec",))


REFUSAL = (
    "web: env_file: production's values do not go into a test instance by themselves; name a file of test values in "
    "test.env_file, or allow the real ones with 'test: {same: [env_file]}'"
)


@pytest.mark.parametrize("mode", [Mode.STANDALONE, Mode.PROD_READY])
def test_production_s_env_file_without_a_test_value_is_refused(mode: Mode) -> None:
    with pytest.raises(UsageError) as caught:
        trial("env_file: secret.env", mode=mode)
    assert str(caught.value) == REFUSAL


@pytest.mark.parametrize("test", ["env_file: test.env", "env_file: []", "same: [env_file]"])
def test_env_file_is_allowed_once_the_test_section_speaks_of_it(test: str) -> None:
    text = f"env_file: secret.env\nenvironment: {{A: said}}\ntest: {{{test}}}"
    assert trial(text, env={"A": "file", "B": "file"}).environment == {"A": "said", "B": "file"}


def test_a_device_is_production_s_unless_the_test_section_names_it() -> None:
    text = "devices: [/dev/fuse]\ntest: {devices: [/dev/null:/dev/fuse:r]}"
    assert trial(text).devices == (("/dev/null", "/dev/fuse", "r"),)


def test_ports_are_published_for_tests_only_where_there_is_no_route_and_then_on_this_host_alone() -> None:
    of = subject("ports: [8000:80]\nexpose: [9090/udp]", of=image(exposed=ports("443")))
    assert trial_plan(of).spec.publish == ()
    assert trial_plan(of, place=replace(PLACE, publish=True)).spec.publish == tuple(
        Publish(port=port, host_ip="127.0.0.1") for port in ports("80", "9090/udp", "443")
    )


def test_a_test_instance_is_waited_for_at_the_ports_that_production_publishes() -> None:
    assert trial_plan(subject("ports: [8000:80]")).ready == ByPorts(ports("80"))


def test_names_are_asked_of_nobody_without_a_way_out_and_of_whom_the_settings_name() -> None:
    assert trial_plan(subject()).spec.dns == (NO_RESOLVER,)
    assert trial_plan(subject("dns: [192.0.2.53]")).spec.dns == ("192.0.2.53",)
    assert trial_plan(subject("test: {egress: true}")).spec.dns == ()
    assert production_plan(subject()).spec.dns == ()


def test_an_alias_is_that_of_the_place() -> None:
    spec = trial_plan(subject(), place=replace(PLACE, aliases=("web",))).spec
    assert spec.networks == (Attachment(network=PLACE.network, aliases=("web",)),)


BASE = health("CMD", "ok", interval=30.0)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ("healthcheck: {interval: 1s}", health("CMD", "ok", interval=1.0)),
        ("healthcheck: {test: [NONE]}", health("NONE")),
        ("healthcheck: {disable: true}", health("NONE")),
    ],
)
def test_the_engine_is_told_of_a_health_check_only_where_the_settings_speak_of_it(
    text: str, found: HealthFacts | None
) -> None:
    assert production(text, of=image(health=BASE)).health == found
    assert trial(text, of=image(health=BASE)).health == found


def test_what_is_said_of_the_process_and_its_limits_reaches_both() -> None:
    text = """
        entrypoint: [/bin/x]
        command: a 'b c'
        user: web:www
        working_dir: /srv
        hostname: www
        mem_limit: 1k
        memswap_limit: 2k
        cpus: 1.5
        ulimits: {nofile: {soft: 1, hard: 2}}
        stop_signal: SIGINT
        stop_grace_period: 3s
        dns: 192.0.2.1
        extra_hosts: {nas: 192.0.2.2}
        sysctls: {net.core.somaxconn: 5}
        tty: true
        stdin_open: true
    """
    for spec in (production(text), trial(text)):
        assert (spec.entrypoint, spec.command) == (("/bin/x",), ("a", "b c"))
        assert (spec.user, spec.working_dir, spec.hostname) == ("web:www", "/srv", "www")
        assert (spec.mem_limit, spec.memswap_limit, spec.cpus) == (1024, 2048, 1.5)
        assert spec.ulimits == (("nofile", 1, 2),)
        assert (spec.stop_signal, spec.stop_grace_period) == ("SIGINT", 3.0)
        assert (spec.dns, spec.extra_hosts) == (("192.0.2.1",), (("nas", "192.0.2.2"),))
        assert spec.sysctls == {"net.core.somaxconn": "5"}
        assert (spec.tty, spec.stdin_open) == (True, True)
