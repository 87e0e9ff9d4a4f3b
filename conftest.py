"""The project's own pytest configuration; container directories and tests bring theirs."""
