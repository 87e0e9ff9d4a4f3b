"""A short text that two run specifications share exactly when they ask for the same container."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from kharness.plan import labels
from kharness.plan.runspec import RunSpec


def spec_key(spec: RunSpec) -> str:
    """Return 16 hexadecimal digits. Environment values go in only as part of the hash."""
    told = {key: value for key, value in spec.labels.items() if key != labels.INPUTS}
    text = json.dumps(asdict(replace(spec, labels=told)), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
