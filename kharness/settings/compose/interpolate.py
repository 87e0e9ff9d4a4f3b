"""Variables in a Compose file's values: `$NAME`, `${NAME}`, that with `:-`, `-`, `:?`, `?`, `:+`, `+`, and `$$`.

Keys are never touched. A text with variables is afterwards what its field wants, a number or a boolean, where the file
could have said that itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from kharness.settings.compose.scalars import FALSE, TRUE
from kharness.settings.section import Loc

Lookup = Callable[[str], str | None]

NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
FORM = re.compile(r"([_a-zA-Z][_a-zA-Z0-9]*)(?:(:?[-+?])(.*))?", re.ASCII | re.DOTALL)
DEEPEST = 50
LONGEST = 1 << 20
"""No value that a launch could use is longer, and defaults within defaults can multiply."""


class VariableError(Exception):
    """A text's variables cannot be put in; it shows the variable's name, never a value."""


def put_in(text: str, lookup: Lookup, *, depth: int = 0) -> str:
    """Return the text with its variables put in, an unset one as nothing; raises `VariableError`."""
    if "$" not in text:
        return text
    if depth > DEEPEST:
        raise VariableError("should not nest variables so deeply")
    parts: list[str] = []
    at = 0
    while (found := text.find("$", at)) >= 0:
        parts.append(text[at:found])
        after = text[found + 1 : found + 2]
        if after == "$":
            parts.append("$")
            at = found + 2
        elif after == "{":
            end = _closing(text, found + 1)
            parts.append(_braced(text[found + 2 : end], lookup, depth))
            at = end + 1
        elif name := NAME.match(text, found + 1):
            parts.append(lookup(name[0]) or "")
            at = name.end()
        else:
            # A dollar sign before anything else is one, as in `$(date)` and `$1`.
            parts.append("$")
            at = found + 1
    result = "".join([*parts, text[at:]])
    if len(result) > LONGEST:
        raise VariableError("should not become so long by its variables")
    return result


def _closing(text: str, start: int) -> int:
    open_braces = 0
    for at in range(start, len(text)):
        if text[at] == "{":
            open_braces += 1
        elif text[at] == "}":
            open_braces -= 1
            if not open_braces:
                return at
    raise VariableError("should have its '${' closed, or '$$' for a dollar sign")


def _braced(inner: str, lookup: Lookup, depth: int) -> str:
    form = FORM.fullmatch(inner)
    if form is None:
        raise VariableError("should have a variable's name in '${...}', and after it nothing but :-, -, :?, ?, :+ or +")
    name, operator, rest = form.groups()
    value = lookup(name)
    there = bool(value) if (operator or "").startswith(":") else value is not None
    match (operator or "")[-1:]:
        case "-":
            return (value or "") if there else put_in(rest, lookup, depth=depth + 1)
        case "+":
            return put_in(rest, lookup, depth=depth + 1) if there else ""
        case "?" if not there:
            said = put_in(rest, lookup, depth=depth + 1)
            raise VariableError(f"should have the variable {name} set" + (f": {said}" if said else ""))
        case _:
            return value or ""


INTEGERS = (
    "services.*.(oom_score_adj|pids_limit|scale|cpu_count|cpu_percent|cpu_period|cpu_quota|cpu_shares|mem_swappiness)",
    "services.*.(healthcheck.retries|deploy.replicas|deploy.resources.limits.pids|blkio_config.weight)",
    "services.*.(ulimits.*|ulimits.*.hard|ulimits.*.soft|ports.*.target|networks.*.priority)",
    "services.*.(build.ulimits.*|deploy.restart_policy.max_attempts|deploy.update_config.parallelism)",
)
BOOLEANS = (
    "services.*.(init|privileged|read_only|stdin_open|tty|oom_kill_disable|healthcheck.disable|use_api_socket)",
    "services.*.(build.privileged|build.no_cache|build.pull|depends_on.*.required|depends_on.*.restart)",
    "services.*.(volumes.*.read_only|volumes.*.bind.create_host_path|volumes.*.volume.nocopy|env_file.*.required)",
    "(networks|volumes|secrets|configs).*.external",
    "networks.*.(internal|attachable|enable_ipv4|enable_ipv6)",
)


def _pattern(paths: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{path.replace('.', chr(0)).replace('*', f'[^{chr(0)}]*')})" for path in paths))


WHOLE, TRUTH = _pattern(INTEGERS), _pattern(BOOLEANS)


def cast(text: str, loc: Loc) -> Any:
    """Return text at a place as the number or boolean that the place wants, and unchanged where it is none."""
    place = "\0".join(str(part) for part in loc)
    if TRUTH.fullmatch(place):
        low = text.lower()
        return True if low in TRUE else False if low in FALSE else text
    if WHOLE.fullmatch(place) and re.fullmatch(r"[-+]?[0-9]{1,18}", text, re.ASCII):
        return int(text)
    return text


def interpolated(value: Any, lookup: Lookup, faults: list[tuple[Loc, str]], loc: Loc = ()) -> Any:
    """Return a file's value with the variables of all its texts put in; what is wrong is added to `faults`."""
    if isinstance(value, dict):
        return {key: interpolated(each, lookup, faults, (*loc, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [interpolated(each, lookup, faults, (*loc, index)) for index, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    try:
        return cast(put_in(value, lookup), loc)
    except VariableError as error:
        faults.append((loc, str(error)))
        return value
