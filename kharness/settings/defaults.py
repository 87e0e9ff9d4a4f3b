"""What the host's configuration says for all its containers, as far as their own files say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, InstanceOf, ValidationError, ValidationInfo

from kharness.errors import Problem
from kharness.settings.checks import check_settings
from kharness.settings.foreign import explain_key
from kharness.settings.laid import Source, laid
from kharness.settings.model import Settings
from kharness.settings.section import expected, moved, problem, together, wrong
from kharness.settings.service import ServiceKeys
from kharness.settings.variables import without_variables

KEY = "defaults"
FOR_ALL = frozenset(
    {
        *("cap_drop", "cpus", "dns", "environment", "extra_hosts", "init", "labels", "logging", "mem_limit"),
        *("memswap_limit", "pids_limit", "read_only", "restart", "security_opt", "stop_grace_period", "sysctls"),
        *("tmpfs", "ulimits"),
    }
)
"""Keys that may hold for all containers of a host."""
OF_ONE = "belongs to one container, and should be said in that one's settings.yaml"
OWN_KEY: Mapping[str, str] = {
    "policy": "has keys of its own in the host's configuration, policy and waive",
    "networks": f"{OF_ONE}; which networks there are, the table networks says",
}
NOWHERE = Path("host configuration")


def check_defaults(sources: Iterable[Source]) -> list[Problem]:
    """Return what contradicts itself among the defaults of all files, each at the file that says it."""
    merged = laid(sources)
    problems: list[Problem] = []
    for found in check_settings(Settings.model_validate({"image": "x", **merged.value})):
        owner = merged.owner(found.loc)
        if owner is not None:
            problems.append(owner.problem(found.loc, found.message))
    return problems


def _read(value: Any, info: ValidationInfo) -> tuple[Source, ...]:
    if isinstance(value, tuple):
        return value
    if not isinstance(value, Mapping):
        raise expected("a table")
    said, uses = without_variables(dict(value))
    errors = [problem(wrong(found.message), loc=found.loc, value=None) for found in uses if found.loc[0] in FOR_ALL]
    readable = FOR_ALL - {found.loc[0] for found in uses}
    for key in sorted(said.keys() - FOR_ALL):
        known = key in Settings.model_fields
        text = OWN_KEY.get(key, OF_ONE) if known else explain_key(key, place="service", known=FOR_ALL)
        errors.append(problem(wrong(text), loc=(key,), value=None))
    try:
        ServiceKeys.model_validate({key: each for key, each in said.items() if key in readable})
    except ValidationError as error:
        errors += moved(error, lambda loc: loc)
    if errors:
        raise together(errors)
    context = info.context or {}
    file, key = context.get("file", NOWHERE), context.get("key", "")
    prefix = ".".join(filter(None, (key, KEY)))
    return (Source(said=said, file=file, prefix=prefix, called=f"the host's configuration ({file})"),)


Defaults = Annotated[tuple[InstanceOf[Source], ...], BeforeValidator(_read)]
"""The sources of defaults, the lowest first."""
