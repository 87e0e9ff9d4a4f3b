"""The life of the fake's containers: start to exit, and what is done inside them."""

from __future__ import annotations

import posixpath
import stat
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network

from kharness.errors import ConflictError, ContainerMissingError, EngineError, LaunchError
from kharness.plan.facts import (
    Change,
    ContainerFacts,
    ExecResult,
    LogLine,
    NetworkFacts,
    PathFacts,
    ProcessFacts,
    UsageFacts,
)
from kharness.plan.launch.runspec import Attachment
from kharness.testing.container import EXIT, HEALTH, LOGS, START, FakeContainer, published
from kharness.testing.images import archive_of
from kharness.testing.networks import SPECIAL
from kharness.testing.recording import Recorder, recorded

SIGNALS = {"INT": 2, "QUIT": 3, "KILL": 9, "TERM": 15}
FIRST_PORT = 49153

Script = Callable[[ContainerFacts, tuple[str, ...]], ExecResult | None]


class FakeLife(Recorder):
    """The part of the fake in which containers live.

    `script(container, argv)` answers what is executed in one; None leaves it to the fake, which knows the health check,
    `cat FILE` and `cat /proc/net/tcp`, and lets everything else succeed in silence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.boxes: dict[str, FakeContainer] = {}
        self.script: Script = _no_answer

    def crash(self, container: str, exit_code: int = 1) -> None:
        """Let a container's process end by itself."""
        with self.lock:
            self._end(self._box(container), exit_code)
            self.changed.notify_all()

    def say(self, container: str, text: str) -> None:
        """Let a container write to its log."""
        self._box(container).logs.append(text)

    @recorded
    def start(self, container: str) -> None:
        """See `Engine`."""
        box = self._box(container)
        if not box.running:
            self._start(box)

    @recorded
    def restart(self, container: str) -> None:
        """See `Engine`."""
        box = self._box(container)
        if box.running:
            box.end(143 if box.spec.init else 137)
        self._start(box)

    def _start(self, box: FakeContainer) -> None:
        labels = box.image.labels
        if START in labels:
            box.error, box.exit_code = labels[START], 127
            raise LaunchError(f"container {box.name} does not start: {labels[START]}")
        addresses = {name: self._address(box, attachment) for name, attachment in box.joined.items()}
        ports = published(box.spec, free=FIRST_PORT + len(self.boxes))
        for other in self._running():
            for port in {(port.host_port, port.port.protocol) for port in ports}:
                if port in {(port.host_port, port.port.protocol) for port in other.ports}:
                    raise ConflictError(f"container {box.name}: port {port[0]} is in use")
        box.addresses = {name: address for name, address in addresses.items() if address}
        box.ports, box.state, box.exit_code, box.started_at = ports, "running", 0, self._now()
        box.logs.extend([labels[LOGS]] if LOGS in labels else [])
        if EXIT in labels:
            self._end(box, int(labels[EXIT]))

    @recorded
    def stop(self, container: str, *, timeout: float | None = None) -> None:  # noqa: ARG002 - the Protocol's
        """See `Engine`."""
        box = self._box(container)
        if box.running:
            box.end(143 if box.spec.init else 137)
        elif box.state == "restarting":
            box.state = "exited"

    @recorded
    def kill(self, container: str, *, signal: str = "KILL") -> None:
        """See `Engine`."""
        box = self._running_box(container)
        number = SIGNALS.get(signal.removeprefix("SIG"))
        if number:
            box.end(128 + number)

    @recorded
    def pause(self, container: str) -> None:
        """See `Engine`."""
        box = self._running_box(container)
        if box.state == "paused":
            raise EngineError(f"container {box.name}: it is paused already")
        box.state = "paused"

    @recorded
    def unpause(self, container: str) -> None:
        """See `Engine`."""
        box = self._box(container)
        if box.state != "paused":
            raise EngineError(f"container {box.name}: it is not paused")
        box.state = "running"

    @recorded
    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """See `Engine`."""
        box = self._box(container)
        deadline = None if timeout is None else time.monotonic() + timeout
        while box.running and box.id in self.boxes:
            remaining = None if deadline is None else deadline - time.monotonic()
            if remaining is not None and remaining <= 0:
                raise TimeoutError(f"container {box.name} still runs after {timeout:g} s")
            self.changed.wait(remaining)
        return box.exit_code

    @recorded
    def exec(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,  # noqa: ARG002 - the Protocol's
        environment: Mapping[str, str] | None = None,  # noqa: ARG002
        working_dir: str | None = None,  # noqa: ARG002
        timeout: float | None = None,  # noqa: ARG002
    ) -> ExecResult:
        """See `Engine`."""
        return self._answer(container, argv)

    @recorded
    def exec_raw(
        self,
        container: str,
        argv: Sequence[str],
        *,
        user: str | None = None,  # noqa: ARG002 - the Protocol's
    ) -> tuple[int, bytes, bytes]:
        """See `Engine`."""
        answer = self._answer(container, argv)
        return answer.exit_code, answer.stdout.encode(), answer.stderr.encode()

    @recorded
    def run(self, container: str, *, timeout: float | None = None) -> tuple[int, bytes, bytes]:  # noqa: ARG002
        """See `Engine`; `script` is asked for entry point and command, as for an executed command."""
        box = self._box(container)
        if START in box.image.labels:
            raise LaunchError(f"container {box.name} does not start: {box.image.labels[START]}")
        box.state = "running"
        answer = self._answer(container, (*(box.spec.entrypoint or ()), *(box.spec.command or ())))
        box.end(answer.exit_code)
        return answer.exit_code, answer.stdout.encode(), answer.stderr.encode()

    @recorded
    def logs(self, container: str, *, tail: int | None = None) -> str:
        """See `Engine`."""
        lines = [line for text in self._box(container).logs for line in text.splitlines()]
        return "".join(f"{line}\n" for line in (lines if tail is None else lines[len(lines) - tail :]))

    @recorded
    def log_lines(
        self,
        container: str,
        *,
        tail: int | None = None,
        after: str = "",
        follow: bool = False,  # noqa: ARG002 - what it says later is not waited for
    ) -> Iterator[LogLine]:
        """See `Engine`; a line each nanosecond, and no error among them."""
        lines = [line for text in self._box(container).logs for line in text.splitlines()]
        found = [LogLine(at=f"2026-01-01T00:00:00.{number:09}Z", text=line) for number, line in enumerate(lines)]
        newer = [line for line in found if line.at > after]
        return iter(newer if tail is None else newer[len(newer) - min(tail, len(newer)) :])

    @recorded
    def diff(self, container: str) -> tuple[Change, ...]:
        """See `Engine`."""
        return tuple(self._box(container).changes)

    @recorded
    def processes(self, container: str) -> tuple[ProcessFacts, ...]:
        """See `Engine`; one process, and those that the image's label tells of."""
        return self._running_box(container).processes()

    @recorded
    def usage(self, container: str) -> UsageFacts | None:
        """See `Engine`; what its `memory` and `cpu` say."""
        box = self._box(container)
        return UsageFacts(memory=box.memory, memory_limit=1 << 30, cpu=box.cpu, at=time.time()) if box.running else None

    @recorded
    def read_file(self, container: str, path: str) -> bytes:
        """See `Engine`."""
        box = self._box(container)
        if path not in box.files:
            raise EngineError(f"container {box.name}: there is no file {path}")
        return box.files[path]

    @recorded
    def stat(self, container: str, path: str) -> PathFacts | None:
        """See `Engine`; every file can be read by all, and what files are in is a directory."""
        box = self._box(container)
        if path in box.files:
            return PathFacts(mode=stat.S_IFREG | 0o644, size=len(box.files[path]))
        inside = any(name.startswith(f"{path.rstrip('/')}/") for name in box.files)
        return PathFacts(mode=stat.S_IFDIR | 0o755, size=4096) if inside else None

    @recorded
    def archive(self, container: str, path: str) -> Iterator[bytes]:
        """See `Engine`; regular files alone."""
        box = self._box(container)
        found = {name: content for name, content in box.files.items() if f"{name}/".startswith(f"{path}/")}
        if not found:
            raise EngineError(f"container {box.name}: there is nothing at {path}")
        above = posixpath.dirname(path).rstrip("/")
        return iter([archive_of({name.removeprefix(f"{above}/"): content for name, content in found.items()})])

    @recorded
    def export(self, container: str) -> Iterator[bytes]:
        """See `Engine`; regular files alone."""
        box = self._box(container)
        return iter([archive_of({path.lstrip("/"): content for path, content in sorted(box.files.items())})])

    @recorded
    def write_file(
        self,
        container: str,
        path: str,
        content: bytes,
        *,
        mode: int = 0o644,  # noqa: ARG002
        owner: tuple[int, int] = (0, 0),  # noqa: ARG002
    ) -> None:
        """See `Engine`."""
        box = self._box(container)
        box.changes.append(Change("changed" if path in box.files else "added", posixpath.normpath(path)))
        box.files[path] = content

    def _answer(self, container: str, argv: Sequence[str]) -> ExecResult:
        box = self._running_box(container)
        if box.state == "paused":
            raise EngineError(f"container {box.name}: it is paused")
        said = self.script(box.facts(), tuple(argv))
        if said is not None:
            return said
        check = box.health_check
        if check and argv[-1] == check.test[-1]:
            healthy = box.image.labels.get(HEALTH, "healthy") == "healthy"
            return ExecResult(0 if healthy else 1, "" if healthy else "not healthy\n", "")
        match tuple(argv):
            case ("cat", "/proc/net/tcp"):
                return ExecResult(0, box.socket_table(), "")
            case ("cat", path) if path in box.files:
                return ExecResult(0, box.files[path].decode("utf-8", "replace"), "")
            case ("cat", path):
                return ExecResult(1, "", f"cat: {path}: No such file or directory\n")
            case _:
                return ExecResult(0, "", "")

    def _end(self, box: FakeContainer, exit_code: int) -> None:
        box.end(exit_code)
        again = box.restart in {"always", "unless-stopped"} or (box.restart == "on-failure" and exit_code != 0)
        if again:
            box.state, box.restart_count = "restarting", box.restart_count + 1
        elif box.spec.remove:
            del self.boxes[box.id]

    def _address(self, box: FakeContainer, attachment: Attachment) -> str:
        net = self._net(attachment.network)
        if net is None:
            raise LaunchError(f"container {box.name} does not start: network {attachment.network} not found")
        if net.name in SPECIAL and net.name != "bridge":
            return ""
        taken = {other.addresses.get(net.name) for other in self._running() if other is not box}
        wanted = attachment.ipv4_address
        if wanted is None:
            hosts = ip_network(net.subnets[0]).hosts()
            next(hosts)  # the gateway
            return next(str(host) for host in hosts if str(host) not in taken)
        if all(ip_address(wanted) not in ip_network(subnet) for subnet in net.subnets):
            raise LaunchError(f"container {box.name} does not start: {wanted} is not in {net.subnets[0]}")
        if wanted in taken:
            raise ConflictError(f"container {box.name}: its address {wanted} on {net.name} is in use")
        return wanted

    def _running(self) -> Iterator[FakeContainer]:
        return (box for box in self.boxes.values() if box.running)

    def _running_box(self, container: str) -> FakeContainer:
        box = self._box(container)
        if not box.running:
            raise EngineError(f"container {box.name}: it is not running")
        return box

    def _box(self, ref: str) -> FakeContainer:
        raise ContainerMissingError(ref)

    def _net(self, ref: str) -> NetworkFacts | None:
        raise NotImplementedError


def _no_answer(_container: ContainerFacts, _argv: tuple[str, ...]) -> None:
    return None
