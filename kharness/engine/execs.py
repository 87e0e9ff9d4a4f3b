"""Commands in containers, and files in and out of them."""

from __future__ import annotations

import io
import math
import posixpath
import tarfile
import time
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from json import loads
from typing import Any
from urllib.parse import quote

from kharness.engine import frames
from kharness.engine.answers import path_facts
from kharness.engine.refusals import SilentError, StatusError, container_error, shortened
from kharness.engine.wire import Wire
from kharness.errors import ContainerMissingError, EngineError
from kharness.plan.facts import ExecResult, PathFacts

MAX_LINKS = 10
LINK = 0x08000000
NOT_REGULAR = 0x8F280000
"""The type bits of Go's file modes: directory, link, device, pipe, socket, irregular."""
STAT = "X-Docker-Container-Path-Stat"


class Execs:
    """The part of `Engine` that is about what happens inside a container."""

    _wire: Wire

    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        working_dir: str | None = None,
        timeout: float | None = None,
    ) -> ExecResult:
        """Run a command. After a timeout it goes on running in the container: the engine cannot end it."""
        body = {
            "Cmd": list(argv),
            "User": user or "",
            "Env": [f"{name}={value}" for name, value in (environment or {}).items()],
            "WorkingDir": working_dir or "",
        }
        code, out, err = self._run(container, body, timeout)
        return ExecResult(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))

    def exec_raw(self, container: str, argv: Sequence[str], *, user: str | None = None) -> tuple[int, bytes, bytes]:
        """Run a command, its output as bytes."""
        return self._run(container, {"Cmd": list(argv), "User": user or ""}, None)

    def run(self, container: str, *, timeout: float | None = None) -> tuple[int, bytes, bytes]:
        """Attach before the start, so that nothing is missed and no log driver is asked, which may change bytes."""
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        try:
            with self._wire.open(
                "POST",
                f"/containers/{quote(container)}/attach",
                params={"stream": True, "stdout": True, "stderr": True},
                headers=self._wire.raw_headers,
                timeout=timeout,
            ) as answer:
                self.start(container)
                out, err = frames.demultiplex(answer.read_until(deadline))
        except StatusError as error:
            raise container_error(error, container) from error
        except SilentError as error:
            raise TimeoutError(f"container {shortened(container)} still runs after {timeout:g} s") from error
        remaining = None if deadline == math.inf else max(deadline - time.monotonic(), 0.1)
        return self.wait(container, timeout=remaining), out, err

    def read_file(self, container: str, path: str) -> bytes:
        """Read a file through the engine's archive, which does not see what lies on a tmpfs."""
        where = path
        for _ in range(MAX_LINKS):
            link, content = self._archived(container, where)
            if not link:
                return content
            where = posixpath.join(posixpath.dirname(where), link)
        raise EngineError(f"container {shortened(container)}: {path}: too many links")

    def stat(self, container: str, path: str) -> PathFacts | None:
        """Ask for the header alone that comes with an archive."""
        try:
            with self._wire.open("HEAD", f"/containers/{quote(container)}/archive", params={"path": path}) as answer:
                return path_facts(loads(b64decode(answer.headers[STAT])))
        except StatusError as error:
            # The answer to HEAD has no text: a container that is not there looks like a path that is not.
            if error.missing:
                return None
            raise container_error(error, container) from error

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        """Stream the archive as it arrives; without the header the engine would compress it."""
        plain = {"Accept-Encoding": "identity"}
        try:
            with self._wire.open(
                "GET", f"/containers/{quote(container)}/archive", params={"path": path}, headers=plain
            ) as answer:
                yield from answer.chunks()
        except StatusError as error:
            exact = container_error(error, container)
            raise exact if isinstance(exact, ContainerMissingError) else EngineError(f"{exact} ({path})") from error

    def export(self, container: str) -> Iterator[bytes]:
        """Stream the file system as it arrives."""
        try:
            with self._wire.open("GET", f"/containers/{quote(container)}/export") as answer:
                yield from answer.chunks()
        except StatusError as error:
            raise container_error(error, container) from error

    def write_file(
        self, container: str, path: str, content: bytes, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Put a file; the engine makes the directories that are missing on its way."""
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode, member.mtime = len(content), mode, int(time.time())
            member.uid, member.gid = owner
            archive.addfile(member, io.BytesIO(content))
        try:
            self._wire.tell(
                "PUT",
                f"/containers/{quote(container)}/archive",
                params={"path": "/"},
                data=[buffer.getvalue()],
            )
        except StatusError as error:
            raise container_error(error, container) from error

    def start(self, container: str) -> None:
        """See `Containers`."""
        raise NotImplementedError

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """See `Containers`."""
        raise NotImplementedError

    def _archived(self, container: str, path: str) -> tuple[str, bytes]:
        """Return the target of a link, or the content of a regular file."""
        try:
            with self._wire.open("GET", f"/containers/{quote(container)}/archive", params={"path": path}) as answer:
                stat = loads(b64decode(answer.headers[STAT]))
                if stat["mode"] & LINK:
                    return stat["linkTarget"], b""
                if stat["mode"] & NOT_REGULAR:
                    raise EngineError(f"container {shortened(container)}: {path} is not a regular file")
                with tarfile.open(fileobj=io.BytesIO(answer.read())) as archive:
                    member = archive.extractfile(archive.getmembers()[0])
                    return "", member.read() if member else b""
        except StatusError as error:
            exact = container_error(error, container)
            raise exact if isinstance(exact, ContainerMissingError) else EngineError(f"{exact} ({path})") from error

    def _run(self, container: str, body: dict[str, Any], timeout: float | None) -> tuple[int, bytes, bytes]:
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        body = {"AttachStdout": True, "AttachStderr": True, **body}
        try:
            made = self._wire.ask("POST", f"/containers/{quote(container)}/exec", body=body)["Id"]
            out, err = frames.demultiplex(self._output(made, deadline))
            return self._exit_code(made, deadline), out, err
        except StatusError as error:
            raise container_error(error, container) from error
        except SilentError as error:
            if timeout is None:
                raise
            command = body["Cmd"][0]
            raise TimeoutError(
                f"{command} in container {shortened(container)} still runs after {timeout:g} s"
            ) from error

    def _output(self, made: str, deadline: float) -> bytes:
        timeout = None if deadline == math.inf else max(deadline - time.monotonic(), 0.001)
        with self._wire.open(
            "POST",
            f"/exec/{made}/start",
            body={"Detach": False},
            headers=self._wire.raw_headers,
            timeout=timeout,
        ) as answer:
            return answer.read_until(deadline)

    def _exit_code(self, made: str, deadline: float) -> int:
        # The output can end before the process does, or before the engine has noticed.
        while (state := self._wire.ask("GET", f"/exec/{made}/json"))["Running"]:
            if time.monotonic() > deadline:
                raise SilentError("the command still runs")
            time.sleep(0.01)
        return int(state.get("ExitCode") or 0)
