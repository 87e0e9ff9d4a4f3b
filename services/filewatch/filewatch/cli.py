"""The command line: what is asked, done by one function each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from filewatch.config import Config

_DESCRIPTION = "Watch files by rules and tell over HTTP whether all is ok. Without an option but --config: serve."
_BAD_CONFIG = 2


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say; the exit status: 0 fine, 1 not ok, 2 what was said cannot be used."""
    # File names are arbitrary bytes; a terminal or log of any encoding must not be the end of the program.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.probe is not None:
        return _probe(arguments.probe, timeout=arguments.timeout)
    if not arguments.config:
        parser.error("--config FILE or --probe URL is needed")
    return _with_config(arguments.config, once=arguments.once, check=arguments.check)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="filewatch", description=_DESCRIPTION)
    parser.add_argument(
        "--config",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="TOML file; may be repeated: a later file adds rules and replaces keys of [server] and [scan]",
    )
    doing = parser.add_mutually_exclusive_group()
    doing.add_argument("--once", action="store_true", help="scan once, print the result, exit with 0 (all ok) or 1")
    doing.add_argument("--check", action="store_true", help="only check the configuration, exit with 0 or 2")
    doing.add_argument("--probe", metavar="URL", help="ask a running filewatch, exit with 0 if it answers 200, else 1")
    parser.add_argument("--timeout", type=float, default=3.0, metavar="SECONDS", help="for --probe (default: 3)")
    return parser


def _probe(url: str, *, timeout: float) -> int:
    from filewatch.probe import probe  # noqa: PLC0415 - a probe runs often, and loads only what it needs

    try:
        good, text = probe(url, timeout=timeout)
    except ValueError as error:
        sys.stderr.write(f"filewatch: --probe: {error}\n")
        return _BAD_CONFIG
    (sys.stdout if good else sys.stderr).write(text)
    return 0 if good else 1


def _with_config(files: Sequence[Path], *, once: bool, check: bool) -> int:
    from filewatch.config import ConfigError, read_config  # noqa: PLC0415

    try:
        config = read_config(files)
    except ConfigError as error:
        sys.stderr.write("".join(f"filewatch: {problem}\n" for problem in error.problems))
        return _BAD_CONFIG
    if check:
        return 0
    return _once(config) if once else _serve(config)


def _once(config: Config) -> int:
    from filewatch.health import scan_health  # noqa: PLC0415
    from filewatch.scan import Scanner  # noqa: PLC0415

    health = scan_health(Scanner(config.rules, config.scan).scan())
    sys.stdout.write(health.text)
    return 1 if health.reasons else 0


def _serve(config: Config) -> NoReturn:
    from filewatch.service import run  # noqa: PLC0415

    run(config)
