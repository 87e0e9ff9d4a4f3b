"""The user who runs kharness as root by sudo(8), and the volume root of this user without sudo."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kharness.errors import SettingsError
from kharness.settings.host import HostSettings, load_host_settings

CONFIG = Path(".config/kharness/config.toml")
VOLUMES = Path(".local/share/kharness/dv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoker:
    """A user by name, and the volume root that is theirs."""

    user: str
    volume_root: Path


def invoker_of(host: HostSettings, *, folder: Path | None, environ: Mapping[str, str]) -> Invoker | None:
    """Return the user who started this process by sudo; None without sudo, or where a setting gives the volume root.

    `folder` is the project's. A variable of theirs that sudo does not pass on is not known.
    """
    uid = environ.get("SUDO_UID", "")
    if os.geteuid() != 0 or "dv" in host.model_fields_set or not uid.isdecimal() or int(uid) == 0:
        return None
    try:
        found = pwd.getpwuid(int(uid))
    except KeyError:
        return None
    home = Path(found.pw_dir)
    root = home / VOLUMES
    with suppress(SettingsError):
        theirs = load_host_settings(project=folder, environ={}, user_file=home / CONFIG)
        root = theirs.dv if "dv" in theirs.model_fields_set else root
    return Invoker(user=found.pw_name, volume_root=root)
