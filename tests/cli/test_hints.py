"""Every hint is followed by typing it: what a message advises exists, and is accepted."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

import kharness
from kharness.cli.group import cli
from kharness.plan.checks.catalog import CHECKS
from kharness.settings.foreign import UNSUPPORTED
from kharness.settings.load import parse_settings
from kharness.settings.model import Settings

SOURCES = Path(kharness.__file__).parent
PLACES = "NAME"
QUOTED = re.compile(r"'((?:kharness|pytest) [^']*)'")
SNIPPET = re.compile(rf"'((?:{'|'.join(map(re.escape, Settings.known_keys()))}): [^']*)'")
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
BUILT = "FROM scratch\n"

SAID: Mapping[tuple[str, str], str] = {
    ("service", "configs"): "build: {copy: [conf/app.ini:etc/app.ini]}",
    ("service", "cpu_count"): "cpus: 2",
    ("service", "cpu_percent"): "cpus: .5",
    ("service", "cpu_period"): "cpus: .5",
    ("service", "cpu_quota"): "cpus: .5",
    ("service", "device_cgroup_rules"): "devices: [/dev/ttyUSB0]",
    ("service", "extends"): "x-base: &base {cpus: 1}\n<<: *base\n",
    ("service", "external_links"): "networks: [lan]",
    ("service", "label_file"): "labels: {a: b}",
    ("service", "links"): "depends_on: [db]\nnetworks: [lan]",
    ("service", "mem_swappiness"): "mem_limit: 1g\nmemswap_limit: 1g",
    ("service", "profiles"): "{}",
    ("service", "pull_refresh_after"): "kharness build NAME --rebuild",
    ("service", "volumes_from"): "volumes: [data:/data]",
    ("service", "services"): "image: a/b:1",
    ("build", "secrets"): "build: {}",
    ("build", "ssh"): "build: {}",
    ("build", "tags"): "build: {}",
    ("deploy", "labels"): "labels: {a: b}",
    ("deploy", "restart_policy"): "restart: on-failure:5",
    ("deploy.resources", "reservations"): "deploy: {resources: {limits: {memory: 1g}}}",
    ("networks", "priority"): "networks: [first, second]",
    ("secrets", "content"): "secrets: {key: /etc/secrets/key}",
    ("secrets", "environment"): "secrets: {key: {file: /etc/secrets/key}}",
    ("secrets", "name"): "secrets: {key: /etc/secrets/key}",
    ("secrets", "source"): "secrets: {key: /etc/secrets/key}",
}
"""What a person types who follows the hint about a key of a section."""
MENDED: Mapping[str, str] = {
    "KH101": "user: '1000:1000'",
    "KH102": "cap_drop: [ALL]\ncap_add: [CHOWN]",
    "KH103": "security_opt: [no-new-privileges:true]",
    "KH104": "security_opt: [seccomp=/etc/seccomp.json]",
    "KH105": "read_only: true\ntmpfs: [/tmp]",
    "KH106": "cap_add: [NET_ADMIN]\ndevices: [/dev/net/tun]",
    "KH107": "networks: [lan]",
    "KH108": "depends_on: [proxy]",
    "KH109": "volumes: [{type: bind, source: /etc, target: /x, read_only: true}]",
    "KH110": "mem_limit: 256m",
    "KH111": "cpus: 1",
    "KH112": "pids_limit: 100",
    "KH113": "restart: on-failure:5",
    "KH114": "ports: [127.0.0.1:8080:80]\npolicy: {allow: {published: [53/udp]}}",
    "KH115": "healthcheck: {test: [CMD, wget, -q, -O, /dev/null, 'http://localhost/']}",
    "KH116": "logging: {driver: local}",
    "KH117": "devices: [/dev/dri]",
    "KH118": "volumes: [{type: bind, source: /mnt, target: /mnt, bind: {propagation: rslave}}]",
    "KH201": "kharness cowscan NAME --snapshot --restart",
    "KH301": "{}",
    "KH302": f"image: a/b:1@sha256:{'a' * 64}",
    "KH303": "policy: {allow: {set_uid: [/usr/bin/x]}}",
    "KH304": "policy: {allow: {world_writable: [/x]}}",
    "KH305": "{}",
    "KH306": "secrets: {key: /etc/secrets/key}",
    "KH307": "policy: {allow: {secrets: [/x]}}",
    "KH308": "expose: [80]",
    "KH309": "pytest containers/NAME --ready --rebuild --launch",
    "KH310": "policy: {processes: [web]}",
    "KH401": "kharness rollback NAME",
    "KH402": "kharness history NAME",
    "KH403": "{}",
    "KH404": "kharness run NAME",
}
"""What a person types who follows what a check says about mending."""


def type_command(text: str) -> None:
    """Fail unless kharness, or pytest with its plugin, takes these words."""
    program, *words = shlex.split(text)
    if program == "pytest":
        known = (SOURCES / "plugin" / "options.py").read_text()
        for word in words:
            assert not word.startswith("--") or f'"{word}"' in known, f"{text}: pytest has no {word}"
        return
    command: click.Command | None = cli
    context = click.Context(cli, info_name="kharness")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = command.resolve_command(context, words)
        assert command is not None, text
        context = click.Context(command, info_name=name, parent=context, resilient_parsing=False)
    assert command is not None
    # An unknown option is an error here; what a command needs besides is not asked for.
    command.make_parser(context).parse_args(words)


def type_settings(text: str) -> None:
    """Fail unless a settings file may say this."""
    parse_settings(text.encode(), file=Path("web/settings.yaml"), has_dockerfile="image:" not in text)


def follow(text: str) -> None:
    (type_command if text.startswith(("kharness ", "pytest ")) else type_settings)(text)


def hinted() -> Iterator[tuple[str, str]]:
    for section, keys in UNSUPPORTED.items():
        yield from ((section, key) for key, hint in keys.items() if hint)


def test_every_hint_about_a_key_is_followed_here() -> None:
    # A new hint needs a line above: what it advises, as a person types it.
    assert set(SAID) == set(hinted())
    assert set(MENDED) == {check.id for check in CHECKS}


@pytest.mark.parametrize("where", SAID)
def test_what_a_hint_about_a_key_advises_is_accepted(where: tuple[str, str]) -> None:
    section, key = where
    follow(SAID[where])
    for flag in FLAG.findall(UNSUPPORTED[section][key]):
        type_command(f"pytest containers/NAME --ready {flag}")
        type_command(f"kharness build NAME {flag}")


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_mends_a_finding_is_accepted(check: object) -> None:
    follow(MENDED[check.id])  # type: ignore[attr-defined]


def literals(file: Path) -> Iterator[str]:
    """Yield the texts of a module with a name in place of what is put in; docstrings, too, which help pages show."""
    tree = ast.parse(file.read_text())
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else PLACES for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def found(pattern: re.Pattern[str]) -> list[str]:
    texts = (text for file in sorted(SOURCES.rglob("*.py")) for text in literals(file))
    return sorted({match for text in texts for match in pattern.findall(text)})


@pytest.mark.parametrize("text", found(QUOTED))
def test_a_command_that_a_message_quotes_exists(text: str) -> None:
    type_command(text.replace("[", "").replace("]", ""))


@pytest.mark.parametrize("text", found(SNIPPET))
def test_settings_that_a_message_quotes_are_accepted(text: str) -> None:
    # Of a volume's own `test:` the value alone is quoted.
    if re.fullmatch(r"test: (same|ro|copy|tree|empty)", text):
        value = text.partition(": ")[2]
        also = "\ntest: {same: [/x]}" if value == "same" else ""
        type_settings(f"volumes: [{{type: bind, source: ./x, target: /x, test: {value}}}]{also}")
        return
    text = text.replace("[...]", "[/x]").replace("...", "x").replace(": N}", ": 3}")
    if text.startswith("drift: {watch") or re.fullmatch(r"test: \{same: \[.*NAME.*\]\}", text):
        text = f"volumes: [{{type: bind, source: ./x, target: /x, test: same}}]\ntest: {{same: [/x]}}\n{text}"
        text = text.partition("\ntest: {same: [NAME")[0]
    type_settings(text)
