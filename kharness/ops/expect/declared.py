"""Look whether an expectation of the settings holds."""

from __future__ import annotations

from typing import assert_never

from kharness.ops.expect.command import expect_command
from kharness.ops.expect.dns import expect_dns
from kharness.ops.expect.file import expect_file
from kharness.ops.expect.http import expect_http
from kharness.ops.expect.log import expect_log
from kharness.ops.expect.process import expect_process
from kharness.ops.expect.tcp import expect_tcp
from kharness.ops.instance import Instance
from kharness.settings.expect import AnyExpectation
from kharness.settings.expect_asked import ExpectDns, ExpectHttp, ExpectTcp
from kharness.settings.expect_inside import ExpectCommand, ExpectFile, ExpectLog, ExpectProcess


def check(instance: Instance, said: AnyExpectation) -> None:
    """Wait until it holds; raises `ExpectationError`, or another `KharnessError` where it cannot even be asked."""
    timeout = said.timeout
    match said:
        case ExpectHttp():
            expect_http(
                instance.url(said.port, said.path, said.scheme),
                status=said.status,
                texts=said.text,
                header=said.header,
                # The container is asked by its address, and no certificate has that.
                verify=False,
                timeout=timeout,
                hidden=instance.secrets,
            )
        case ExpectTcp():
            expect_tcp(instance, said.port, listens=said.listening, timeout=timeout)
        case ExpectDns():
            expect_dns(
                instance,
                said.name,
                kind=said.type,
                answers=said.answers,
                rcode=said.rcode,
                port=said.port,
                protocol=said.protocol,
                timeout=timeout,
            )
        case ExpectCommand():
            expect_command(instance, said.command, status=said.status, output=said.output, timeout=timeout)
        case ExpectFile():
            expect_file(
                instance,
                said.path,
                exists=said.exists,
                texts=said.contents,
                mode=said.mode,
                owner=said.owner,
                group=said.group,
                timeout=timeout,
            )
        case ExpectProcess():
            expect_process(instance, name=said.name, command=said.command, running=said.running, timeout=timeout)
        case ExpectLog():
            expect_log(instance, seen=said.seen, never=said.never, timeout=said.patience)
        case _:
            assert_never(said)
