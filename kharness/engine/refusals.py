"""What an engine refuses, as the exact error and a text for a person. Pure.

Engines differ in their statuses (Podman answers 500 to a conflict), so that texts decide where a status does not.
"""

from __future__ import annotations

import re

from kharness.errors import ConflictError, ContainerMissingError, EngineError, ImageMissingError, LaunchError

NOT_FOUND = 404
CONFLICT = 409


class StatusError(EngineError):
    """The engine answered with an error status; callers give it a more exact type where they can."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = shortened(message)
        super().__init__(self.message)

    @property
    def missing(self) -> bool:
        """Whether the object of the request does not exist."""
        return self.status == NOT_FOUND

    def says(self, *texts: str) -> bool:
        """Whether one of these (lower-case) texts is in the engine's."""
        return any(text in self.message.lower() for text in texts)


class SilentError(EngineError):
    """The engine accepted a request and did not answer in time."""


# Compiled when something is refused, which is seldom.
_ID = r"\b[0-9a-f]{64}\b"
_ADDRESS = r"(?:Bind for|listen \w+) (\[?[\w.:]*\]?:\d+)"
_HOLDER = r"already in use by (?:container )?\"?(\w+)"
_RUNTIME = r"(?s)^.*?(?:OCI runtime \w+ failed|OCI runtime error|crun):\s*(?:runc[^:]*: |\w+\.go:\d+: )*"

_MOUNT = r'error mounting "(.+?)" to rootfs at "(.+?)"'
_TRAILER = r"(: unknown|: OCI [^:]*)$"
_RUNS = ("remove a running container", "container is running", "as it is running", "cannot be removed without force")
_SETUP = r"^failed to set up container networking: "
"""What engines from 28.0 on write before the reason."""
_NOT_ON_NETWORK = ("no configured subnet", "does not belong to any of this network's subnets")
_NAME_TAKEN = ("already in use", "already exists", "unique constraint failed: containerconfig.name")
_ONLY_RUNNING = r"can only [\w ]+ running containers?"
_NO_NETWORK = r"unable to find network with name or ID (\S+): network not found"
_NO_INIT = r'lookup init binary: exec: "([\w-]+)": executable file not found'
"""Podman's own words, as those before them."""
_NO_CONTAINER = ("no such container", "no container with name or id", "not found: layer not known")
_NETWORK_TAKEN = (
    "already exists",
    "pool overlaps",
    "address pool",
    "address space",
    "already used",
    "conflicts with network",
)


def container_error(error: StatusError, container: str) -> EngineError:
    """Return the exact error for a refusal that is about a container."""
    name = shortened(container)
    if error.says(*_NO_CONTAINER):
        return ContainerMissingError(f"there is no container {name}")
    if error.says(*_NAME_TAKEN):
        holder = re.search(_HOLDER, error.message)
        return ConflictError(f"container {name}: the name is in use{f' by {holder[1]}' if holder else ''}")
    if error.says(*_RUNS):
        return EngineError(f"container {name}: a running container cannot be removed without force")
    if re.search(_ONLY_RUNNING, error.message) and not error.says("paused"):
        return EngineError(f"container {name}: it is not running")
    return EngineError(f"container {name}: {_without_subject(error.message, name)}")


def create_error(error: StatusError, container: str, image: str) -> EngineError | LaunchError:
    """Return the exact error for a container that was not created; engines from 25.0 on look at addresses then."""
    if error.missing and error.says("image"):
        return ImageMissingError(f"there is no image {image}")
    if unknown := re.search(_NO_NETWORK, error.message):
        return LaunchError(f"container {shortened(container)} does not start: network {unknown[1]} not found")
    if missing := re.search(_NO_INIT, error.message):
        advice = f"install the package {missing[1]} on the engine's host, or set 'init: false'"
        return LaunchError(f"container {shortened(container)}: the engine has no init for it: {advice}")
    if error.says(*_NOT_ON_NETWORK):
        return _not_started(error, shortened(container))
    return container_error(error, container)


def start_error(error: StatusError, container: str) -> EngineError | LaunchError:
    """Return the exact error for a start that was refused."""
    name = shortened(container)
    if error.says(*_NO_CONTAINER):
        return ContainerMissingError(f"there is no container {name}")
    address = re.search(_ADDRESS, error.message)
    if address and error.says("port is already allocated", "address already in use"):
        return ConflictError(f"container {name}: port {address[1]} is in use")
    if error.says("address already in use", "already allocated"):
        return ConflictError(f"container {name}: its address is in use ({re.sub(_SETUP, '', error.message)})")
    mount = re.search(_MOUNT, error.message)
    if mount and error.says("not a directory"):
        unlike = "one of the two is a file, the other a directory"
        return LaunchError(f"container {name} does not start: {mount[1]} cannot be mounted at {mount[2]}: {unlike}")
    return _not_started(error, name)


def image_error(error: StatusError, image: str) -> EngineError:
    """Return the exact error for a refusal that is about an image."""
    if error.missing:
        return ImageMissingError(f"there is no image {image}")
    if error.status == CONFLICT or error.says("image is in use", "is using its referenced image"):
        return ConflictError(f"image {image} is in use: {error.message}")
    return EngineError(f"image {image}: {error.message}")


def network_error(error: StatusError, network: str) -> EngineError:
    """Return the exact error for a refusal that is about a network."""
    name = shortened(network)
    if error.says("active endpoints", "is being used", "has associated containers"):
        return ConflictError(f"network {name}: containers are on it")
    if error.status == CONFLICT or error.says(*_NETWORK_TAKEN):
        return ConflictError(f"network {name}: {error.message}")
    return EngineError(f"network {name}: {error.message}")


def volume_error(error: StatusError, volume: str) -> EngineError:
    """Return the exact error for a refusal that is about a volume."""
    if error.status == CONFLICT or error.says("in use", "is being used", "already exists"):
        return ConflictError(f"volume {volume}: {error.message}")
    return EngineError(f"volume {volume}: {error.message}")


def shortened(text: str) -> str:
    """Cut ids to the twelve digits by which people know them."""
    return re.sub(_ID, lambda found: found[0][:12], text)


def _not_started(error: StatusError, name: str) -> LaunchError:
    text = " ".join(re.sub(_RUNTIME, "", error.message).splitlines()).strip()
    return LaunchError(f"container {name} does not start: {re.sub(_TRAILER, '', text)}")


def _without_subject(message: str, name: str) -> str:
    # "Container 0123456789ab is paused": the error names it already.
    return re.sub(rf"^(?:Cannot kill container: {re.escape(name)}: )?Container {re.escape(name)} ", "it ", message)
