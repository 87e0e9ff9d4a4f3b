"""Networks, and who is on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from kharness.engine import answers
from kharness.engine.api import NetworkRequest
from kharness.engine.convert import endpoint_body, label_filters, network_body
from kharness.engine.refusals import RefusedError, container_error, network_error, shortened
from kharness.engine.wire import Wire
from kharness.errors import ConflictError, EngineError
from kharness.plan.facts import NetworkFacts
from kharness.plan.runspec import Attachment


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
        except RefusedError as error:
            raise network_error(error, request.name) from error
        found = self._network(made["Id"])
        if found is None:
            raise EngineError(f"network {request.name} was made, and is gone")
        return answers.network_facts(found)

    def remove_network(self, network: str) -> None:
        """Remove a network; `ConflictError` while containers are on it."""
        try:
            self._wire.tell("DELETE", f"/networks/{quote(network)}")
        except RefusedError as error:
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
        except RefusedError as error:
            if not error.says("is not connected to"):
                raise container_error(error, container) from error

    def _join(self, network: str, container: str, endpoint: Mapping[str, Any]) -> None:
        body = {"Container": container, "EndpointConfig": dict(endpoint)}
        try:
            self._wire.tell("POST", f"/networks/{quote(network)}/connect", body=body)
        except RefusedError as error:
            if error.says("address already in use"):
                raise ConflictError(f"container {shortened(container)}: its address on {network} is in use") from error
            raise container_error(error, container) from error

    def _network(self, ref: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._wire.ask("GET", f"/networks/{quote(ref)}")
        except RefusedError as error:
            if error.missing:
                return None
            raise
        return found
