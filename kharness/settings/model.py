"""A container directory's `settings.yaml`: Compose's keys of a service, and kharness's own."""

from __future__ import annotations

import posixpath
import re
from ipaddress import ip_interface
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, TypeAdapter

from kharness.settings.expect import ExpectSettings
from kharness.settings.policy import DriftSettings, Policy
from kharness.settings.ports import HIGHEST
from kharness.settings.prepare import Prepare
from kharness.settings.section import Section, expected
from kharness.settings.service import ServiceKeys
from kharness.settings.values import Duration, Natural, Positive, Texts, is_number, read_text
from kharness.settings.volumes import Freeze

AUTOSTART = re.compile(r"\s*(\d{1,6})\s*(?:,\s*host=([A-Za-z0-9_.-]+)\s*)?", re.ASCII)
DESTINATION = re.compile(
    r"(?:\[(?P<inner>[^\[\]]+)\]|(?P<plain>[^\[\]:]+|[0-9a-fA-F:]+(?:/\d+)?))(?::(?P<port>\d{1,5}))?", re.ASCII
)
SAME_KEYS = ("env_file", "secrets")
"""Keys whose value tests may share with production."""
HOST = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_.])?", re.ASCII)


def _destination(value: Any) -> str:
    text = read_text(value) if not isinstance(value, bool) else ""
    match = DESTINATION.fullmatch(text)
    if match is None or not 0 < int(match["port"] or 1) <= HIGHEST or not _is_place(match["inner"] or match["plain"]):
        raise expected("a destination such as 10.1.2.3, 10.0.0.0/8:443 or mail.example.org:25")
    return text


def _is_place(text: str) -> bool:
    try:
        ip_interface(text)
    except ValueError:
        return HOST.fullmatch(text) is not None
    return True


def _egress(value: Any) -> Any:
    if not isinstance(value, bool | list | tuple):
        raise expected("true, false, or a list of destinations")
    return value if isinstance(value, bool) else DESTINATIONS.validate_python(value)


def _same(value: Any) -> str:
    if isinstance(value, str) and (value in SAME_KEYS or value.startswith("/")):
        return posixpath.normpath(value)
    raise expected(f"one of {', '.join(SAME_KEYS)}, or the target of a volume, such as /data")


DESTINATIONS = TypeAdapter(tuple[Annotated[str, BeforeValidator(_destination)], ...])
Same = Annotated[str, BeforeValidator(_same)]
Egress = Annotated[bool | tuple[str, ...], BeforeValidator(_egress, json_schema_input_type=bool | list[str])]


class TestOverrides(ServiceKeys):
    """`test:`, what differs in a test instance. `timeout` and `max_freeze` in seconds."""

    __test__: ClassVar[bool] = False
    place: ClassVar[str] = "test"

    egress: Egress = False
    """Whether a test instance may reach the network: true, or a list of destinations."""
    timeout: Duration = 300.0
    """The time after which a hung test is ended."""
    same: tuple[Same, ...] = ()
    """Keys whose production value tests use too, and targets of volumes whose real directory they may write to."""
    freeze: Freeze = Freeze.PAUSE
    """What is done with production while its volumes are copied: none, pause or stop."""
    max_freeze: Duration = 2.0
    """The longest that production is frozen for; a copy that would take longer is made without."""


class Autostart(Section):
    """When the container starts with the host: waves start in ascending order; `host` limits it to one host."""

    short_schema: ClassVar[tuple[dict[str, Any], ...]] = (
        {"type": "integer", "minimum": 0},
        {"type": "string", "pattern": f"^{AUTOSTART.pattern}$"},
    )

    wave: Natural
    """Its place in the order of starts."""
    host: str | None = None
    """The only host on which it starts."""

    @classmethod
    def from_short(cls, value: Any) -> Any:
        match = AUTOSTART.fullmatch(read_text(value)) if isinstance(value, str) or is_number(value) else None
        if match is None:
            raise expected("a wave such as 4, or '4,host=NAME'")
        return {"wave": int(match[1]), "host": match[2]}


class GateSettings(Section):
    """What may be missing from a session that promotes."""

    tests: Literal["required", "none"] = "required"
    """Whether a test must vouch for a promotion, or checks and health alone where there is no test."""
    exclude: Texts = ()
    """Marks whose tests may be deselected."""
    skips: Texts = ()
    """Tests that may be skipped, by name."""
    xfail: Literal["note", "refuse"] = "note"
    """Whether tests that fail as expected are only reported, or refuse a promotion."""
    flaky: Literal["note", "refuse"] = "note"
    """The same for tests that passed, but not at the first try."""
    unrun: Literal["note", "refuse"] = "note"
    """The same for tests that no mode of the session runs."""
    fewer: Literal["note", "refuse"] = "note"
    """The same for tests that the last release had, and that are no longer there."""

    @property
    def refused(self) -> frozenset[str]:
        """Return the keys of what refuses a promotion."""
        return frozenset(key for key in ("xfail", "flaky", "unrun", "fewer") if getattr(self, key) == "refuse")


class ReleaseSettings(Section):
    """How a launch is verified, and what happens to the data; `verify_for` in seconds."""

    verify: Literal["tests", "none"] = "tests"
    """What must vouch for a new production container: its in_prod tests or health check, or nothing."""
    verify_for: Duration = 10.0
    """How long it must run without restart or ill health."""
    data: Literal["keep", "snapshot"] = "keep"
    """Whether the volume directory is snapshotted before the launch, and put back with the old container."""
    keep_data: Positive = 3
    """How many such snapshots stay, for a roll-back of the data."""


class Settings(ServiceKeys):
    """A container directory's settings."""

    test: TestOverrides = Field(default_factory=TestOverrides)
    """What differs in a test instance."""
    prepare: tuple[Prepare, ...] = ()
    """Directories and files of the volume directory, with owner, mode and first contents."""
    autostart: Autostart | None = None
    """The wave in which it starts with the host."""
    gate: GateSettings = Field(default_factory=GateSettings)
    """What may be missing from a session that promotes."""
    release: ReleaseSettings = Field(default_factory=ReleaseSettings)
    """How a launch is verified, and what happens to the data."""
    policy: Policy = Field(default_factory=Policy)
    """Which checks it is held to, and what it is excused from."""
    expect: ExpectSettings = Field(default_factory=ExpectSettings)
    """What must be true of the running container."""
    drift: DriftSettings = Field(default_factory=DriftSettings)
    """What a running production container may change."""
