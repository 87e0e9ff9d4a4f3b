from __future__ import annotations

import pytest

from kharness.engine.refusals import (
    StatusError,
    container_error,
    create_error,
    image_error,
    network_error,
    start_error,
    volume_error,
)
from kharness.errors import (
    ConflictError,
    ContainerMissingError,
    EngineError,
    ImageMissingError,
    KharnessError,
    LaunchError,
)

ID = "0123456789ab" + "0" * 52


@pytest.mark.parametrize(
    ("status", "message", "kind", "text"),
    [
        (404, "No such container: web", ContainerMissingError, "there is no container web"),
        (404, 'no container with name or ID "web" found', ContainerMissingError, "there is no container web"),
        (
            500,
            (
                "driver failed programming external connectivity on endpoint web (abc): "
                "Bind for 0.0.0.0:8080 failed: port is already allocated"
            ),
            ConflictError,
            "container web: port 0.0.0.0:8080 is in use",
        ),
        (
            500,
            (
                "driver failed programming external connectivity on endpoint web (abc): Error starting userland proxy: "
                "listen tcp4 127.0.0.1:8080: bind: address already in use"
            ),
            ConflictError,
            "container web: port 127.0.0.1:8080 is in use",
        ),
        (
            500,
            "rootlessport listen tcp [::1]:8080: bind: address already in use",
            ConflictError,
            "container web: port [::1]:8080 is in use",
        ),
        (403, "Address already in use", ConflictError, "container web: its address is in use (Address already in use)"),
        (
            403,
            "failed to set up container networking: Address already in use",
            ConflictError,
            "container web: its address is in use (Address already in use)",
        ),
        (
            400,
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
                'process: exec: "x": executable file not found in $PATH: unknown'
            ),
            LaunchError,
            (
                'container web does not start: unable to start container process: exec: "x": '
                "executable file not found in $PATH"
            ),
        ),
        (
            400,
            (
                'OCI runtime create failed: container_linux.go:380: starting container process caused: exec: "/x": '
                "permission denied: unknown"
            ),
            LaunchError,
            'container web does not start: starting container process caused: exec: "/x": permission denied',
        ),
        (
            500,
            (
                'runc: runc create failed: unable to start container process: exec: "x": executable file not found in '
                "$PATH: OCI runtime attempted to invoke a command that was not found"
            ),
            LaunchError,
            (
                'container web does not start: runc: runc create failed: unable to start container process: exec: "x": '
                "executable file not found in $PATH"
            ),
        ),
        (
            400,
            (
                "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container "
                'process: error during container init: error mounting "/dv/web/etc" to rootfs at "/etc": mount '
                "/dv/web/etc:/etc (via /proc/self/fd/6), flags: 0x5000: not a directory: unknown: Are you trying to "
                "mount a directory onto a file (or vice-versa)? Check if the specified host path exists"
            ),
            LaunchError,
            (
                "container web does not start: /dv/web/etc cannot be mounted at /etc: one of the two is a file, the "
                "other a directory"
            ),
        ),
        (404, "network prod not found", LaunchError, "container web does not start: network prod not found"),
    ],
)
def test_a_refused_start_says_why(status: int, message: str, kind: type[KharnessError], text: str) -> None:
    error = start_error(StatusError(status, message), "web")
    assert (type(error), str(error)) == (kind, text)


@pytest.mark.parametrize(
    ("status", "message", "kind", "text"),
    [
        (404, f"No such container: {ID}", ContainerMissingError, "there is no container 0123456789ab"),
        (
            409,
            f'Conflict. The container name "/web" is already in use by container "{ID}". You have to remove it.',
            ConflictError,
            "container 0123456789ab: the name is in use by 0123456789ab",
        ),
        (
            500,
            f'creating container storage: the container name "web" is already in use by {ID}.',
            ConflictError,
            "container 0123456789ab: the name is in use by 0123456789ab",
        ),
        (409, f"Container {ID} is not running", EngineError, "container 0123456789ab: it is not running"),
        (
            409,
            f"Cannot kill container: {ID}: Container {ID} is not running",
            EngineError,
            "container 0123456789ab: it is not running",
        ),
    ],
)
def test_ids_are_short_and_said_once(status: int, message: str, kind: type[KharnessError], text: str) -> None:
    error = container_error(StatusError(status, message), ID)
    assert (type(error), str(error)) == (kind, text)


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (409, "network with name n already exists", ConflictError),
        (403, "Pool overlaps with other one on this address space", ConflictError),
        (404, "could not find an available, non-overlapping IPv4 address pool among the defaults", ConflictError),
        (500, "subnet 10.0.0.0/24 is already used on the host or by another config", ConflictError),
        (403, "error while removing network: network n id 01 has active endpoints", ConflictError),
        (400, "invalid subnet", EngineError),
    ],
)
def test_a_networks_refusal_is_a_conflict_when_something_is_taken(
    status: int, message: str, kind: type[KharnessError]
) -> None:
    assert type(network_error(StatusError(status, message), "n")) is kind


@pytest.mark.parametrize(("status", "kind"), [(404, ImageMissingError), (409, ConflictError), (500, EngineError)])
def test_an_images_refusal_goes_by_its_status(status: int, kind: type[KharnessError]) -> None:
    assert type(image_error(StatusError(status, "it is so"), "web:1")) is kind


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [(409, "", ConflictError), (500, "volume v is being used by", ConflictError), (500, "no disk", EngineError)],
)
def test_a_volumes_refusal_is_a_conflict_when_it_is_in_use(
    status: int, message: str, kind: type[KharnessError]
) -> None:
    assert type(volume_error(StatusError(status, message), "v")) is kind


@pytest.mark.parametrize(
    "message",
    [
        # Engine 20.10, Engine 26 and 28, Podman.
        f"You cannot remove a running container {ID}. Stop the container before attempting removal or force remove",
        'cannot remove container "/web": container is running: stop the container before removing or force remove',
        f"cannot remove container {ID} as it is running - running or paused containers cannot be removed without force",
    ],
)
def test_a_running_container_is_said_to_run_whatever_the_engine(message: str) -> None:
    error = container_error(StatusError(409, message), "web")
    assert str(error) == "container web: a running container cannot be removed without force"


@pytest.mark.parametrize(
    ("status", "message", "kind", "text"),
    [
        (404, "No such image: never:1", ImageMissingError, "there is no image web:1"),
        (404, "image never:1: not found", ImageMissingError, "there is no image web:1"),
        (
            400,
            (
                "invalid config for network prod: invalid endpoint settings:\n"
                "no configured subnet or ip-range contain the IP address 10.9.9.9"
            ),
            LaunchError,
            (
                "container web does not start: invalid config for network prod: invalid endpoint settings: "
                "no configured subnet or ip-range contain the IP address 10.9.9.9"
            ),
        ),
        (
            409,
            f'Conflict. The container name "/web" is already in use by container "{ID}".',
            ConflictError,
            "container web: the name is in use by 0123456789ab",
        ),
        (400, "invalid mount config", EngineError, "container web: invalid mount config"),
        # Podman 5.
        (
            500,
            "container create: unable to find network with name or ID lan: network not found",
            LaunchError,
            "container web does not start: network lan not found",
        ),
        (
            500,
            'container create: lookup init binary: exec: "catatonit": executable file not found in $PATH',
            LaunchError,
            (
                "container web: the engine has no init for it: install the package catatonit on the engine's host, or "
                "set 'init: false'"
            ),
        ),
    ],
)
def test_a_refused_creation_says_why(status: int, message: str, kind: type[KharnessError], text: str) -> None:
    error = create_error(StatusError(status, message), "web", "web:1")
    assert (type(error), str(error)) == (kind, text)


def test_podman_s_words_mean_the_same() -> None:
    taken = (
        "renaming container 57a2e12f0d05: updating container config table with new configuration for container "
        "57a2e12f0d05: UNIQUE constraint failed: ContainerConfig.Name"
    )
    stopped = "can only kill running containers. 5afa2eb38dc7 is in state created: container state improper"
    for message, kind, text in (
        (taken, ConflictError, "container web: the name is in use"),
        (stopped, EngineError, "container web: it is not running"),
    ):
        error = container_error(StatusError(500, message), "web")
        assert (type(error), str(error)) == (kind, text)
