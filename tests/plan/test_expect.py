"""What expectations of the settings are called as tests."""

from __future__ import annotations

import pytest

from kharness.plan.expect import declared
from kharness.settings.expect import ExpectSettings


def names(**said: object) -> list[str]:
    return [each.name for each in declared(ExpectSettings.model_validate(said))]


@pytest.mark.parametrize(
    ("kind", "said", "name"),
    [
        ("http", "/", "http / is 200"),
        ("http", {"path": "/a", "port": 80, "status": 404}, "http :80/a is 404"),
        ("http", {"scheme": "https", "text": ["a", "b"]}, "https / is 200 with a, b"),
        ("http", {"header": {"X": "^y"}}, "http / is 200 with X: ^y"),
        ("tcp", 80, "tcp 80 listens"),
        ("tcp", {"port": 22, "listening": False}, "tcp 22 does not listen"),
        ("dns", "a.example", "dns a.example A is NOERROR"),
        ("dns", {"name": "a", "type": "MX", "answers": ["10 b", "20 c"]}, "dns a MX is 10 b, 20 c"),
        ("dns", {"name": "a", "rcode": "NXDOMAIN", "protocol": "tcp"}, "dns a A is NXDOMAIN over tcp"),
        ("dns", {"name": "a", "type": "AAAA", "answers": "2001:db8::5"}, "dns a AAAA is 2001:db8?5"),
        ("command", "id -u", "command id -u exits with 0"),
        ("command", {"command": "x", "status": 3, "output": "y"}, "command x exits with 3 with y"),
        ("command", ["sh", "-c", "a\nb\tü"], "command sh -c a?b?ü exits with 0"),
        ("command", "x" * 100, f"command {'x' * 69}..."),
        ("file", "/etc/x", "file /etc/x exists"),
        ("file", {"path": "/x", "exists": False}, "file /x does not exist"),
        (
            "file",
            {"path": "/x", "mode": "640", "owner": "a", "group": 5, "contents": "b"},
            "file /x exists with mode 640, owner a, group 5, b",
        ),
        ("process", "httpd", "process httpd runs"),
        ("process", {"name": "a", "command": "-p", "running": False}, "process a -p does not run"),
        ("process", {"command": "a b"}, "process a b runs"),
        ("log", "up", "log has up"),
        ("log", {"seen": "up", "never": "panic"}, "log has up, never has panic"),
        ("log", {"never": "panic"}, "log never has panic"),
    ],
)
def test_a_name_says_what_is_expected(kind: str, said: object, name: str) -> None:
    assert names(**{kind: [said]}) == [name]


def test_names_are_unique_and_the_first_keeps_its_own() -> None:
    assert names(process=[{"command": "a"}, {"command": "a"}, {"name": "a"}]) == [
        "process a runs",
        "process a runs (2)",
        "process a runs (3)",
    ]
    assert names(log=["a", "a (2)", "a"]) == ["log has a", "log has a (2)", "log has a (3)"]


def test_each_has_its_place_and_its_marks() -> None:
    found = declared(
        ExpectSettings.model_validate(
            {"tcp": [80, {"port": 81, "modes": ["in_prod", "in_prod"]}], "http": ["/"], "command": ["x"]}
        )
    )
    assert [(each.place, each.marks) for each in found] == [
        ("expect.http[0]", ("standalone", "prod_ready", "in_prod")),
        ("expect.tcp[0]", ("standalone", "prod_ready", "in_prod")),
        ("expect.tcp[1]", ("in_prod",)),
        ("expect.command[0]", ("standalone", "prod_ready")),
    ]
