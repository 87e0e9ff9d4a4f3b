"""Labels by which kharness knows what it made. Nothing without them is ever removed."""

from __future__ import annotations

PREFIX = "kharness."

ROLE = "kharness.role"
"""`test` or `production`."""
NAME = "kharness.name"
"""The container directory."""
SESSION = "kharness.session"
"""The session that owns a test object."""
OWNER_MACHINE = "kharness.owner.machine"
OWNER_BOOT = "kharness.owner.boot"
OWNER_PIDNS = "kharness.owner.pidns"
OWNER_PID = "kharness.owner.pid"
OWNER_START = "kharness.owner.start"
KEEP = "kharness.keep"
"""`always` or `failed`: what --keep and --keep-failed asked for when the object was made."""
DIGEST = "kharness.digest"
"""On an image: the content digest of what it was built from."""
BASE = "kharness.base"
"""On an image: the id of the image it was built from."""
INPUTS = "kharness.inputs"
"""On a test instance: the digest of all its inputs, for --reuse."""

ROLE_TEST = "test"
ROLE_PRODUCTION = "production"
