"""`python -m kharness`, the same as the command."""

from kharness.cli.main import main

main()
