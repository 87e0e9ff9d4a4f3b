"""Values for the tests of plans: settings come out of YAML text, as a user writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from kharness.plan import labels
from kharness.plan.facts import HealthFacts, ImageFacts, PortRef
from kharness.plan.launch.mounts import Scratch
from kharness.plan.launch.plan import LaunchPlan, Subject, TestPlace, plan_production_launch, plan_test_launch
from kharness.plan.session.modes import Mode
from kharness.settings.load import parse_settings
from kharness.settings.model import Settings

Said = str | Mapping[str, Any]
"""The text of a settings file, or what is in it."""

ROOT = PurePosixPath("/rw/dv")
SCRATCH = Scratch(directory=PurePosixPath("/state/copies/s1/test-web-s1"), prefix="test-web-s1")
PLACE = TestPlace(
    name="test-web-s1",
    network="kharness-s1",
    scratch=SCRATCH,
    labels={labels.ROLE: labels.ROLE_TEST, labels.NAME: "web", labels.SESSION: "s1"},
)
OURS = labels.production("shop", "web", folder="/srv/shop", image="sha256:tested")
"""The labels of production."""


def settings(said: Said = "", *, built: bool = True) -> Settings:
    """Read settings; those of an image made elsewhere name it."""
    text = said if isinstance(said, str) else json.dumps(said) if said else ""
    if not built:
        text = f"image: web:1\n{text}" if not text.startswith("{") else f'{{"image": "web:1", {text[1:]}'
    return parse_settings((text or "{}").encode(), file=Path("web/settings.yaml"), has_dockerfile=built)


def image(**facts: Any) -> ImageFacts:
    return ImageFacts(id="sha256:tested", **facts)


def subject(
    said: Said = "", *, built: bool = True, of: ImageFacts | None = None, env: Mapping[str, str] | None = None
) -> Subject:
    return Subject(
        name="web",
        settings=settings(said, built=built),
        image=of or image(),
        built=built,
        env=dict(env or {}),
        labels=OURS,
    )


def trial_plan(given: Subject, *, mode: Mode = Mode.STANDALONE, place: TestPlace = PLACE) -> LaunchPlan:
    return plan_test_launch(given, mode=mode, place=place, volume_root=ROOT)


def production_plan(given: Subject) -> LaunchPlan:
    return plan_production_launch(given, volume_root=ROOT)


def health(*argv: str, **times: Any) -> HealthFacts:
    return HealthFacts(test=argv, **times)


def ports(*texts: str) -> tuple[PortRef, ...]:
    return tuple(map(PortRef.parse, texts))
