"""What a real engine makes of Compose's forms of keys, and of docker's own line for them."""

from __future__ import annotations

import secrets
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from kharness.engine.api import Engine
from kharness.plan.launch.docker_line import docker_line
from kharness.plan.launch.plan import Subject, plan_production_launch
from kharness.plan.launch.runspec import API, RunSpec
from kharness.settings.load import parse_settings
from tests.ops.site import Site

pytestmark = pytest.mark.engine

FORMS = """\
command: sleep 600
ports:
  - {{target: 80, published: "{first}-{last}", mode: host, protocol: TCP}}
  - ":{other}:81/UDP"
  - 127.0.0.1:0:82
shm_size: 3m
privileged: false
tty: "false"
environment: {{FEATURE: true}}
deploy: {{resources: {{limits: {{memory: 64M, cpus: ".5"}}}}}}
healthcheck: {{test: "true", interval: 12d, retries: 0, start_interval: 2s}}
volumes:
  - {{type: tmpfs, target: /x, read_only: true}}
"""


@pytest.fixture
def site(tmp_path: Path, engine: Engine, busybox: str, prefix: str) -> Iterator[Site]:
    found = Site(tmp_path, engine, busybox, prefix, place=secrets.randbelow(256))
    yield found
    found.remove()


def spec_of(site: Site, short: str, text: str) -> RunSpec:
    image = site.engine.image(site.busybox)
    assert image is not None
    settings = parse_settings(f"image: x\n{text}".encode(), file=Path("settings.yaml"), has_dockerfile=False)
    subject = Subject(name=site.name(short), settings=settings, image=image, built=False)
    subject = replace(subject, start_interval=site.engine.facts().serves(API))
    return plan_production_launch(subject, volume_root=PurePosixPath("/dv")).spec


def looked_at(site: Site, container: str) -> dict[str, Any]:
    found = site.engine.container(container)
    assert found is not None
    return dict(found.raw)


def test_each_form_reaches_the_engine_by_a_launch_and_by_the_printed_line(site: Site) -> None:
    first = 21000 + secrets.randbelow(8000)
    text = FORMS.format(first=first, last=first + 9, other=first + 10)
    launched = site.engine.create(spec_of(site, "launched", text))
    site.engine.start(launched)
    spec = spec_of(site, "pasted", text.replace(f":{first + 10}:", f":{first + 11}:"))
    line = docker_line(spec, multiline=False)
    pasted = subprocess.run(shlex.split(line), capture_output=True, text=True, check=False)
    assert pasted.returncode == 0, pasted.stderr
    taken = set()
    for container in (launched, pasted.stdout.strip()):
        raw = looked_at(site, container)
        ports = raw["NetworkSettings"]["Ports"]
        number = int(ports["80/tcp"][0]["HostPort"])
        assert first <= number <= first + 9
        taken.add(number)
        assert ports["81/udp"][0]["HostIp"] in {"0.0.0.0", "::"}
        assert (ports["82/tcp"][0]["HostIp"], int(ports["82/tcp"][0]["HostPort"]) > 0) == ("127.0.0.1", True)
        host = raw["HostConfig"]
        assert (host["ShmSize"], host["Memory"], host["NanoCpus"]) == (3 << 20, 64 << 20, 500_000_000)
        assert host["Privileged"] is False
        assert "FEATURE=true" in raw["Config"]["Env"]
        assert raw["Config"]["Healthcheck"]["Interval"] == 12 * 86_400 * 10**9
        newer = site.engine.facts().serves(API)
        assert raw["Config"]["Healthcheck"].get("StartInterval") == (2 * 10**9 if newer else None)
        done = site.engine.exec(container, ["sh", "-c", "df -k /dev/shm | tail -n 1; touch /x/y"])
        assert "3072" in done.stdout
        assert "Read-only file system" in done.stderr
    # Each got a port of its own out of the range.
    assert len(taken) == 2


@pytest.mark.parametrize(("mode", "interfaces"), [("none", {"lo"}), ("bridge", {"lo", "eth0"})])
def test_a_network_mode_is_what_the_container_gets(site: Site, mode: str, interfaces: set[str]) -> None:
    container = site.engine.create(spec_of(site, mode, f"command: sleep 600\nnetwork_mode: {mode}\n"))
    site.engine.start(container)
    assert set(site.engine.exec(container, ["ls", "/sys/class/net"]).stdout.split()) == interfaces


def test_the_host_s_network_is_the_host_s(site: Site) -> None:
    container = site.engine.create(spec_of(site, "host", "command: sleep 600\nnetwork_mode: host\n"))
    site.engine.start(container)
    # Interfaces come and go with what others launch; the namespace is one or another.
    inside = site.engine.exec(container, ["readlink", "/proc/self/ns/net"])
    assert inside.stdout.strip() == str(Path("/proc/self/ns/net").readlink())
