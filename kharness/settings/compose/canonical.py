"""The canonical form of a Compose model after its files are merged: long forms, each value in the form Compose prints.

Nothing is looked up here: neither the environment nor the file system. What is wrong is collected with its place.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from kharness.settings.compose import deploy
from kharness.settings.compose.mounts import devices, given, volumes
from kharness.settings.compose.ports import ports
from kharness.settings.compose.scalars import (
    Faults,
    Reader,
    decimal,
    duration,
    fault,
    flag,
    plain,
    size,
    text,
    text_or_number,
    whole,
)
from kharness.settings.foreign import nearest_key
from kharness.settings.section import Loc


def texts(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a list of texts."""
    if not isinstance(value, list):
        fault(faults, loc, "a list", value)
        return []
    return [str(text(item, (*loc, index), faults)) for index, item in enumerate(value)]


def text_or_texts(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a list of texts, or one alone."""
    return [value] if isinstance(value, str) else texts(value, loc, faults)


def exposed(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a list of texts and numbers, as text."""
    if not isinstance(value, list):
        fault(faults, loc, "a list", value)
        return []
    return [text_or_number(item, (*loc, index), faults) for index, item in enumerate(value)]


def named(*, null: Any = "") -> Reader:
    """Return a reader of a mapping of names to texts, or a list of NAME=VALUE; a name alone is `null`."""

    def read(value: Any, loc: Loc, faults: Faults) -> Any:
        if isinstance(value, list):
            found = {}
            for index, item in enumerate(value):
                if not isinstance(item, str):
                    fault(faults, (*loc, index), "NAME=VALUE", item)
                    continue
                name, equals, said = item.partition("=")
                found[name] = said if equals else null
            return found
        if not isinstance(value, dict):
            fault(faults, loc, "a mapping, or a list of NAME=VALUE", value)
            return {}
        return {str(name): _scalar(said, (*loc, name), faults, null) for name, said in value.items()}

    return read


def _scalar(value: Any, loc: Loc, faults: Faults, null: Any) -> Any:
    if value is None:
        return null
    if isinstance(value, dict | list):
        # A password may be among what is there.
        faults.append((loc, "should be text, a number, true or false"))
        return null
    written = str(getattr(value, "written", ""))
    if re.fullmatch(r"[-+]?0[0-7]+", written, re.ASCII):
        return written
    return plain(value)


def command(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a command: text is split into words as by a shell, and no operator is one."""
    if value is None or isinstance(value, list):
        return value if value is None else [text(item, (*loc, index), faults) for index, item in enumerate(value)]
    if not isinstance(value, str):
        fault(faults, loc, "a command line, or a list of its words", value)
        return None
    try:
        return words(value)
    except ValueError:
        faults.append((loc, "should be a command line whose quotes are closed"))
        return None


def words(line: str) -> list[str]:
    """Return the words of a command line; in double quotes a backslash stays but before a quote or another one.

    Raises ValueError where a quote is not closed.
    """
    return shlex.split(line)


def health_test(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a health check's test: text is for a shell."""
    if isinstance(value, str):
        return ["CMD-SHELL", value]
    found = texts(value, loc, faults)
    if found and found[0] not in {"NONE", "CMD", "CMD-SHELL"}:
        faults.append((loc, "should begin with CMD, CMD-SHELL or NONE"))
    return found


def section(keys: Mapping[str, Reader], *, null: bool = False) -> Reader:
    """Return a reader of a mapping with these keys; with `null` an empty one may be left out."""

    def read(value: Any, loc: Loc, faults: Faults) -> Any:
        if value is None and null:
            return None
        if not isinstance(value, dict):
            fault(faults, loc, "a mapping", value)
            return {}
        return fields(value, keys, loc, faults)

    return read


def fields(value: Mapping[str, Any], keys: Mapping[str, Reader], loc: Loc, faults: Faults) -> dict[str, Any]:
    """Read the keys of a mapping; one that is unknown is a fault, with the key that is probably meant."""
    found: dict[str, Any] = {}
    for key, said in value.items():
        here = (*loc, key)
        if key.startswith("x-"):
            found[key] = said
        elif key not in keys:
            faults.append((here, nearest_key(key, keys)))
        elif said is None and keys[key] not in NULLABLE:
            continue
        else:
            found[key] = keys[key](said, here, faults)
    return found


def shaped(pattern: str, what: str) -> Reader:
    """Return a reader of text of a shape."""

    def read(value: Any, loc: Loc, faults: Faults) -> Any:
        if isinstance(value, str) and not re.fullmatch(pattern, value, re.ASCII):
            fault(faults, loc, what, value)
        return text(value, loc, faults)

    return read


def each(read: Reader) -> Reader:
    """Return a reader of a list whose items are read so."""

    def read_list(value: Any, loc: Loc, faults: Faults) -> Any:
        if not isinstance(value, list):
            fault(faults, loc, "a list", value)
            return []
        return [read(item, (*loc, index), faults) for index, item in enumerate(value)]

    return read_list


def anything(value: Any, _loc: Loc, _faults: Faults) -> Any:
    """Take a value as it is."""
    return value


def depends_on(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read dependencies: each with its condition, and whether it must be there."""
    if isinstance(value, list):
        return {name: {"condition": "service_started", "required": True} for name in texts(value, loc, faults)}
    if not isinstance(value, dict):
        fault(faults, loc, "a list of services, or a mapping of them to conditions", value)
        return {}
    found = {}
    for name, said in value.items():
        here = (*loc, name)
        if not isinstance(said, dict):
            fault(faults, here, "a mapping with a condition", said)
            continue
        read = fields(said, {"condition": text, "restart": flag, "required": flag}, here, faults)
        if read.get("condition") not in CONDITIONS:
            fault(faults, (*here, "condition"), f"one of {', '.join(CONDITIONS)}", read.get("condition"))
        found[name] = {"required": True, **read}
    return found


CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")


def networks(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read the networks of a service."""
    if isinstance(value, list):
        return dict.fromkeys(texts(value, loc, faults))
    if not isinstance(value, dict):
        fault(faults, loc, "a list of networks, or a mapping of them", value)
        return {}
    return {name: section(ATTACHMENT, null=True)(said, (*loc, name), faults) for name, said in value.items()}


ATTACHMENT: Mapping[str, Reader] = {
    "aliases": texts,
    "ipv4_address": text,
    "ipv6_address": text,
    "link_local_ips": texts,
    "mac_address": text,
    "driver_opts": named(),
    "priority": decimal,
    "gw_priority": decimal,
    "interface_name": text,
}


def hosts(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read names of hosts, as NAME=ADDRESS."""
    if isinstance(value, dict):
        return sorted(
            f"{name}={address}"
            for name, said in value.items()
            for address in (said if isinstance(said, list) else [said])
        )
    found = []
    for index, item in enumerate(texts(value, loc, faults)):
        name, separator, address = str(item).partition("=") if "=" in str(item) else str(item).partition(":")
        if not separator or not name or not address:
            fault(faults, (*loc, index), "NAME=ADDRESS", item)
            continue
        found.append(f"{name}={address.removeprefix('[').removesuffix(']')}")
    return sorted(found)


def ulimits(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read limits: a number, or soft and hard ones."""
    if not isinstance(value, dict):
        fault(faults, loc, "a mapping, as in 'nofile: 1024'", value)
        return {}
    found = {}
    for name, said in value.items():
        here = (*loc, name)
        if isinstance(said, dict):
            found[name] = fields(said, {"soft": whole, "hard": whole}, here, faults)
            if missing := {"soft", "hard"} - said.keys():
                faults.append(((*here, min(missing)), "is required"))
        else:
            found[name] = whole(said, here, faults)
    return found


def env_files(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read files of variables; each with whether it must be there."""
    items = value if isinstance(value, list) else [value]
    found = []
    for index, item in enumerate(items):
        here = (*loc, index) if isinstance(value, list) else loc
        if isinstance(item, str):
            found.append({"path": item, "required": True})
        elif isinstance(item, dict):
            read = fields(item, {"path": text, "required": flag, "format": text}, here, faults)
            if "path" not in read:
                faults.append(((*here, "path"), "is required"))
                continue
            found.append({"required": True, **read})
        else:
            fault(faults, here, "a path, or a mapping with path and required", item)
    return found


def build(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read how an image is built."""
    if isinstance(value, str):
        return {"context": value, "dockerfile": "Dockerfile"}
    if not isinstance(value, dict):
        fault(faults, loc, "a path, or a mapping with context", value)
        return {}
    found = fields(value, BUILD, loc, faults)
    if "dockerfile_inline" in found and "dockerfile" in found:
        faults.append((loc, "should have either dockerfile or dockerfile_inline"))
    if "dockerfile_inline" not in found:
        found.setdefault("dockerfile", "Dockerfile")
    return found


def hooks(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read commands that are run after a start, or before a stop."""
    return each(section(HOOK))(value, loc, faults)


def models(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read the language models of a service."""
    return dict.fromkeys(texts(value, loc, faults)) if isinstance(value, list) else value


def provider(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read what provides a service that is no container."""
    found = section({"type": text, "options": anything})(value, loc, faults)
    if "type" not in found:
        faults.append(((*loc, "type"), "is required"))
    if isinstance(options := found.get("options"), dict):
        found["options"] = {
            name: [plain(each) for each in (said if isinstance(said, list) else [said])]
            for name, said in options.items()
        }
    return found


def develop(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read what is done in development when files change."""
    found = section({"watch": each(section(WATCH))})(value, loc, faults)
    for rule in found.get("watch") or ():
        rule["exec"] = {"command": None, **(rule.get("exec") or {})}
    return found


def attestation(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read whether a build is attested, or how: text, also of a boolean."""
    return plain(value) if isinstance(value, bool) else text(value, loc, faults)


def blkio(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read limits of block devices, which Compose prints with the engine's names."""
    read = section({"weight": whole, **dict.fromkeys(_DEVICES, anything)})(value, loc, faults)
    return {
        key: each(_device(key))(said, (*loc, key), faults) if key in _DEVICES else said for key, said in read.items()
    }


_DEVICES = ("weight_device", "device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops")


def _device(key: str) -> Reader:
    name, printed, read = ("weight", "Weight", whole) if key == "weight_device" else ("rate", "Rate", size)

    def device(value: Any, loc: Loc, faults: Faults) -> Any:
        found = section({"path": text, name: read})(value, loc, faults)
        return {"Path": found.get("path"), printed: found.get(name)}

    return device


PULLS = "always|never|build|if_not_present|missing|refresh|daily|weekly|every_([0-9]+[wdhms])+"
HOOK: Mapping[str, Reader] = {
    "command": command,
    "user": text,
    "privileged": flag,
    "working_dir": text,
    "environment": named(null=None),
}
WATCH: Mapping[str, Reader] = {
    "action": text,
    "path": text,
    "target": text,
    "ignore": text_or_texts,
    "include": text_or_texts,
    "initial_sync": flag,
    "exec": section(HOOK),
}
HEALTH: Mapping[str, Reader] = {
    "test": health_test,
    "interval": duration,
    "timeout": duration,
    "retries": whole,
    "start_period": duration,
    "start_interval": duration,
    "disable": flag,
}
BUILD: Mapping[str, Reader] = {
    "context": text,
    "dockerfile": text,
    "dockerfile_inline": text,
    "args": named(null=None),
    "ssh": text_or_texts,
    "labels": named(),
    "cache_from": texts,
    "cache_to": texts,
    "no_cache": flag,
    "additional_contexts": named(),
    "network": text,
    "pull": flag,
    "target": text,
    "shm_size": size,
    "extra_hosts": hosts,
    "isolation": text,
    "privileged": flag,
    "secrets": given,
    "tags": texts,
    "ulimits": ulimits,
    "platforms": texts,
    "entitlements": texts,
    "provenance": attestation,
    "sbom": attestation,
}
SERVICE: Mapping[str, Reader] = {
    "annotations": named(),
    "attach": flag,
    "blkio_config": blkio,
    "build": build,
    "cap_add": texts,
    "cap_drop": texts,
    "cgroup": text,
    "cgroup_parent": text,
    "command": command,
    "configs": given,
    "container_name": shaped(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", "a name of letters, digits, '_', '.' and '-'"),
    "cpu_count": whole,
    "cpu_percent": decimal,
    "cpu_period": whole,
    "cpu_quota": whole,
    "cpu_rt_period": whole,
    "cpu_rt_runtime": whole,
    "cpu_shares": whole,
    "cpus": decimal,
    "cpuset": text,
    "credential_spec": anything,
    "depends_on": depends_on,
    "deploy": deploy.deploy,
    "develop": develop,
    "device_cgroup_rules": texts,
    "devices": devices,
    "dns": text_or_texts,
    "dns_opt": texts,
    "dns_search": text_or_texts,
    "domainname": text,
    "entrypoint": command,
    "env_file": env_files,
    "environment": named(null=None),
    "expose": exposed,
    "external_links": texts,
    "extra_hosts": hosts,
    "gpus": deploy.gpus,
    "group_add": exposed,
    "healthcheck": section(HEALTH),
    "hostname": text,
    "image": text,
    "init": flag,
    "ipc": text,
    "isolation": text,
    "label_file": text_or_texts,
    "labels": named(),
    "links": texts,
    "logging": section({"driver": text, "options": named()}),
    "mac_address": text,
    "mem_limit": size,
    "mem_reservation": size,
    "mem_swappiness": size,
    "memswap_limit": size,
    "models": models,
    "network_mode": text,
    "networks": networks,
    "oom_kill_disable": flag,
    "oom_score_adj": whole,
    "pid": text,
    "pids_limit": whole,
    "platform": text,
    "ports": ports,
    "post_start": hooks,
    "pre_stop": hooks,
    "privileged": flag,
    "profiles": texts,
    "provider": provider,
    "pull_policy": shaped(PULLS, "always, never, missing, build, daily, weekly or every_DURATION"),
    "pull_refresh_after": text,
    "read_only": flag,
    "restart": text,
    "runtime": text,
    "scale": whole,
    "secrets": given,
    "security_opt": texts,
    "shm_size": size,
    "stdin_open": flag,
    "stop_grace_period": duration,
    "stop_signal": text,
    "storage_opt": named(),
    "sysctls": named(),
    "tmpfs": text_or_texts,
    "tty": flag,
    "ulimits": ulimits,
    "use_api_socket": flag,
    "user": text,
    "userns_mode": text,
    "uts": text,
    "volumes": volumes,
    "volumes_from": texts,
    "working_dir": text,
}
NETWORK: Mapping[str, Reader] = {
    "name": text,
    "driver": text,
    "driver_opts": named(),
    "ipam": anything,
    "external": anything,
    "internal": flag,
    "attachable": flag,
    "enable_ipv4": flag,
    "enable_ipv6": flag,
    "labels": named(),
}
VOLUME: Mapping[str, Reader] = {
    "name": text,
    "driver": text,
    "driver_opts": named(),
    "external": anything,
    "labels": named(),
}
GIVEN: Mapping[str, Reader] = {
    "name": text,
    "file": text,
    "environment": text,
    "content": text,
    "external": anything,
    "labels": named(),
    "driver": text,
    "driver_opts": named(),
    "template_driver": text,
}
NULLABLE: frozenset[Callable[..., Any]] = frozenset({command})
"""Readers of keys whose null is said on purpose."""
TOP = {"networks": NETWORK, "volumes": VOLUME, "secrets": GIVEN, "configs": GIVEN}


def canonical_service(service: Mapping[str, Any], loc: Loc, faults: Faults) -> dict[str, Any]:
    """Return a service in its long form; `extends` is resolved before."""
    if not re.fullmatch(r"[a-zA-Z0-9._-]+", str(loc[-1]), re.ASCII):
        faults.append((loc, "should have a name of letters, digits, '.', '_' and '-'"))
    said = {key: value for key, value in service.items() if key != "extends"}
    return fields(said, SERVICE, loc, faults)


def canonical_definition(kind: str, value: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    """Return a network, volume, secret or config of the top in its long form."""
    found = fields(value or {}, TOP[kind], loc, faults)
    external = found.get("external")
    if isinstance(external, dict):
        # The form of old files: the name below it.
        found["external"] = True
        if external.get("name"):
            found.setdefault("name", external["name"])
    elif external is not None:
        found["external"] = flag(external, (*loc, "external"), faults)
    for key in ("external", "internal"):
        if found.get(key) is False:
            del found[key]
    if found.get("external") and (
        more := found.keys() - {"name", "external", "labels"} - {k for k in found if k.startswith("x-")}
    ):
        faults.append((loc, f"is external, and should not have {', '.join(sorted(more))}"))
    if kind == "networks":
        found["ipam"] = _ipam(found.get("ipam"), (*loc, "ipam"), faults)
    if kind in {"secrets", "configs"} and not found.get("external"):
        sources = [key for key in ("file", "environment", "content") if key in found]
        if len(sources) != 1 and "driver" not in found:
            faults.append((loc, "should have one of file, environment, content or external"))
    return found


def _ipam(value: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    pool = section({"subnet": text, "gateway": text, "ip_range": text, "aux_addresses": named()})
    read = section({"driver": text, "config": each(pool), "options": named()})(value or {}, loc, faults)
    return {key: said for key, said in read.items() if said not in ([], {}) and key != "options"}
