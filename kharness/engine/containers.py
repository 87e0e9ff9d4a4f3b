"""Containers: create, start, stop, inspect, list, and the rest of their life, with their logs and processes.

Where the engine's host is this one and has no ps(1), /proc says what runs.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from kharness.engine import answers, frames
from kharness.engine.local import shares_processes
from kharness.engine.refusals import SilentError, StatusError, container_error, create_error, shortened, start_error
from kharness.engine.requests import (
    CreateRequest,
    create_body,
    create_request,
    endpoint_body,
    fitted,
    label_filters,
    restart_body,
)
from kharness.engine.wire import READ_TIMEOUT, Wire
from kharness.errors import EngineError
from kharness.plan.facts import Change, ContainerFacts, LogLine, ProcessFacts, UsageFacts
from kharness.plan.launch.runspec import RunSpec
from kharness.plan.text import whole_seconds

LONGEST = 1 << 20
"""Bytes after which a line is given as it is, without its end."""
NANO = 1_000_000_000
_FRACTION = re.compile(r"\.(\d+)")


def lines(pieces: Iterable[tuple[int, bytes]]) -> Iterator[LogLine]:
    """Return the lines of pieces, as `frames.pieces` gives them.

    A line of more than 16 KiB arrives in several frames, each with a time of its own, of which the first counts.
    """
    rest: dict[int, bytes] = {}
    for stream, piece in pieces:
        before = rest.get(stream, b"")
        more = piece.partition(b" ")[2] if before and stream != frames.RAW else piece
        *whole, rest[stream] = (before + more).split(b"\n")
        yield from (_line(stream, content) for content in whole)
        if len(rest[stream]) >= LONGEST:
            yield _line(stream, rest.pop(stream))
    yield from (_line(stream, content) for stream, content in rest.items() if content)


def since(at: str) -> str:
    """Return the first moment after that time, as the engine takes it: seconds since the epoch and nanoseconds."""
    fraction = _FRACTION.search(at)
    nanoseconds = int(fraction[1].ljust(9, "0")[:9]) if fraction else 0
    seconds = int(datetime.fromisoformat(_FRACTION.sub("", at)).timestamp())
    whole, part = divmod(seconds * NANO + nanoseconds + 1, NANO)
    return f"{whole}.{part:09}"


def _line(stream: int, content: bytes) -> LogLine:
    at, _, text = content.decode("utf-8", "replace").partition(" ")
    return LogLine(at=at, text=text.removesuffix("\r"), error=stream == frames.STDERR)


PROC = Path("/proc")


def processes_beside(first: int, *, proc: Path = PROC) -> tuple[ProcessFacts, ...]:
    """Return the processes that are in the control groups of a process or below them, by their numbers.

    Where its groups do not set it apart, its pid namespace does. Empty when it has ended.
    """
    with suppress(OSError):
        groups = _groups(proc / str(first))
        apart = {name: path for name, path in groups.items() if path != "/"}
        namespace = None if apart else (proc / str(first) / "ns/pid").readlink()
        found = (_seen(proc / str(pid), apart, namespace) for pid in _numbers(proc))
        return tuple(each for each in found if each is not None)
    return ()


def _numbers(proc: Path) -> Iterator[int]:
    yield from sorted(int(each.name) for each in proc.iterdir() if each.name.isdigit())


def _seen(place: Path, apart: dict[str, str], namespace: Path | None) -> ProcessFacts | None:
    # It may end at any moment.
    with suppress(OSError, KeyError, IndexError, ValueError):
        if namespace is not None:
            is_inside = (place / "ns/pid").readlink() == namespace
        else:
            groups = _groups(place)
            is_inside = all(_is_below(groups[name], path) for name, path in apart.items())
        return _facts(place) if is_inside else None
    return None


def _groups(place: Path) -> dict[str, str]:
    """Read cgroups(7): `NUMBER:CONTROLLERS:PATH` a line."""
    lines = (place / "cgroup").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    return {name: path for _, name, path in (line.split(":", 2) for line in lines)}


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}/")


def _facts(place: Path) -> ProcessFacts:
    said = (place / "status").read_text(encoding="utf-8", errors="replace").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in said)}
    words = (place / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
    command = " ".join(word.decode("utf-8", "replace") for word in words)
    return ProcessFacts(
        pid=int(place.name),
        ppid=int(status["PPid"][0]),
        # The effective one, as ps(1) shows it.
        uid=status["Uid"][1],
        # A process that has ended and was not waited for has no arguments any more.
        command=command or f"[{' '.join(status['Name'])}]",
    )


LOG_MOST = 16 << 20
"""Bytes of a log that are returned in one piece."""
_NO_PS = ('"ps": executable file not found', "ps: executable file not found", "fork/exec /bin/ps")
_UNREADABLE = ("does not support reading", "cannot read logs")


class Containers:
    """The part of `Engine` that is about containers."""

    _wire: Wire
    _socket: str | None

    def container(self, ref: str) -> ContainerFacts | None:
        """Inspect a container, None when there is none."""
        try:
            return answers.container_facts(self._wire.ask("GET", f"/containers/{quote(ref)}/json"))
        except StatusError as error:
            if error.missing:
                return None
            raise

    def containers(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ContainerFacts, ...]:
        """List containers, stopped ones too, in one request."""
        found = self._wire.ask("GET", "/containers/json", params={"all": True, "filters": label_filters(labels)})
        return tuple(map(answers.listed_container, found or ()))

    def create(self, spec: RunSpec) -> str:
        """Create a container and let it join its networks."""
        further = {attachment.network: endpoint_body(attachment) for attachment in spec.networks[1:]}
        return self._create(spec.name, spec.image, create_body(spec), further)

    def request_of(self, container: str) -> Mapping[str, Any]:
        """Return the request that makes a container again."""
        try:
            found = self._wire.ask("GET", f"/containers/{quote(container)}/json")
        except StatusError as error:
            raise container_error(error, container) from error
        return create_request(found, addressed=self._serves_newer)

    def create_again(self, name: str, request: Mapping[str, Any]) -> str:
        """Create a container of such a request; it joins all its networks but the first afterwards."""
        endpoints = dict(request["NetworkingConfig"]["EndpointsConfig"])
        mode = request["HostConfig"].get("NetworkMode", "")
        first = {mode: endpoints.pop(mode)} if mode in endpoints else {}
        body = {**request, "NetworkingConfig": {"EndpointsConfig": first}}
        return self._create(name, str(request["Image"]), body, endpoints)

    def start(self, container: str) -> None:
        """Start a container; a running one is no error."""
        try:
            self._post(container, "start")
        except StatusError as error:
            raise start_error(error, container) from error

    def stop(self, container: str, *, timeout: float | None = None) -> None:
        """Stop a container; without `timeout` (s) after its own grace period, the engine's default is 10 s."""
        try:
            # The engine takes whole seconds.
            seconds = whole_seconds(timeout)
            self._post(container, "stop", params={"t": seconds}, timeout=None if seconds is None else seconds + 60)
        except StatusError as error:
            raise container_error(error, container) from error

    def restart(self, container: str) -> None:
        """Stop and start a container in one request, whose end may take longer than its grace period."""
        try:
            self._post(container, "restart", timeout=None)
        except StatusError as error:
            raise start_error(error, container) from error

    def kill(self, container: str, *, signal: str = "KILL") -> None:
        """Send a signal."""
        self._do(container, "kill", params={"signal": signal})

    def pause(self, container: str) -> None:
        """Freeze."""
        self._do(container, "pause")

    def unpause(self, container: str) -> None:
        """Thaw."""
        self._do(container, "unpause")

    def rename(self, container: str, name: str) -> None:
        """Rename."""
        try:
            self._post(container, "rename", params={"name": name})
        except StatusError as error:
            raise container_error(error, container if error.missing else name) from error

    def set_restart(self, container: str, policy: str, *, retries: int = 0) -> None:
        """Change the restart policy."""
        try:
            self._post(container, "update", body={"RestartPolicy": restart_body(policy, retries=retries)})
        except StatusError as error:
            # Podman before 5 does not know the request.
            if error.message == "Not Found":
                raise EngineError(
                    f"container {shortened(container)}: this engine cannot change a restart policy"
                ) from error
            raise container_error(error, container) from error

    def remove(self, container: str, *, force: bool = False, volumes: bool = True) -> None:
        """Remove, and wait for a removal that is under way already."""
        params = {"force": force, "v": volumes}
        try:
            self._wire.tell("DELETE", f"/containers/{quote(container)}", params=params)
        except StatusError as error:
            if error.says("already in progress"):
                self._await_removal(container)
            elif not error.missing:
                raise container_error(error, container) from error

    def logs(self, container: str, *, tail: int | None = None) -> str:
        """Read the end of the logs, `LOG_MOST` bytes of it; empty where the log driver keeps none."""
        params: dict[str, str | bool] = {"stdout": True, "stderr": True, "tail": "all" if tail is None else str(tail)}
        try:
            with self._wire.open("GET", f"/containers/{quote(container)}/logs", params=params) as answer:
                content = frames.last(frames.pieces(answer.chunks()), LOG_MOST)
        except StatusError as error:
            if error.says(*_UNREADABLE):
                return ""
            raise container_error(error, container) from error
        return content.decode("utf-8", "replace")

    def log_lines(
        self, container: str, *, tail: int | None = None, after: str = "", follow: bool = False
    ) -> Iterator[LogLine]:
        """Read the logs line by line, as they arrive."""
        params: dict[str, str | int | bool | None] = {
            "stdout": True,
            "stderr": True,
            "timestamps": True,
            "follow": follow,
            "tail": "all" if tail is None else str(tail),
            "since": since(after) if after else None,
        }
        path = f"/containers/{quote(container)}/logs"
        try:
            with self._wire.open("GET", path, params=params, timeout=None if follow else READ_TIMEOUT) as answer:
                yield from lines(frames.pieces(answer.chunks()))
        except StatusError as error:
            if error.says(*_UNREADABLE):
                text = "its log driver keeps nothing that can be read"
                raise EngineError(f"container {shortened(container)}: {text}") from error
            raise container_error(error, container) from error

    def diff(self, container: str) -> tuple[Change, ...]:
        """List what differs from the image."""
        try:
            return answers.changes(self._wire.ask("GET", f"/containers/{quote(container)}/changes"))
        except StatusError as error:
            raise container_error(error, container) from error

    def processes(self, container: str) -> tuple[ProcessFacts, ...]:
        """List its processes as `ps` of the engine's host does, which Podman runs in the container.

        Where there is no `ps`, /proc says it if the engine's host is this one.
        """
        params = {"ps_args": f"-eo {answers.PS_COLUMNS}"}
        try:
            return answers.processes(self._wire.ask("GET", f"/containers/{quote(container)}/top", params=params))
        except StatusError as error:
            if error.says(*_NO_PS):
                return self._processes_here(container)
            raise container_error(error, container) from error

    def usage(self, container: str) -> UsageFacts | None:
        """Read its statistics once."""
        params = {"stream": False, "one-shot": True}
        try:
            return answers.usage(self._wire.ask("GET", f"/containers/{quote(container)}/stats", params=params))
        except StatusError as error:
            # Podman has none of what does not run.
            if error.says("not running"):
                return None
            raise container_error(error, container) from error

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait for the exit; one that is not running has exited."""
        try:
            answer = self._wire.ask("POST", f"/containers/{quote(container)}/wait", timeout=timeout)
        except StatusError as error:
            raise container_error(error, container) from error
        except SilentError as error:
            raise TimeoutError(f"container {shortened(container)} still runs after {timeout:g} s") from error
        return int(answer["StatusCode"])

    def _create(self, name: str, image: str, body: Mapping[str, Any], further: Mapping[str, Any]) -> str:
        # Before API 1.44 a container is created on one network and joins the others.
        request = fitted(CreateRequest(body=body, further=further), name, newer=self._serves_newer)
        try:
            made = self._wire.ask(
                "POST", "/containers/create", params={"name": name}, body=request.body, api=request.api
            )
        except StatusError as error:
            raise create_error(error, name, image) from error
        container = str(made["Id"])
        try:
            for network, endpoint in request.further.items():
                self._join(network, container, endpoint)
        except BaseException:
            self.remove(container, force=True)
            raise
        return container

    def _processes_here(self, container: str) -> tuple[ProcessFacts, ...]:
        found = self.container(container)
        if found is None or not found.pid:
            raise EngineError(f"container {shortened(container)}: it is not running")
        if self._socket is None or not shares_processes(self._socket):
            text = "its processes cannot be listed: the engine's host has no ps; install the package procps there"
            raise EngineError(f"container {shortened(container)}: {text}")
        return processes_beside(found.pid)

    def _await_removal(self, container: str, *, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while self.container(container) is not None:
            if time.monotonic() > deadline:
                raise EngineError(f"container {shortened(container)} is still being removed after {seconds:g} s")
            time.sleep(0.02)

    @property
    def _serves_newer(self) -> bool:
        raise NotImplementedError

    def _join(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _do(self, container: str, verb: str, **request: Any) -> None:
        try:
            self._post(container, verb, **request)
        except StatusError as error:
            raise container_error(error, container) from error

    def _post(self, container: str, verb: str, *, timeout: float | None = READ_TIMEOUT, **request: Any) -> None:
        self._wire.tell("POST", f"/containers/{quote(container)}/{verb}", timeout=timeout, **request)
