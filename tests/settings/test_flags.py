"""Settings in words: flags and variables."""

from __future__ import annotations

from typing import Any

import pytest

from kharness.errors import SettingsError, UsageError
from kharness.settings.flags import Form, flag_name, form_of, from_environment, from_flags, read_words, variable_name
from kharness.settings.model import Settings
from kharness.settings.plain import PLAIN


def test_every_key_has_a_form_and_these_are_the_lists_and_maps() -> None:
    plain = {row.key: form_of(row.key) for row in PLAIN}
    forms = {key: form_of(key) for key in Settings.model_fields.keys() - plain.keys()}
    assert Form.FLAG not in forms.values()
    assert {key for key, form in forms.items() if form is Form.LIST} == {
        *("devices", "env_file", "expose", "extra_hosts", "ports", "prepare", "tmpfs", "volumes")
    }
    assert {key for key, form in forms.items() if form is Form.NAMED} == {
        *("build", "depends_on", "deploy", "drift", "environment", "expect", "gate", "healthcheck", "labels"),
        *("logging", "networks", "policy", "release", "secrets", "test", "ulimits"),
    }
    some = [plain[key] for key in ("read_only", "cap_add", "dns", "sysctls", "mem_limit", "hostname")]
    assert some == [Form.FLAG, Form.LIST, Form.LIST, Form.NAMED, Form.VALUE, Form.VALUE]
    assert (flag_name("mem_limit"), variable_name("mem_limit")) == ("--mem-limit", "KHARNESS_RUN_MEM_LIMIT")


@pytest.mark.parametrize(
    ("key", "words", "value"),
    [
        ("mem_limit", ("1g",), "1g"),
        ("pids_limit", ("5", "6"), 6),
        ("init", ("true",), True),
        ("hostname", ("no",), "no"),
        ("entrypoint", ("",), ""),
        ("command", ("sh -c 'a: b # c'",), "sh -c 'a: b # c'"),
        ("command", ("[sh, -c, 'a: b']",), ["sh", "-c", "a: b"]),
        ("command", ("[ -f /x ] && true",), "[ -f /x ] && true"),
        ("restart", ("on-failure:3",), "on-failure:3"),
        ("ports", ("80:80", "{target: 53, protocol: udp}"), ["80:80", {"target": 53, "protocol": "udp"}]),
        ("ports", ("[80, 81]", "82"), [80, 81, 82]),
        ("ports", ("[::1]:80:80",), ["[::1]:80:80"]),
        ("dns", ("[]",), []),
        ("environment", ("A=1", "B={x: y}", "C=", "D"), {"A": "1", "B": "{x: y}", "C": "", "D": None}),
        ("environment", ("{A: 1}", "[B=2]"), {"A": 1, "B": "2"}),
        ("healthcheck", ("interval=5s", "test=[CMD, check]"), {"interval": "5s", "test": ["CMD", "check"]}),
        ("healthcheck", ("{retries: 3}",), {"retries": 3}),
        ("networks", ("lan", "wan={aliases: [x]}"), {"lan": {}, "wan": {"aliases": ["x"]}}),
        ("ulimits", ("nofile=1024",), {"nofile": 1024}),
        ("dns", ("null",), None),
        ("environment", ("null",), None),
    ],
)
def test_words_mean_what_a_file_would_say(key: str, words: tuple[str, ...], value: Any) -> None:
    found = read_words(key, words)
    assert found == value
    assert type(found) is not bool or found is value


def test_a_number_is_kept_as_it_is_written() -> None:
    assert Settings(image="x", hostname=read_words("hostname", ("0755",))).hostname == "0755"


def test_an_unknown_variable_names_the_nearest() -> None:
    environ = {"KHARNESS_RUN_MEMLIMIT": "1g", "KHARNESS_REPOSITORY": "x", "KHARNESS_RUN_CPUS": ""}
    with pytest.raises(
        UsageError, match=r"^KHARNESS_RUN_MEMLIMIT: there is no such setting; did you mean KHARNESS_RUN_MEM_LIMIT\?$"
    ):
        from_environment(environ)
    with pytest.raises(UsageError, match="'kharness run --settings' lists those that there are"):
        from_environment({"KHARNESS_RUN_X": "1"})


def test_a_variable_says_what_one_flag_does() -> None:
    found = from_environment({"KHARNESS_RUN_PORTS": "[80, 81]", "KHARNESS_RUN_LABELS": "a=b", "HOME": "/"})
    assert found.said == {"ports": [80, 81], "labels": {"a": "b"}}
    assert found.title(("ports",)) == "KHARNESS_RUN_PORTS"
    assert from_environment({"KHARNESS_RUN_CPUS": ""}).said == {}


@pytest.mark.parametrize("text", ["\udc80", "a\0b", "\x1b[0m"])
def test_what_is_no_text_is_told(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^command line: --user: should be text in UTF-8"):
        from_flags({"user": (text,)})
    with pytest.raises(SettingsError, match=r"^environment: KHARNESS_RUN_USER: should be text in UTF-8"):
        from_environment({"KHARNESS_RUN_USER": text})
