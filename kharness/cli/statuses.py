"""Exit statuses of what a signal has ended."""

from __future__ import annotations

import signal

BY_SIGNAL = 128
"""What shells add to the number of a signal that ended something."""
INTERRUPTED = BY_SIGNAL + signal.SIGINT
