"""`kharness schema`."""

from __future__ import annotations

import json

import click

from kharness.settings.schema import json_schema


@click.command()
def command() -> None:
    """Print the JSON schema of settings.yaml, for editors.

    \b
    Examples:
      kharness schema > settings.schema.json
      kharness schema | jq '.properties | keys'
    """
    click.echo(json.dumps(json_schema(), indent=2))
