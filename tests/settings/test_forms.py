"""The other keys: each form that Compose has for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kharness.settings.build import Build, CopyItem, Download
from kharness.settings.load import parse_settings
from kharness.settings.model import Autostart, GateSettings, ReleaseSettings, Settings, TestOverrides
from kharness.settings.network import NetworkAttachment
from kharness.settings.process import Device, Healthcheck, Logging, Restart, Ulimit
from kharness.settings.secrets import SecretFile
from kharness.settings.service import EnvFile

Read = Callable[[str], Settings]
SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("command: echo 'a b' c", ("echo", "a b", "c")),
        ("command: [echo, 'a b', 3, 1.10]", ("echo", "a b", "3", "1.10")),
        ("command: echo $$HOME $(date) 5$", ("echo", "$HOME", "$(date)", "5$")),
        ("command: []", ()),
        ("command: ''", ()),
        ("command: null", None),
        ("entrypoint: /bin/sh -c", ("/bin/sh", "-c")),
        ("entrypoint: [/bin/x]", ("/bin/x",)),
        ("environment: {A: text, B: 1, C: 1.10, D: 0755, E: ''}",
         {"A": "text", "B": "1", "C": "1.10", "D": "0755", "E": ""}),
        ("environment: [A=text, B=x=y, C=, 'D=a b']", {"A": "text", "B": "x=y", "C": "", "D": "a b"}),
        ("environment: {A: no, B: 'true', C: pa$$word, D: 53:53}",
         {"A": "no", "B": "true", "C": "pa$word", "D": "53:53"}),
        ("labels: {a.b: text, c: 1, d: true, e: }", {"a.b": "text", "c": "1", "d": "true", "e": ""}),
        ("labels: [a.b=text, c]", {"a.b": "text", "c": ""}),
        ("sysctls: {net.core.somaxconn: 1024}", {"net.core.somaxconn": "1024"}),
        ("sysctls: [net.core.somaxconn=1024]", {"net.core.somaxconn": "1024"}),
        ("env_file: a.env", (EnvFile(path="a.env"),)),
        ("env_file: [./a.env, /etc/b.env]", (EnvFile(path="./a.env"), EnvFile(path="/etc/b.env"))),
        ("secrets: {a: x, b: {file: ./y, target: c, uid: '7', gid: 8, mode: 0440}}",
         {"a": SecretFile(file="x"), "b": SecretFile(file="./y", target="/run/secrets/c", uid=7, gid=8, mode=0o440)}),
        ("secrets: {a: {file: /x, target: /b//c}}", {"a": SecretFile(file="/x", target="/b/c")}),
        ("dns: 192.0.2.1", ("192.0.2.1",)),
        ("dns: [192.0.2.1, '2001:db8::1']", ("192.0.2.1", "2001:db8::1")),
        ("extra_hosts: ['a:192.0.2.1', 'b=192.0.2.2', 'c:::1', 'd=[::2]', 'e:host-gateway']",
         (("a", "192.0.2.1"), ("b", "192.0.2.2"), ("c", "::1"), ("d", "::2"), ("e", "host-gateway"))),
        ("extra_hosts: {a: 192.0.2.1, b: [192.0.2.2, '::1']}",
         (("a", "192.0.2.1"), ("b", "192.0.2.2"), ("b", "::1"))),
        ("cap_add: [net_admin, CAP_CHOWN]", ("NET_ADMIN", "CHOWN")),
        ("cap_drop: [ALL]", ("ALL",)),
        ("cap_drop: []", ()),
        ("security_opt: [no-new-privileges:true]", ("no-new-privileges:true",)),
        ("ulimits: {core: 0, nofile: {soft: 10, hard: '20'}, memlock: -1}",
         {"core": Ulimit(soft=0, hard=0), "nofile": Ulimit(soft=10, hard=20), "memlock": Ulimit(soft=-1, hard=-1)}),
        ("restart: no", Restart(policy="no")),
        ('restart: "no"', Restart(policy="no")),
        ("restart: always", Restart(policy="always")),
        ("restart: unless-stopped", Restart(policy="unless-stopped")),
        ("restart: on-failure", Restart(policy="on-failure")),
        ("restart: on-failure:5", Restart(policy="on-failure", max_retries=5)),
        ("devices: ['/dev/a:/dev/b:rw', '/dev/c:/dev/d', '/dev/e:r', /dev/f]",
         (
             Device(host="/dev/a", container="/dev/b", permissions="rw"),
             Device(host="/dev/c", container="/dev/d"),
             Device(host="/dev/e", container="/dev/e", permissions="r"),
             Device(host="/dev/f", container="/dev/f"),
         )),
        ("devices: [{source: /dev/a, target: /dev/b, permissions: r}]",
         (Device(host="/dev/a", container="/dev/b", permissions="r"),)),
        ("logging: {driver: syslog, options: {max-file: 3}}", Logging(driver="syslog", options={"max-file": "3"})),
        ("networks: [lan, wan]", {"lan": NetworkAttachment(), "wan": NetworkAttachment()}),
        ("networks: {lan: {ipv4_address: 192.0.2.5, aliases: [x]}, wan: }",
         {"lan": NetworkAttachment(ipv4_address="192.0.2.5", aliases=("x",)), "wan": NetworkAttachment()}),
        ("networks: {lan: {ipv6_address: '2001:DB8::5'}}", {"lan": NetworkAttachment(ipv6_address="2001:db8::5")}),
        ("depends_on: [a, b]", {"a": "service_started", "b": "service_started"}),
        ("depends_on: {a: {condition: service_healthy}, b: {}}", {"a": "service_healthy", "b": "service_started"}),
        ("healthcheck: {test: curl -f x}", Healthcheck(test=("CMD-SHELL", "curl -f x"))),
        ("healthcheck: {test: [CMD, curl, -f, 80]}", Healthcheck(test=("CMD", "curl", "-f", "80"))),
        ("healthcheck: {test: [CMD-SHELL, curl -f x]}", Healthcheck(test=("CMD-SHELL", "curl -f x"))),
        ("healthcheck: {test: [NONE]}", Healthcheck(test=("NONE",))),
        ("healthcheck: {disable: true}", Healthcheck(disable=True)),
        ("healthcheck: {interval: 1m30s, timeout: 10s, start_period: 500ms, retries: 3}",
         Healthcheck(interval=90.0, timeout=10.0, start_period=0.5, retries=3)),
        ("stop_signal: SIGUSR1", "SIGUSR1"),
        ("stop_signal: 15", "15"),
        ("stop_signal: SIGRTMIN+3", "SIGRTMIN+3"),
        ("working_dir: /srv//x/", "/srv/x"),
        ("hostname: web.example.org", "web.example.org"),
        ("build: {args: {A: 1, B: x}, target: run, max_age: 30d}",
         Build(args={"A": "1", "B": "x"}, target="run", max_age=2592000.0)),
        ("build: {args: [A=1]}", Build(args={"A": "1"})),
        ("build: {copy: ['services/x:opt/x', services/y, {source: a, target: /opt/a}]}",
         Build(copy_=(
             CopyItem(source="services/x", target="opt/x"),
             CopyItem(source="services/y", target="services/y"),
             CopyItem(source="a", target="opt/a"),
         ))),
        (f"build: {{download: [{{url: 'https://a.example/x', sha256: {SHA.upper()}, target: opt/x, mode: 0755}}]}}",
         Build(download=(Download(url="https://a.example/x", sha256=SHA, target="opt/x", mode=0o755),))),
        ("autostart: 4", Autostart(wave=4)),
        ("autostart: '4'", Autostart(wave=4)),
        ("autostart: 4,host=attic", Autostart(wave=4, host="attic")),
        ("gate: {exclude: [slow], skips: [test_x]}", GateSettings(exclude=("slow",), skips=("test_x",))),
        ("release: {verify: none, verify_for: 1m, data: snapshot}",
         ReleaseSettings(verify="none", verify_for=60.0, data="snapshot")),
        ("test: {egress: true, timeout: 1m, same: [env_file], user: root}",
         TestOverrides(egress=True, timeout=60.0, same=("env_file",), user="root")),
        ("test: {egress: [10.0.0.0/8:443, '[2001:db8::1]:25', a.example]}",
         TestOverrides(egress=("10.0.0.0/8:443", "[2001:db8::1]:25", "a.example"))),
        ("read_only: false", False),
        ("init: true", True),
        ("tty: true", True),
        ("stdin_open: true", True),
    ],
)  # fmt: skip
def test_every_form_of_a_key_is_read(read: Read, text: str, value: Any) -> None:
    key = text.partition(":")[0]
    assert getattr(read(text), key) == value


@pytest.mark.parametrize(
    "image", ["nginx", "nginx:1.27", "r.example:5000/a/b_c:Tag", f"a/b@sha256:{SHA}", "localhost/x", "[::1]:5000/x:1"]
)
def test_an_image_is_named_where_nothing_is_built(image: str) -> None:
    settings = parse_settings(f"image: '{image}'".encode(), file=Path("settings.yaml"), has_dockerfile=False)
    assert settings.image == image


def test_what_was_not_said_is_none_or_empty(read: Read) -> None:
    settings = read("{}")
    assert settings.model_fields_set == set()
    nones = {key for key, value in settings if value is None}
    assert nones >= {"cap_drop", "tmpfs", "security_opt", "command", "entrypoint", "init", "read_only", "pids_limit"}
    assert settings == Settings()


def test_settings_are_frozen(read: Read) -> None:
    with pytest.raises(ValueError, match="frozen"):
        read("{}").init = True  # type: ignore[misc]
