"""The configuration as frozen values, and reading it from TOML files with all their problems at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filewatch.fields import Fields
from filewatch.rules import Rule, parse_rule

SECTIONS: Mapping[str, frozenset[str] | None] = {
    "server": frozenset({"listen", "timeout", "connections"}),
    "scan": frozenset({"every", "stale_after", "clock_skew", "max_files", "max_read"}),
    "rules": None,  # its keys are the user's paths
}
_MIB = 1024 * 1024


class ConfigError(Exception):
    """The configuration cannot be used; `str()` has all its problems, one a line."""

    def __init__(self, problems: Iterable[str]) -> None:
        """Keep all problems."""
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """Where to listen and what a client may use: seconds for a whole request, connections at a time."""

    host: str = "127.0.0.1"
    port: int = 8080
    timeout: float = 10.0
    connections: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanConfig:
    """How often to scan, when a scan is too old (both seconds), and what one scan may use.

    `clock_skew` (seconds) is how far in the future a file may be; `max_read` (bytes) how large to be searched for text.
    """

    every: float = 10.0
    stale_after: float = 60.0
    clock_skew: float = 60.0
    max_files: int = 10_000
    max_read: int = 64 * _MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that filewatch is told; at least one rule."""

    rules: tuple[Rule, ...]
    server: ServerConfig = field(default_factory=ServerConfig)
    scan: ScanConfig = field(default_factory=ScanConfig)


def read_config(files: Sequence[Path]) -> Config:
    """Read files as if they were one: a later one's key replaces an earlier one's. ConfigError with all problems.

    The same path in the rules of two files is a problem, because nobody could tell which one is meant.
    """
    fields = Fields()
    for file in files:
        document = _load(file, fields)
        if document is not None:
            fields.add(file, document, sections=SECTIONS, unique="rules")
    config = Config(server=_server(fields), scan=_scan(fields), rules=_rules(fields))
    if not config.rules and not fields.problems:
        fields.problem(files[-1], "rules", "should have at least one path: who watches nothing would say 'all ok'")
    if fields.problems:
        raise ConfigError(fields.problems)
    return config


def _load(file: Path, fields: Fields) -> Mapping[str, object] | None:
    try:
        return tomllib.loads(file.read_bytes().decode())
    except OSError as error:
        fields.problem(file, "", f"should be readable, not: {error.strerror}")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        fields.problem(file, "", f"should be TOML in UTF-8, not: {error}")
    return None


def _server(fields: Fields) -> ServerConfig:
    default = ServerConfig()
    host, port = fields.address("server", "listen", default=(default.host, default.port))
    return ServerConfig(
        host=host,
        port=port,
        timeout=fields.number("server", "timeout", default=default.timeout, least=0.1),
        connections=fields.whole("server", "connections", default=default.connections, least=1),
    )


def _scan(fields: Fields) -> ScanConfig:
    default = ScanConfig()
    every = fields.number("scan", "every", default=default.every, least=0.05)
    # Less than two rounds, and a single late scan would look like a dead scanner.
    stale_after = fields.number("scan", "stale_after", default=max(default.stale_after, 3 * every), least=2 * every)
    return ScanConfig(
        every=every,
        stale_after=stale_after,
        clock_skew=fields.number("scan", "clock_skew", default=default.clock_skew, least=0),
        max_files=fields.whole("scan", "max_files", default=default.max_files, least=1),
        max_read=fields.whole("scan", "max_read", default=default.max_read, least=1),
    )


def _rules(fields: Fields) -> tuple[Rule, ...]:
    found = []
    for said in fields.section("rules"):
        try:
            found.append(parse_rule(said.key, said.value))
        except ValueError as error:
            fields.problem(said.file, f"rules.{said.key!r}", str(error))
    return tuple(found)
