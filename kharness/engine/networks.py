"""Networks with the containers on them, and named volumes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kharness.engine import answers
from kharness.engine.api import NetworkRequest
from kharness.engine.refusals import StatusError, container_error, network_error, shortened, volume_error
from kharness.engine.requests import endpoint_body, label_filters, network_body
from kharness.engine.wire import Wire
from kharness.errors import ConflictError, EngineError
from kharness.plan.facts import NetworkFacts, VolumeFacts
from kharness.plan.launch.runspec import API as NEWER
from kharness.plan.launch.runspec import Attachment


class Networks:
    """The part of `Engine` that is about networks."""

    _wire: Wire

    def network(self, ref: str) -> NetworkFacts | None:
        """Inspect a network, None when there is none."""
        found = self._network(ref)
        return None if found is None else answers.network_facts(found)

    def networks(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[NetworkFacts, ...]:
        """List networks in one request; `containers` is empty in the list."""
        found = self._wire.ask("GET", "/networks", params={"filters": label_filters(labels)})
        return tuple(map(answers.network_facts, found or ()))

    def create_network(self, request: NetworkRequest) -> NetworkFacts:
        """Create a network."""
        try:
            made = self._wire.ask("POST", "/networks/create", body=network_body(request))
        except StatusError as error:
            raise network_error(error, request.name) from error
        found = self._network(made["Id"])
        if found is None:
            raise EngineError(f"network {request.name} was made, and is gone")
        return answers.network_facts(found)

    def remove_network(self, network: str) -> None:
        """Remove a network; `ConflictError` while containers are on it."""
        try:
            self._wire.tell("DELETE", f"/networks/{quote(network)}")
        except StatusError as error:
            if not error.missing:
                raise network_error(error, network) from error

    def connect(self, attachment: Attachment, container: str) -> None:
        """Let a container join a network; `ConflictError` when the address is taken."""
        self._join(attachment.network, container, endpoint_body(attachment))

    def disconnect(self, network: str, container: str) -> None:
        """Let a container leave a network; one that is not on it is no error."""
        body = {"Container": container, "Force": True}
        try:
            self._wire.tell("POST", f"/networks/{quote(network)}/disconnect", body=body)
        except StatusError as error:
            if not error.says("is not connected to"):
                raise container_error(error, container) from error

    def _join(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        body = {"Container": container, "EndpointConfig": dict(endpoint)}
        try:
            api = NEWER if endpoint.get("MacAddress") else None
            self._wire.tell("POST", f"/networks/{quote(network)}/connect", body=body, api=api)
        except StatusError as error:
            if error.says("address already in use"):
                raise ConflictError(f"container {shortened(container)}: its address on {network} is in use") from error
            raise container_error(error, container) from error

    def _network(self, ref: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._wire.ask("GET", f"/networks/{quote(ref)}")
        except StatusError as error:
            if error.missing:
                return None
            raise
        return found


class Volumes:
    """The part of `Engine` that is about named volumes."""

    _wire: Wire

    def volume(self, name: str) -> VolumeFacts | None:
        """Inspect a volume, None when there is none."""
        try:
            return answers.volume_facts(self._wire.ask("GET", f"/volumes/{quote(name)}"))
        except StatusError as error:
            if error.missing:
                return None
            raise

    def volumes(self, *, labels: Mapping[str, str | None] | None = None) -> tuple[VolumeFacts, ...]:
        """List volumes in one request."""
        found = self._wire.ask("GET", "/volumes", params={"filters": label_filters(labels)})
        return tuple(map(answers.volume_facts, found.get("Volumes") or ()))

    def create_volume(
        self,
        name: str,
        *,
        labels: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        driver: str = "local",
    ) -> VolumeFacts:
        """Create a volume; the options are not tried before a container with it starts."""
        # The engine answers with the old volume when the name is taken and nothing differs, labels included.
        if self.volume(name) is not None:
            raise ConflictError(f"there is a volume {name} already")
        body: dict[str, Any] = {
            "Name": name,
            "Driver": driver,
            "DriverOpts": dict(options or {}),
            "Labels": dict(labels or {}),
        }
        try:
            return answers.volume_facts(self._wire.ask("POST", "/volumes/create", body=body))
        except StatusError as error:
            raise volume_error(error, name) from error

    def remove_volume(self, name: str) -> None:
        """Remove a volume; `ConflictError` while a container has it."""
        try:
            self._wire.tell("DELETE", f"/volumes/{quote(name)}")
        except StatusError as error:
            if not error.missing:
                raise volume_error(error, name) from error
