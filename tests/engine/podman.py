"""What Podman does otherwise than the contract of engines says, each difference once, with what follows from it.

A claim of this table must fail on Podman for as long as it is here, and every other one must hold.
"""

from __future__ import annotations

import pytest

from kharness.engine.api import Engine

DIFFERENCES = {
    "test_a_container_that_is_gone_is_made_again_as_it_was": (
        "Podman does not report which address was asked for: a production container that is removed by hand during a "
        "release, and made again, has an address of Podman's choice"
    ),
    "test_every_engine_gives_a_mac_address_on_the_first_network": (
        "Podman gives it, and does not report that it was asked for: a container that is made again has another one"
    ),
    "test_volumes_that_were_made_for_a_container_go_with_it_and_those_mounted_by_name_stay": (
        "Podman removes an anonymous volume with the last container that has it, though another one mounted it by its "
        "name; a release takes that into account"
    ),
    "test_a_build_says_what_the_dockerfile_and_the_request_say": (
        "Podman's builds add the label io.buildah.version, and its images have no HEALTHCHECK: say healthcheck in "
        "settings.yaml"
    ),
    "test_every_engine_has_the_special_networks": (
        "Podman lists its own bridge alone, as podman; network_mode bridge, host and none are known all the same"
    ),
}
"""The claims of the contract that do not hold, and why."""


def expect_difference(request: pytest.FixtureRequest, engine: Engine) -> None:
    """Expect a claim to fail where the engine is Podman and the table says so; then it must fail."""
    reason = DIFFERENCES.get(request.node.originalname)
    if reason is not None and engine.facts().podman:
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
