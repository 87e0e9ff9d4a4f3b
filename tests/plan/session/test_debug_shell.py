"""The container that a person looks around in."""

from __future__ import annotations

from kharness.plan.launch.docker_line import docker_words
from kharness.plan.launch.runspec import Attachment, MountKind, RunSpec
from kharness.plan.session.debug import plan_shell
from tests.plan.made import image, production_plan, subject

SETTINGS = """\
ports: [80:80]
command: serve
user: web
networks: {front: {ipv4_address: 192.0.2.5, aliases: [www]}, back: {}}
volumes: [./data:/data, /var/cache]
devices: [/dev/fuse]
tmpfs: [/run, /data/tmp]
labels: {traefik.enable: true}
healthcheck: {test: [CMD, check]}
logging: {driver: syslog}
restart: always
"""


def shell(*, volumes: bool = False, user: str | None = None) -> RunSpec:
    given = subject(SETTINGS, of=image(labels={"traefik.port": "80", "kharness.digest": "x"}))
    return plan_shell(given, production_plan(given), ("/bin/sh",), name="web-shell-1", volumes=volumes, user=user)


def test_it_has_nothing_by_which_production_is_found() -> None:
    spec = shell()
    assert (spec.name, spec.hostname, spec.publish) == ("web-shell-1", "web-shell", ())
    assert spec.networks == (Attachment(network="front"), Attachment(network="back"))
    assert spec.labels == {"traefik.port": "", "kharness.role": "shell", "kharness.name": "web"}


def test_it_has_productions_rights_and_a_shell_and_goes() -> None:
    spec = shell()
    assert (spec.entrypoint, spec.command, spec.user) == (("/bin/sh",), (), "web")
    assert (spec.read_only, spec.cap_drop, spec.pids_limit) == (True, ("ALL",), 512)
    assert (spec.remove, spec.restart, spec.tty, spec.stdin_open, spec.log_driver) == (True, "no", True, True, None)
    assert shell(user="root").user == "root"


def test_volumes_and_devices_are_productions_only_where_they_are_asked_for() -> None:
    assert [(mount.kind, mount.target) for mount in shell().mounts] == [
        (MountKind.TMPFS, "/run"),
        (MountKind.TMPFS, "/data/tmp"),
    ]
    assert shell().devices == ()
    real = shell(volumes=True)
    assert [mount.target for mount in real.mounts] == ["/data", "/var/cache", "/run", "/data/tmp"]
    assert real.mounts[0].source == "/rw/dv/web/data"
    assert len(real.devices) == 1


def test_its_words_are_those_of_a_client_in_the_foreground() -> None:
    words = docker_words(shell())
    assert words[:3] == ("run", "--name", "web-shell-1")
    assert words[-3:] == ("--entrypoint", "/bin/sh", "sha256:tested")
    assert {"--rm", "--tty", "--interactive", "--no-healthcheck"} <= set(words)
    assert not {"--detach", "--publish", "--ip", "--network-alias"} & set(words)
