"""What two containers of one host cannot both have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kharness.settings.catalog import ContainerDir
from kharness.settings.checks import conflicts
from kharness.settings.model import Settings

Read = Callable[[str], Settings]


def found(read: Read, **texts: str) -> list[str]:
    settings = {ContainerDir(name, Path("c", name), Path("c")): read(text) for name, text in texts.items()}
    return [str(problem) for problem in conflicts(settings)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("80:80", "80:8080"),
        ("127.0.0.1:80:80", "80:80"),
        ("127.0.0.1:80:80", "0.0.0.0:80:80"),
        ("127.0.0.1:80:80", "127.0.0.1:80:81"),
        ("79-81:79-81", "80:80"),
        ("'[::1]:80:80'", "'[::]:80:80'"),
        ("127.0.0.1:80:80", "'[::]:80:80'"),
    ],
)
def test_a_published_port_is_one_container_s(read: Read, one: str, other: str) -> None:
    problems = found(read, web=f"ports: [{one}]", api=f"ports: [{other}]")
    assert len(problems) == 2
    assert problems[0].startswith("c/api/settings.yaml: ports: should not publish ")
    assert problems[0].endswith(":80/tcp, c/web/settings.yaml does") or " 80/tcp, c/web" in problems[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("80:80", "81:80"),
        ("80:80/tcp", "80:80/udp"),
        ("80", "80"),
        ("127.0.0.1:80:80", "127.0.0.2:80:80"),
        ("'[::1]:80:80'", "127.0.0.1:80:80"),
        ("'[::1]:80:80'", "0.0.0.0:80:80"),
    ],
)
def test_ports_that_differ_in_anything_do_not_collide(read: Read, one: str, other: str) -> None:
    assert found(read, web=f"ports: [{one}]", api=f"ports: [{other}]") == []


def test_both_files_are_told_who_the_other_is(read: Read) -> None:
    texts = {"web": "ports: ['127.0.0.1:53:53/udp']", "dns": "ports: ['53:53/udp']", "db": "{}"}
    assert found(read, **texts) == [
        "c/dns/settings.yaml: ports: should not publish 53/udp, c/web/settings.yaml does",
        "c/web/settings.yaml: ports: should not publish 127.0.0.1:53/udp, c/dns/settings.yaml does",
    ]


def test_a_fixed_address_is_one_container_s(read: Read) -> None:
    lan = "networks: {lan: {ipv4_address: 192.0.2.5, ipv6_address: '2001:db8::5'}}"
    assert found(read, a=lan, b=lan, c=lan.replace("lan:", "wan:", 1)) == [
        f"c/{one}/settings.yaml: networks.lan.{key}: should not be {address}, c/{other}/settings.yaml has it"
        for one, other in (("a", "b"), ("b", "a"))
        for key, address in (("ipv4_address", "192.0.2.5"), ("ipv6_address", "2001:db8::5"))
    ]


def test_a_name_is_one_container_s_also_where_it_is_the_directory_s(read: Read) -> None:
    assert found(read, api="container_name: web", web="{}", db="container_name: other") == [
        "c/api/settings.yaml: container_name: should be unique, web is also the name of c/web/settings.yaml",
        "c/web/settings.yaml: container_name: should be unique, web is also the name of c/api/settings.yaml",
    ]


def test_a_mac_address_is_one_container_s(read: Read) -> None:
    said = "networks: {lan: {mac_address: '02-42-C0-00-02-14'}}"
    other = "networks: {lan: {mac_address: '02:42:c0:00:02:14'}}"
    assert found(read, web=said, api=other)[0] == (
        "c/api/settings.yaml: networks.lan.mac_address: should not be 02:42:c0:00:02:14, c/web/settings.yaml has it"
    )
