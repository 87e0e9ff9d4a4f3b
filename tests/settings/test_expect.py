"""`expect:`, each form of each kind, and what is said about one that is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from kharness.settings.expect import (
    ExpectCommand,
    ExpectDns,
    ExpectFile,
    ExpectHttp,
    ExpectItem,
    ExpectLog,
    ExpectProcess,
    ExpectTcp,
)
from kharness.settings.model import Settings


def lines(text: str) -> re.Pattern[str]:
    return re.compile(text, re.MULTILINE)


@pytest.mark.parametrize(
    ("text", "expectation"),
    [
        ("http: [/]", ExpectHttp()),
        ("http: ['/a?b=c']", ExpectHttp(path="/a?b=c")),
        ("http: [{status: '404', port: 8080, scheme: https}]", ExpectHttp(status=404, port=8080, scheme="https")),
        ("http: [{text: ok}]", ExpectHttp(text=(lines("ok"),))),
        ("http: [{text: [ok, 1.10, '^x$$']}]", ExpectHttp(text=(lines("ok"), lines("1.10"), lines("^x$")))),
        ("http: [{header: {Content-Type: ^text/, X: 5}}]",
         ExpectHttp(header={"Content-Type": re.compile("^text/"), "X": re.compile("5")})),
        ("http: [{timeout: 1m, modes: [in_prod]}]", ExpectHttp(timeout=60.0, modes=("in_prod",))),
        ("tcp: [80]", ExpectTcp(port=80)),
        ("tcp: ['80']", ExpectTcp(port=80)),
        ("tcp: [{port: 22, listening: false}]", ExpectTcp(port=22, listening=False)),
        ("dns: [a.example]", ExpectDns(name="a.example")),
        ("dns: [_sip._tcp.a.example.]", ExpectDns(name="_sip._tcp.a.example.")),
        ("dns: [{name: a, answers: 192.0.2.1}]", ExpectDns(name="a", answers=("192.0.2.1",))),
        ("dns: [{name: a, type: MX, answers: [10 mx, 20 my], port: 5353, protocol: tcp}]",
         ExpectDns(name="a", type="MX", answers=("10 mx", "20 my"), port=5353, protocol="tcp")),
        ("dns: [{name: a, rcode: NXDOMAIN}]", ExpectDns(name="a", rcode="NXDOMAIN")),
        ("command: [id -u 'a b']", ExpectCommand(command=("id", "-u", "a b"))),
        ("command: [[id, -u, 5]]", ExpectCommand(command=("id", "-u", "5"))),
        ("command: [{command: [x], status: 3, output: y, modes: [in_prod]}]",
         ExpectCommand(command=("x",), status=3, output=(lines("y"),), modes=("in_prod",))),
        ("file: [/etc//x]", ExpectFile(path="/etc/x")),
        ("file: [{path: /x, exists: false}]", ExpectFile(path="/x", exists=False)),
        ("file: [{path: /x, mode: 0640, owner: 1000, group: www, contents: [a, b]}]",
         ExpectFile(path="/x", mode=0o640, owner="1000", group="www", contents=(lines("a"), lines("b")))),
        ("process: [httpd]", ExpectProcess(name="httpd")),
        ("process: [{command: '-p 80', running: false}]", ExpectProcess(command=re.compile("-p 80"), running=False)),
        ("log: [listening]", ExpectLog(seen=re.compile("listening"))),
        ("log: [{seen: a, never: b}]", ExpectLog(seen=re.compile("a"), never=re.compile("b"))),
    ],
)  # fmt: skip
def test_every_form_is_read(read: Callable[[str], Settings], text: str, expectation: ExpectItem) -> None:
    found = dict(read(f"expect: {{{text}}}").expect.each())
    assert found == {("expect", text.partition(":")[0], 0): expectation}


@pytest.mark.parametrize(
    ("text", "modes"),
    [
        ("http: [/]", ("standalone", "prod_ready", "in_prod")),
        ("file: [/x]", ("standalone", "prod_ready", "in_prod")),
        # It may write.
        ("command: [x]", ("standalone", "prod_ready")),
    ],
)
def test_what_may_write_runs_in_production_only_where_that_is_said(
    read: Callable[[str], Settings], text: str, modes: tuple[str, ...]
) -> None:
    assert [said.modes for _, said in read(f"expect: {{{text}}}").expect.each()] == [modes]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("seen: x", 10.0), ("never: x", 1.0), ("{seen: x, never: y}", 10.0), ("{never: x, timeout: 5s}", 5.0)],
)
def test_a_log_without_a_line_to_wait_for_is_watched_for_a_moment(
    read: Callable[[str], Settings], text: str, seconds: float
) -> None:
    [log] = read(f"expect:\n  log:\n  - {text}").expect.log
    assert log.patience == seconds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", ": should be a mapping, not a list"),
        ("{http: /}", ".http: should be a list, not '/'"),
        ("{http: {/: {status: 200}}}", ".http: should be a list, not a mapping"),
        ("{htpp: [/]}", ".htpp: unknown key, did you mean 'http'?"),
        ("{port: [80]}", ".port: unknown key, did you mean 'tcp'?"),
        ("{http: [x]}", ".http[0].path: should be a path such as /healthz, not 'x'"),
        ("{http: [80]}", ".http[0]: should be a path such as /healthz, or a mapping, not 80"),
        ("{http: [{path: /a b}]}", ".http[0].path: should be a path such as /healthz, not '/a b'"),
        ("{http: [/, {body: x}]}", ".http[1].body: unknown key, did you mean 'text'?"),
        ("{http: [{headers: {}}]}", ".http[0].headers: unknown key, did you mean 'header'?"),
        ("{http: [{status: 99}]}", ".http[0].status: should be a status such as 200, not 99"),
        ("{http: [{status: ok}]}", ".http[0].status: should be a status such as 200, not 'ok'"),
        ("{http: [{text: (}]}",
         ".http[0].text: should be a regular expression, not '(': missing ), unterminated subpattern at position 0"),
        ("{http: [{text: [a, '*']}]}",
         ".http[0].text[1]: should be a regular expression, not '*': nothing to repeat at position 0"),
        ("{http: [{text: ''}]}", ".http[0].text: should not be empty"),
        ("{http: [{text: true}]}", ".http[0].text: should be text, not true"),
        ("{http: [{header: {X: '['}}]}",
         ".http[0].header.X: should be a regular expression, not '[': unterminated character set at position 0"),
        ("{http: [{header: {'a b': x}}]}",
         ".http[0].header.a b: should be the name of a header, such as Content-Type, not 'a b'"),
        ("{http: [{header: X}]}", ".http[0].header: should be a mapping, not 'X'"),
        ("{http: [{scheme: ftp}]}", ".http[0].scheme: should be one of http, https, not 'ftp'"),
        ("{http: [{timeout: soon}]}", ".http[0].timeout: should be a duration such as 1m30s or 500ms, not 'soon'"),
        ("{http: [{timeout: 6m}]}",
         ".http[0].timeout: should not be above test.timeout, which ends a test after 300 s"),
        ("{http: [{modes: []}]}",
         ".http[0].modes: should name a mode: one of standalone, prod_ready, in_prod"),
        ("{http: [{modes: [prod]}]}",
         ".http[0].modes[0]: should be one of standalone, prod_ready, in_prod, not 'prod'"),
        ("{http: [{modes: in_prod}]}", ".http[0].modes: should be a list, not 'in_prod'"),
        ("{tcp: [0]}", ".tcp[0].port: should be a port from 1 to 65535, not 0"),
        ("{tcp: [53/udp]}", ".tcp[0].port: should be a port from 1 to 65535, not '53/udp'"),
        ("{tcp: [true]}", ".tcp[0]: should be a port from 1 to 65535, or a mapping, not true"),
        ("{tcp: [{listening: true}]}", ".tcp[0].port: is required"),
        ("{tcp: [{port: 1, reachable: true}]}", ".tcp[0].reachable: unknown key, did you mean 'listening'?"),
        ("{dns: [a b]}", ".dns[0].name: should be a name such as www.example.org, not 'a b'"),
        ("{dns: [a..b]}", ".dns[0].name: should be a name such as www.example.org, not 'a..b'"),
        ("{dns: [{name: a, type: X}]}",
         ".dns[0].type: should be one of A, AAAA, CAA, CNAME, MX, NS, PTR, SOA, SRV, SSHFP, TLSA, TXT, not 'X'"),
        ("{dns: [{name: a, addresses: b}]}", ".dns[0].addresses: unknown key, did you mean 'answers'?"),
        ("{dns: [{name: a, answers: b, rcode: NXDOMAIN}]}",
         ".dns[0]: should not have answers beside the rcode NXDOMAIN"),
        ("{command: ['']}", ".command[0]: should name a program"),
        ("{command: [\"a 'b\"]}", ".command[0].command: should be a command line whose quotes are closed"),
        ("{command: [{command: x, stdout: y}]}", ".command[0].stdout: unknown key, did you mean 'output'?"),
        ("{command: [{command: x, exit-status: 1}]}", ".command[0].exit-status: unknown key, did you mean 'status'?"),
        ("{command: [{command: x, status: 256}]}",
         ".command[0].status: should be an exit status from 0 to 255, not 256"),
        ("{command: [5]}", ".command[0]: should be a command, or a mapping with one, not 5"),
        ("{file: [etc/x]}", ".file[0].path: should be an absolute path, not 'etc/x'"),
        ("{file: [{path: /x, mode: rwx}]}", ".file[0].mode: should be an octal mode such as 0o755, not 'rwx'"),
        ("{file: [{path: /x, content: a}]}", ".file[0].content: unknown key, did you mean 'contents'?"),
        ("{file: [{path: /x, exists: false, owner: a}]}",
         ".file[0]: should say nothing else of a file that does not exist"),
        ("{process: [nginx -g x]}",
         ".process[0].name: should be the name of a program; its whole command line is `command`, not 'nginx -g x'"),
        ("{process: [{running: true}]}", ".process[0]: should have a name or a command"),
        ("{log: [{timeout: 1s}]}", ".log[0]: should say seen, never, or both"),
        ("{log: [(?P<]}",
         ".log[0].seen: should be a regular expression, not '(?P<': missing group name at position 4"),
        ("{log: [{never: $X}]}", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(complaints: Callable[..., list[str]], text: str, message: Any) -> None:
    [found] = complaints(f"expect: {text}")
    if message is None:
        assert found.startswith("expect.log[0].never: ")
    else:
        assert found == f"expect{message}"


def test_a_limit_of_the_tests_is_that_of_their_expectations_too(read: Callable[[str], Settings]) -> None:
    read("{expect: {http: [{timeout: 6m}]}, test: {timeout: 6m}}")
    # A default is nobody's mistake.
    read("{expect: {http: [/]}, test: {timeout: 2s}}")
