"""What an engine refuses, as the exact error and a text for a person. Pure.

Engines differ in their statuses (Podman answers 500 to a conflict), so that texts decide where a status does not.
"""

from __future__ import annotations

import re

from kharness.errors import ConflictError, ContainerMissingError, EngineError, ImageMissingError, LaunchError

NOT_FOUND = 404
CONFLICT = 409


class RefusedError(EngineError):
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


_ID = re.compile(r"\b[0-9a-f]{64}\b")
_ADDRESS = re.compile(r"(?:Bind for|listen \w+) (\[?[\w.:]*\]?:\d+)")
_HOLDER = re.compile(r"already in use by (?:container )?\"?(\w+)")
_RUNTIME = re.compile(
    r"^.*?(?:OCI runtime \w+ failed|OCI runtime error|crun):\s*(?:runc[^:]*: |\w+\.go:\d+: )*", re.DOTALL
)

_MOUNT = re.compile(r'error mounting "(.+?)" to rootfs at "(.+?)"')
_TRAILER = re.compile(r"(: unknown|: OCI [^:]*)$")
_NO_CONTAINER = ("no such container", "no container with name or id", "not found: layer not known")
_NETWORK_TAKEN = (
    "already exists",
    "pool overlaps",
    "address pool",
    "address space",
    "already used",
    "conflicts with network",
)


def container_error(error: RefusedError, container: str) -> EngineError:
    """Return the exact error for a refusal that is about a container."""
    name = shortened(container)
    if error.says(*_NO_CONTAINER):
        return ContainerMissingError(f"there is no container {name}")
    if error.says("already in use", "already exists"):
        holder = _HOLDER.search(error.message)
        return ConflictError(f"container {name}: the name is in use{f' by {holder[1]}' if holder else ''}")
    return EngineError(f"container {name}: {_without_subject(error.message, name)}")


def start_error(error: RefusedError, container: str) -> EngineError | LaunchError:
    """Return the exact error for a start that was refused."""
    name = shortened(container)
    if error.says(*_NO_CONTAINER):
        return ContainerMissingError(f"there is no container {name}")
    address = _ADDRESS.search(error.message)
    if address and error.says("port is already allocated", "address already in use"):
        return ConflictError(f"container {name}: port {address[1]} is in use")
    if error.says("address already in use", "already allocated"):
        return ConflictError(f"container {name}: its address is in use ({error.message})")
    mount = _MOUNT.search(error.message)
    if mount and error.says("not a directory"):
        unlike = "one of the two is a file, the other a directory"
        return LaunchError(f"container {name} does not start: {mount[1]} cannot be mounted at {mount[2]}: {unlike}")
    text = _RUNTIME.sub("", error.message).strip()
    return LaunchError(f"container {name} does not start: {_TRAILER.sub('', text)}")


def image_error(error: RefusedError, image: str) -> EngineError:
    """Return the exact error for a refusal that is about an image."""
    if error.missing:
        return ImageMissingError(f"there is no image {image}")
    if error.status == CONFLICT or error.says("image is in use", "is using its referenced image"):
        return ConflictError(f"image {image} is in use: {error.message}")
    return EngineError(f"image {image}: {error.message}")


def network_error(error: RefusedError, network: str) -> EngineError:
    """Return the exact error for a refusal that is about a network."""
    name = shortened(network)
    if error.says("active endpoints", "is being used", "has associated containers"):
        return ConflictError(f"network {name}: containers are on it")
    taken = (
        "already exists",
        "pool overlaps",
        "address pool",
        "address space",
        "already used",
        "conflicts with network",
    )
    if error.status == CONFLICT or error.says(*taken):
        return ConflictError(f"network {name}: {error.message}")
    return EngineError(f"network {name}: {error.message}")


def volume_error(error: RefusedError, volume: str) -> EngineError:
    """Return the exact error for a refusal that is about a volume."""
    if error.status == CONFLICT or error.says("in use", "is being used", "already exists"):
        return ConflictError(f"volume {volume}: {error.message}")
    return EngineError(f"volume {volume}: {error.message}")


def shortened(text: str) -> str:
    """Cut ids to the twelve digits by which people know them."""
    return _ID.sub(lambda found: found[0][:12], text)


def _without_subject(message: str, name: str) -> str:
    # "Container 0123456789ab is paused": the error names it already.
    return re.sub(rf"^(?:Cannot kill container: {re.escape(name)}: )?Container {re.escape(name)} ", "it ", message)
