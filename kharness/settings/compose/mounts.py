"""Volumes, devices, secrets and configs of a service in a Compose file, in their long forms."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from kharness.settings.compose.forms import each
from kharness.settings.compose.scalars import Faults, Reader, fault, flag, is_number, plain, size, text, whole
from kharness.settings.section import Loc

PROPAGATION = frozenset({"private", "rprivate", "shared", "rshared", "slave", "rslave"})
KINDS = frozenset({"bind", "volume", "tmpfs", "cluster", "npipe", "image"})
OPTIONS: dict[str, dict[str, Reader]] = {
    "bind": {"propagation": text, "create_host_path": flag, "recursive": text, "selinux": text},
    "volume": {"nocopy": flag, "subpath": text},
    "tmpfs": {"size": size},
    "image": {"subpath": text},
}
KEYS: dict[str, Reader] = {
    "type": text,
    "source": text,
    "target": text,
    "read_only": flag,
    "consistency": text,
}
SHORT = "[SOURCE:]TARGET[:OPTIONS]"
DRIVE = re.compile(r"[A-Za-z]")


def _volume(item: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    if isinstance(item, dict):
        return _long(item, loc, faults)
    if isinstance(item, str) and item:
        return _short(item, loc, faults)
    fault(faults, loc, SHORT, item)
    return {}


def _long(item: dict[str, Any], loc: Loc, faults: Faults) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in item.items():
        here = (*loc, key)
        if key in KEYS:
            found[key] = KEYS[key](value, here, faults)
        elif key in OPTIONS:
            found[key] = _options(value, OPTIONS[key], here, faults)
        elif key.startswith("x-"):
            found[key] = value
        else:
            faults.append((here, "unknown key"))
    if str(found.get("type")) not in KINDS:
        fault(faults, (*loc, "type"), f"one of {', '.join(sorted(KINDS))}", found.get("type"))
    if isinstance(found.get("target"), str) and found["target"]:
        found["target"] = _clean(found["target"])
    if found.get("type") == "tmpfs" and isinstance(found.get("tmpfs"), dict) and "mode" in found["tmpfs"]:
        found["tmpfs"]["mode"] = mode(found["tmpfs"]["mode"], (*loc, "tmpfs", "mode"), faults)
    if found.get("type") == "bind" and not found.get("source"):
        faults.append(((*loc, "source"), "is required"))
    return found


def mode(value: Any, loc: Loc, faults: Faults) -> Any:
    """Read a file's mode as a number; digits with a zero before them are octal, as in YAML 1.1."""
    written = str(getattr(value, "written", value))
    if re.fullmatch(r"0o?[0-7]{1,5}", written, re.ASCII):
        return int(written.replace("o", ""), 8)
    return whole(value, loc, faults)


def _options(value: Any, known: dict[str, Reader], loc: Loc, faults: Faults) -> dict[str, Any]:
    if not isinstance(value, dict):
        fault(faults, loc, "a mapping", value)
        return {}
    found = {}
    for key, said in value.items():
        if key in known:
            read = known[key](said, (*loc, key), faults)
            if read is not False:
                found[key] = read
        elif key != "mode" and not key.startswith("x-") and key != "labels":
            faults.append(((*loc, key), "unknown key"))
        else:
            found[key] = said
    return found


def _short(item: str, loc: Loc, faults: Faults) -> dict[str, Any]:
    parts = item.split(":")
    if len(parts) > 1 and len(parts[0]) == 1 and DRIVE.fullmatch(parts[0]):
        faults.append((loc, "should have a source that is a path, or a volume's name of at least two characters"))
        return {}
    if len(parts) == 1:
        return {"type": "volume", "target": _clean(item), "volume": {}}
    if len(parts) > 3 or not all(parts[:2]):  # noqa: PLR2004 - source, target, options
        fault(faults, loc, SHORT, item)
        return {}
    source = parts[0]
    bind = source.startswith((".", "/", "~"))
    found: dict[str, Any] = {"type": "bind" if bind else "volume", "source": source, "target": _clean(parts[1])}
    bound, volume = _short_options(parts[2] if len(parts) == 3 else "", found)  # noqa: PLR2004 - options
    if bind:
        found["bind"] = {**bound, "create_host_path": True}
    else:
        found |= {"bind": bound, "volume": volume} if bound else {"volume": volume}
    return found


def _short_options(said: str, found: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what options say of a directory of the host, and of a volume; unknown ones count for nothing."""
    bound: dict[str, Any] = {}
    volume: dict[str, Any] = {}
    for option in said.split(","):
        if option == "ro":
            found["read_only"] = True
        elif option == "rw":
            found.pop("read_only", None)
        elif option in {"z", "Z"}:
            bound["selinux"] = option
        elif option == "nocopy":
            volume["nocopy"] = True
        elif option in PROPAGATION:
            bound["propagation"] = option
    return bound, volume


def _clean(path: str) -> str:
    return posixpath.normpath(path) if not path.startswith("//") else "/" + posixpath.normpath(path).lstrip("/")


def _device(item: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    if isinstance(item, dict):
        faults += [((*loc, key), "is required") for key in ("source", "target") if not item.get(key)]
        return item
    match item.split(":") if isinstance(item, str) else []:
        case [source]:
            return {"source": source, "target": source, "permissions": "rwm"}
        case [source, target]:
            return {"source": source, "target": target, "permissions": "rwm"}
        case [source, target, permissions]:
            return {"source": source, "target": target, "permissions": permissions}
        case _:
            fault(faults, loc, "HOST[:CONTAINER[:rwm]]", item)
            return {}


def _secret(item: Any, loc: Loc, faults: Faults) -> dict[str, Any]:
    if isinstance(item, str):
        return {"source": item}
    if isinstance(item, dict):
        return _given(item, loc, faults)
    fault(faults, loc, "a name, or a mapping with source and target", item)
    return {}


def _given(item: dict[str, Any], loc: Loc, faults: Faults) -> dict[str, Any]:
    for key, said in item.items():
        if key in {"source", "target", "uid", "gid"}:
            text(said, (*loc, key), faults)
        elif key != "mode" and not key.startswith("x-"):
            faults.append(((*loc, key), "unknown key"))
    if "source" not in item:
        faults.append(((*loc, "source"), "is required"))
    if "mode" in item and _has_mode(item["mode"]):
        return {**item, "mode": f"0{mode(item['mode'], (*loc, 'mode'), faults):o}"}
    return dict(item)


def _has_mode(value: Any) -> bool:
    return is_number(value) or (isinstance(value, str) and re.fullmatch(r"0?o?[0-7]{1,5}", plain(value)) is not None)


def named_volumes(service: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of the volumes that a canonical service mounts by their names."""
    for mount in service.get("volumes") or ():
        if mount.get("type") == "volume" and mount.get("source"):
            yield mount["source"]


volumes = each(_volume)
"""Reads a service's volumes."""
devices = each(_device)
"""Reads a service's devices."""
given = each(_secret)
"""Reads a service's secrets or configs."""
