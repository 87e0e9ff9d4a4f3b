"""Containers: create, start, stop, inspect, list, and the rest of their life."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from kharness.engine import answers, frames, loglines
from kharness.engine.again import create_request
from kharness.engine.convert import create_body, endpoint_body, label_filters, restart_body
from kharness.engine.refusals import RefusedError, SilentError, container_error, shortened, start_error
from kharness.engine.wire import READ_TIMEOUT, Wire
from kharness.errors import EngineError, ImageMissingError
from kharness.plan.facts import Change, ContainerFacts, LogLine, ProcessFacts, UsageFacts
from kharness.plan.runspec import RunSpec

_UNREADABLE = ("does not support reading", "cannot read logs")


class Containers:
    """The part of `Engine` that is about containers."""

    _wire: Wire

    def container(self, ref: str) -> ContainerFacts | None:
        """Inspect a container, None when there is none."""
        try:
            return answers.container_facts(self._wire.ask("GET", f"/containers/{quote(ref)}/json"))
        except RefusedError as error:
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
            return create_request(self._wire.ask("GET", f"/containers/{quote(container)}/json"))
        except RefusedError as error:
            raise container_error(error, container) from error

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
        except RefusedError as error:
            raise start_error(error, container) from error

    def stop(self, container: str, *, timeout: float | None = None) -> None:
        """Stop a container; without `timeout` (s) after its own grace period, the engine's default is 10 s."""
        try:
            # The engine takes whole seconds.
            seconds = None if timeout is None else math.ceil(timeout)
            self._post(container, "stop", params={"t": seconds}, timeout=None if seconds is None else seconds + 60)
        except RefusedError as error:
            raise container_error(error, container) from error

    def restart(self, container: str) -> None:
        """Stop and start a container in one request, whose end may take longer than its grace period."""
        try:
            self._post(container, "restart", timeout=None)
        except RefusedError as error:
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
        except RefusedError as error:
            raise container_error(error, container if error.missing else name) from error

    def set_restart(self, container: str, policy: str, *, retries: int = 0) -> None:
        """Change the restart policy."""
        try:
            self._post(container, "update", body={"RestartPolicy": restart_body(policy, retries=retries)})
        except RefusedError as error:
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
        except RefusedError as error:
            if error.says("already in progress"):
                self._await_removal(container)
            elif not error.missing:
                raise container_error(error, container) from error

    def logs(self, container: str, *, tail: int | None = None) -> str:
        """Read the logs; empty where the log driver keeps none."""
        params = {"stdout": True, "stderr": True, "tail": "all" if tail is None else str(tail)}
        try:
            content = self._wire.read("GET", f"/containers/{quote(container)}/logs", params=params)
        except RefusedError as error:
            if error.says(*_UNREADABLE):
                return ""
            raise container_error(error, container) from error
        return frames.merged(content).decode("utf-8", "replace")

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
            "since": loglines.since(after) if after else None,
        }
        path = f"/containers/{quote(container)}/logs"
        try:
            with self._wire.open("GET", path, params=params, timeout=None if follow else READ_TIMEOUT) as answer:
                yield from loglines.lines(frames.pieces(answer.chunks()))
        except RefusedError as error:
            if error.says(*_UNREADABLE):
                text = "its log driver keeps nothing that can be read"
                raise EngineError(f"container {shortened(container)}: {text}") from error
            raise container_error(error, container) from error

    def diff(self, container: str) -> tuple[Change, ...]:
        """List what differs from the image."""
        try:
            return answers.changes(self._wire.ask("GET", f"/containers/{quote(container)}/changes"))
        except RefusedError as error:
            raise container_error(error, container) from error

    def processes(self, container: str) -> tuple[ProcessFacts, ...]:
        """List its processes, as `ps` of the engine's host does; Podman's runs the image's own."""
        params = {"ps_args": f"-eo {answers.PS_COLUMNS}"}
        try:
            return answers.processes(self._wire.ask("GET", f"/containers/{quote(container)}/top", params=params))
        except RefusedError as error:
            raise container_error(error, container) from error

    def usage(self, container: str) -> UsageFacts | None:
        """Read its statistics once."""
        params = {"stream": False, "one-shot": True}
        try:
            return answers.usage(self._wire.ask("GET", f"/containers/{quote(container)}/stats", params=params))
        except RefusedError as error:
            # Podman has none of what does not run.
            if error.says("not running"):
                return None
            raise container_error(error, container) from error

    def wait(self, container: str, *, timeout: float | None = None) -> int:
        """Wait for the exit; one that is not running has exited."""
        try:
            answer = self._wire.ask("POST", f"/containers/{quote(container)}/wait", timeout=timeout)
        except RefusedError as error:
            raise container_error(error, container) from error
        except SilentError as error:
            raise TimeoutError(f"container {shortened(container)} still runs after {timeout:g} s") from error
        return int(answer["StatusCode"])

    def _create(self, name: str, image: str, body: Mapping[str, Any], further: Mapping[str, Any]) -> str:
        # Before API 1.44 a container is created on one network and joins the others.
        try:
            made = self._wire.ask("POST", "/containers/create", params={"name": name}, body=body)
        except RefusedError as error:
            if error.missing and error.says("image"):
                raise ImageMissingError(f"there is no image {image}") from error
            raise container_error(error, name) from error
        container = str(made["Id"])
        try:
            for network, endpoint in further.items():
                self._join(network, container, endpoint)
        except BaseException:
            self.remove(container, force=True)
            raise
        return container

    def _await_removal(self, container: str, *, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while self.container(container) is not None:
            if time.monotonic() > deadline:
                raise EngineError(f"container {shortened(container)} is still being removed after {seconds:g} s")
            time.sleep(0.02)

    def _join(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def _do(self, container: str, verb: str, **request: Any) -> None:
        try:
            self._post(container, verb, **request)
        except RefusedError as error:
            raise container_error(error, container) from error

    def _post(self, container: str, verb: str, *, timeout: float | None = READ_TIMEOUT, **request: Any) -> None:
        self._wire.tell("POST", f"/containers/{quote(container)}/{verb}", timeout=timeout, **request)
