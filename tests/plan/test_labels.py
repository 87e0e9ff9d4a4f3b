"""Labels tell what kharness created from what only carries its labels."""

from __future__ import annotations

from kharness.plan import labels

OURS = labels.production("shop", "web", folder="/srv/shop", image="sha256:1")


def test_a_container_is_proven_by_the_id_of_its_image() -> None:
    assert labels.is_proven(OURS, "sha256:1")
    # `docker commit` copies labels to the new image, whose id is another one.
    assert not labels.is_proven(OURS, "sha256:2")
    assert labels.is_copy(OURS, "sha256:2")
    assert not labels.is_copy(OURS, "sha256:1")


def test_what_was_never_labelled_is_neither_proven_nor_a_copy() -> None:
    assert not labels.is_proven({}, "sha256:1")
    assert not labels.is_copy({}, "sha256:1")


def test_production_without_a_project_is_from_before_there_were_projects() -> None:
    assert labels.older({labels.ROLE: labels.ROLE_PRODUCTION, labels.NAME: "web"})
    assert not labels.older(OURS)
    assert not labels.older({labels.ROLE: labels.ROLE_TEST})


def test_labels_of_an_image_are_silenced_but_for_ours_and_those_that_stay() -> None:
    found = {"traefik.enable": "true", "org.opencontainers.image.title": "web", labels.DIGEST: "sha256:3"}
    assert labels.silenced(found, but=("org.opencontainers.",)) == {"traefik.enable": ""}
