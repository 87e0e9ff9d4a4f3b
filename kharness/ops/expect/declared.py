"""Check an expectation that settings declare."""

from __future__ import annotations

from typing import assert_never

from kharness.ops.expect.inside import expect_command, expect_file, expect_log, expect_process
from kharness.ops.expect.outside import expect_dns, expect_http, expect_tcp
from kharness.ops.session.instance import Instance
from kharness.settings.expect import (
    AnyExpectation,
    ExpectCommand,
    ExpectDns,
    ExpectFile,
    ExpectHttp,
    ExpectLog,
    ExpectProcess,
    ExpectTcp,
)


def check(instance: Instance, wanted: AnyExpectation) -> None:
    """Wait until it holds; raises `ExpectationError`, or another `KharnessError` if it cannot be checked at all."""
    timeout = wanted.timeout
    match wanted:
        case ExpectHttp():
            expect_http(
                instance.url(wanted.port, wanted.path, wanted.scheme),
                status=wanted.status,
                texts=wanted.text,
                header=wanted.header,
                # The request goes to the container's address, which no certificate names.
                verify=False,
                timeout=timeout,
                hidden=instance.secrets,
            )
        case ExpectTcp():
            expect_tcp(instance, wanted.port, listens=wanted.listening, timeout=timeout)
        case ExpectDns():
            expect_dns(
                instance,
                wanted.name,
                kind=wanted.type,
                answers=wanted.answers,
                rcode=wanted.rcode,
                port=wanted.port,
                protocol=wanted.protocol,
                timeout=timeout,
            )
        case ExpectCommand():
            expect_command(instance, wanted.command, status=wanted.status, output=wanted.output, timeout=timeout)
        case ExpectFile():
            expect_file(
                instance,
                wanted.path,
                exists=wanted.exists,
                texts=wanted.contents,
                mode=wanted.mode,
                owner=wanted.owner,
                group=wanted.group,
                timeout=timeout,
            )
        case ExpectProcess():
            expect_process(instance, name=wanted.name, command=wanted.command, running=wanted.running, timeout=timeout)
        case ExpectLog():
            expect_log(instance, seen=wanted.seen, never=wanted.never, timeout=wanted.patience)
        case _:
            assert_never(wanted)
