"""docs/settings.yaml is documentation, example and complete."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kharness.settings.build import Build, CopyItem, Download
from kharness.settings.expect import (
    ExpectCommand,
    ExpectDns,
    ExpectFile,
    ExpectHttp,
    ExpectItem,
    ExpectLog,
    ExpectProcess,
    ExpectSettings,
    ExpectTcp,
)
from kharness.settings.layers import for_test
from kharness.settings.load import parse_settings
from kharness.settings.model import GateSettings, ReleaseSettings, Settings, TestOverrides
from kharness.settings.network import Dependency, NetworkAttachment
from kharness.settings.policy import Allow, DriftSettings, Expected, Policy, Waiver
from kharness.settings.ports import Port
from kharness.settings.prepare import Contents, Prepare
from kharness.settings.process import Deploy, DeployLimits, DeployResources, Device, Healthcheck, Logging, Ulimit
from kharness.settings.secrets import SecretFile
from kharness.settings.section import Section
from kharness.settings.service import EnvFile, ServiceKeys
from kharness.settings.volumes import BindOptions, LongVolume, StandIn, TmpfsOptions, VolumeOptions
from kharness.settings.yaml12 import read_yaml

DOCS = Path(__file__).parents[2] / "docs" / "settings.yaml"
TEXT = DOCS.read_text()
SAID = read_yaml(TEXT.encode()).value
KINDS: Mapping[str, type[Section]] = {
    "http": ExpectHttp,
    "tcp": ExpectTcp,
    "dns": ExpectDns,
    "command": ExpectCommand,
    "file": ExpectFile,
    "process": ExpectProcess,
    "log": ExpectLog,
}
TOLD_BY_SECTION = {"image", "build", "drift", "gate", "release", "test"}
"""The image has no default, and those of the sections' keys are told with the keys."""


def test_the_example_loads_and_is_valid_by_the_schema(read: Callable[[str], Settings]) -> None:
    settings = read(TEXT)
    assert settings.model_fields_set == Settings.model_fields.keys() - {"image", "network_mode", "pid"}
    assert for_test(settings).environment["GALLERY_TITLE"] == "A test"


def test_the_image_that_stands_in_a_comment_loads_in_place_of_the_build() -> None:
    text = re.sub(
        r"^build:\n(?:[ ].*\n|#.*\n)*?\n",
        "",
        re.sub(r"^# (?=image: )", "", TEXT, flags=re.MULTILINE),
        flags=re.MULTILINE,
    )
    assert parse_settings(text.encode(), file=DOCS, has_dockerfile=False).image == "docker.io/library/nginx:1.27"


@pytest.mark.parametrize(
    ("model", "places"),
    [
        # Two Dockerfiles are refused, and a container directory has one context.
        (Build, [SAID["build"], {"dockerfile_inline": None, "additional_contexts": None}]),
        (CopyItem, SAID["build"]["copy"]),
        (Download, SAID["build"]["download"]),
        (Port, SAID["ports"]),
        (LongVolume, SAID["volumes"]),
        (StandIn, [volume.get("test") for volume in SAID["volumes"] if isinstance(volume, dict)]),
        (BindOptions, [volume.get("bind") for volume in SAID["volumes"] if isinstance(volume, dict)]),
        (VolumeOptions, [volume.get("volume") for volume in SAID["volumes"] if isinstance(volume, dict)]),
        (TmpfsOptions, [volume.get("tmpfs") for volume in SAID["volumes"] if isinstance(volume, dict)]),
        (Prepare, SAID["prepare"]),
        (Contents, [entry.get("contents") for entry in SAID["prepare"] if isinstance(entry, dict)]),
        (Device, SAID["devices"]),
        (Ulimit, SAID["ulimits"].values()),
        (NetworkAttachment, SAID["networks"].values()),
        (Dependency, SAID["depends_on"].values()),
        (EnvFile, SAID["env_file"]),
        (Deploy, [SAID["deploy"]]),
        (DeployResources, [SAID["deploy"]["resources"]]),
        (DeployLimits, [SAID["deploy"]["resources"]["limits"]]),
        (Healthcheck, [SAID["healthcheck"]]),
        (Logging, [SAID["logging"]]),
        (SecretFile, SAID["secrets"].values()),
        (GateSettings, [SAID["gate"]]),
        (ReleaseSettings, [SAID["release"]]),
        (ExpectSettings, [SAID["expect"]]),
        (Policy, [SAID["policy"]]),
        (Allow, [SAID["policy"]["allow"]]),
        (Waiver, SAID["policy"]["waive"].values()),
        (DriftSettings, [SAID["drift"]]),
        (Expected, SAID["drift"]["expect"]),
    ],
)
def test_every_key_of_a_section_appears(model: type[Section], places: list[Any]) -> None:
    said = {key for place in places if isinstance(place, Mapping) for key in place}
    assert said == set(model.known_keys())


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_an_expectation_appears(kind: str) -> None:
    model = KINDS[kind]
    # Those that all of them have are told once.
    common = set(ExpectItem.known_keys())
    keys = {name: set().union(*(each for each in SAID["expect"][name] if isinstance(each, Mapping))) for name in KINDS}
    assert keys[kind] - common == set(model.known_keys()) - common
    assert common <= set().union(*keys.values())


def test_every_key_of_the_test_section_s_own_appears() -> None:
    own = set(TestOverrides.known_keys()) - set(ServiceKeys.known_keys())
    assert own <= SAID["test"].keys()


@pytest.mark.parametrize("key", sorted(set(Settings.known_keys()) - TOLD_BY_SECTION))
def test_every_default_is_told(key: str) -> None:
    [paragraph] = (text for text in TEXT.split("\n\n") if re.search(rf"^(?:# )?{key}:", text, flags=re.MULTILINE))
    assert re.search("default", paragraph, flags=re.IGNORECASE)


def test_no_line_is_too_wide() -> None:
    assert max(map(len, TEXT.splitlines())) <= 120
