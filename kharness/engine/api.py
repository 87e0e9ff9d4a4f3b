"""The calls of an engine that kharness uses, as a Protocol.

`docker.py` implements it over the Docker SDK, `kharness.testing.FakeEngine` in memory. Containers and images are named
by id or name. Every method may raise `EngineError`; `EngineUnavailableError` when the engine does not answer. Methods
are safe to call from several threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kharness.plan.facts import (
    Change,
    ContainerFacts,
    EngineFacts,
    ExecResult,
    ImageFacts,
    LogLine,
    NetworkFacts,
    PathFacts,
    ProcessFacts,
    UsageFacts,
    VolumeFacts,
)
from kharness.plan.launch.runspec import Attachment, RunSpec

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildRequest:
    """A build: `tag` is given to the result, `dockerfile` is its path in the context.

    `buildkit` asks for BuildKit where the engine would take the classic builder. `remote` is the URL of a context that
    the engine fetches itself, in place of a stream. `network` is the one of RUN, `shm_size` in bytes; `ulimits` are
    soft and hard limits by name, `extra_hosts` pairs of a name and an address.
    """

    tag: str
    dockerfile: str = "Dockerfile"
    args: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    no_cache: bool = False
    pull: bool = False
    platform: str | None = None
    buildkit: bool = False
    remote: str | None = None
    network: str | None = None
    shm_size: int | None = None
    ulimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    extra_hosts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRequest:
    """A network to create; `subnet` and `gateway` in CIDR and dotted form, `options` are the driver's.

    `pools` are its subnets where there are several, or more is said of them: in the engine's own words.
    """

    name: str
    driver: str = "bridge"
    internal: bool = False
    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[Mapping[str, Any], ...] = ()
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] = field(default_factory=dict)
    attachable: bool = False
    enable_ipv6: bool = False


class Runtime(Protocol):
    """What is asked of, and done to, one container by its id or name; of production that may run elsewhere as well."""

    def container(self, ref: str) -> ContainerFacts | None:
        """Return the container of that id or name, or None."""

    def start(self, container: str) -> None:
        """Start it; `ConflictError` when an address or port is taken, `LaunchError` when its process cannot run."""

    def stop(self, container: str, *, timeout: float | None = None) -> None:
        """Stop it, by force after `timeout` seconds. A stopped one is no error."""

    def restart(self, container: str) -> None:
        """Stop it as `stop` does, if it runs, and start it; raises as `start` does. The engine does both by itself."""

    def kill(self, container: str, *, signal: str = "KILL") -> None:
        """Send a signal to its first process."""

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait until it has exited; the exit code. TimeoutError."""

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
        """Run a command in it and wait; TimeoutError after `timeout` seconds."""

    def exec_raw(self, container: str, argv: Sequence[str], *, user: str | None = None) -> tuple[int, bytes, bytes]:
        """Like `exec`, with the output as bytes."""

    def read_file(self, container: str, path: str) -> bytes:
        """Return a regular file's content, links followed; `EngineError` when there is none."""

    def logs(self, container: str, *, tail: int | None = None) -> str:
        """Return its output, stdout and stderr in order of arrival, undecodable bytes replaced.

        Of a long one only the end, some 16 MiB.
        """

    def log_lines(
        self, container: str, *, tail: int | None = None, after: str = "", follow: bool = False
    ) -> Iterator[LogLine]:
        """Yield the lines of its output as they arrive; only those `after` the time of another one, where one is given.

        With `follow` also what it writes from now on, until it ends. `EngineError` where its log driver keeps nothing
        that can be read.
        """

    def processes(self, container: str) -> tuple[ProcessFacts, ...]:
        """Return the processes that run in it, executed ones too; `EngineError` when it does not run."""

    def usage(self, container: str) -> UsageFacts | None:
        """Return what it uses now, None where it does not run. Some engines measure at a rate, and take a second."""


class Engine(Runtime, Protocol):
    """A container engine."""

    def facts(self) -> EngineFacts:
        """Return the engine's own facts; asked once and kept."""

    # images
    def image(self, ref: str) -> ImageFacts | None:
        """Return the image of that id or reference, or None."""

    def images(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ImageFacts, ...]:
        """Return all images with these labels (None: with any value)."""

    def pull(self, ref: str, *, progress: Progress | None = None, platform: str | None = None) -> ImageFacts:
        """Pull a reference, for the engine's platform or another; `ImageMissingError` when no registry gives it."""

    def import_image(self, archive: Iterable[bytes], tag: str, *, changes: Sequence[str] = ()) -> ImageFacts:
        """Make an image of a root file system's tar stream; `changes` are Dockerfile instructions."""

    def build(self, context: Iterable[bytes], request: BuildRequest, *, progress: Progress | None = None) -> ImageFacts:
        """Build from a tar stream; `BuildError` with the failing step's last lines. `progress` gets each line."""

    def tag(self, image: str, ref: str) -> None:
        """Let `repository:tag` name the image."""

    def untag(self, ref: str) -> None:
        """Remove a reference; the image goes when it was the last one. Nothing to do is no error."""

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Remove an image. A missing one is no error; `ConflictError` while something uses it."""

    def history(self, image: str) -> tuple[str, ...]:
        """Return the commands that made an image, the oldest first; `ImageMissingError`."""

    def save_image(self, image: str) -> Iterator[bytes]:
        """Return its layers and its manifest as a tar stream, as `docker save` does; `ImageMissingError`."""

    # containers
    def containers(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[ContainerFacts, ...]:
        """Return all containers, stopped ones too, with these labels (None: with any value). `raw` may be partial."""

    def create(self, spec: RunSpec) -> str:
        """Create a container and return its id. `ConflictError` when the name is taken."""

    def request_of(self, container: str) -> Mapping[str, Any]:
        """Return the request that makes the container again, for `create_again`: plain values, the engine's own."""

    def create_again(self, name: str, request: Mapping[str, Any]) -> str:
        """Create a container as `request_of` found one; returns its id. Raises as `create` does."""

    def pause(self, container: str) -> None:
        """Freeze its processes."""

    def unpause(self, container: str) -> None:
        """Thaw its processes."""

    def remove(self, container: str, *, force: bool = False, volumes: bool = True) -> None:
        """Remove it with its anonymous volumes. A missing one is no error."""

    def rename(self, container: str, name: str) -> None:
        """Rename it; `ConflictError` when the name is taken."""

    def set_restart(self, container: str, policy: str, *, retries: int = 0) -> None:
        """Change the restart policy of an existing container."""

    def diff(self, container: str) -> tuple[Change, ...]:
        """Return what differs from its image, in the engine's order."""

    def run(self, container: str, *, timeout: float | None = None) -> tuple[int, bytes, bytes]:
        """Start a created container and wait for its end: exit code, stdout and stderr. TimeoutError."""

    def stat(self, container: str, path: str) -> PathFacts | None:
        """Return what is at a path, a link itself; None where nothing is. It need not run."""

    def archive(self, container: str, path: str) -> Iterator[bytes]:
        """Return a tar stream of what is at a path and below, its first member; `EngineError` where nothing is."""

    def export(self, container: str) -> Iterator[bytes]:
        """Return its whole file system as a tar stream, volumes aside; it need not run."""

    def write_file(
        self, container: str, path: str, content: bytes, *, mode: int = 0o644, owner: tuple[int, int] = (0, 0)
    ) -> None:
        """Put a file into it, which belongs to `owner` (uid, gid); missing directories are made, and are root's."""

    def commit(self, container: str, tag: str) -> ImageFacts:
        """Make an image of what a container has now, volumes aside; its processes stand still meanwhile."""

    # networks and volumes
    def network(self, ref: str) -> NetworkFacts | None:
        """Return the network of that id or name, or None."""

    def networks(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[NetworkFacts, ...]:
        """Return all networks with these labels."""

    def create_network(self, request: NetworkRequest) -> NetworkFacts:
        """Create a network; `ConflictError` when the name or the subnet is taken."""

    def remove_network(self, network: str) -> None:
        """Remove it; a missing one is no error."""

    def connect(self, attachment: Attachment, container: str) -> None:
        """Let a container join a network."""

    def disconnect(self, network: str, container: str) -> None:
        """Let a container leave a network."""

    def volume(self, name: str) -> VolumeFacts | None:
        """Return the named volume, or None."""

    def volumes(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[VolumeFacts, ...]:
        """Return all volumes with these labels."""

    def create_volume(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        driver: str = "local",
    ) -> VolumeFacts:
        """Create a volume."""

    def remove_volume(self, name: str) -> None:
        """Remove it; a missing one is no error."""

    def close(self) -> None:
        """Give the connections back."""
