"""`expect:`, what must be true of the running container, in the words of goss and container-structure-test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from kharness.settings.expect_asked import ExpectDns, ExpectHttp, ExpectTcp
from kharness.settings.expect_inside import ExpectCommand, ExpectFile, ExpectLog, ExpectProcess
from kharness.settings.section import Loc, Section

AnyExpectation = ExpectHttp | ExpectTcp | ExpectDns | ExpectCommand | ExpectFile | ExpectProcess | ExpectLog


class Expect(Section):
    """What must be true of the running container: each is a test of its own."""

    place: ClassVar[str] = "expect"

    http: tuple[ExpectHttp, ...] = ()
    """Pages that are answered."""
    tcp: tuple[ExpectTcp, ...] = ()
    """Ports that are listened on."""
    dns: tuple[ExpectDns, ...] = ()
    """Names that its DNS server answers."""
    command: tuple[ExpectCommand, ...] = ()
    """Commands that are run inside."""
    file: tuple[ExpectFile, ...] = ()
    """Files and directories inside."""
    process: tuple[ExpectProcess, ...] = ()
    """Programs that run."""
    log: tuple[ExpectLog, ...] = ()
    """Lines of its log."""

    @property
    def declares(self) -> bool:
        """Whether anything is expected."""
        return any(self.each())

    def each(self) -> Iterator[tuple[Loc, AnyExpectation]]:
        """Yield all of them, in the order of the kinds, each with its place."""
        for kind in type(self).model_fields:
            for index, said in enumerate(getattr(self, kind)):
                yield ("expect", kind, index), said


def check_expect(expect: Expect, *, limit: float) -> Iterator[tuple[Loc, str]]:
    """Yield place and message of each that a test could not wait for; `limit` is `test.timeout` in seconds."""
    for loc, said in expect.each():
        if "timeout" in said.model_fields_set and said.timeout > limit:
            yield (*loc, "timeout"), f"should not be above test.timeout, which ends a test after {limit:g} s"
