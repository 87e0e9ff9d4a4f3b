"""A flag for every setting, made from the model: what a command's line and its environment lay over a file."""

from __future__ import annotations

import os
from typing import Any

import click
from click.shell_completion import CompletionItem

from kharness.settings.flags import Form, flag_name, form_of, from_environment, from_flags
from kharness.settings.layers import SettingsLayer
from kharness.settings.model import Settings
from kharness.settings.schema import docstrings

SAID = "kharness.settings"
METAVARS = {Form.VALUE: "VALUE", Form.LIST: "ITEM", Form.NAMED: "NAME=VALUE"}
HOW = """\
A value is what settings.yaml would say, and what begins with [ or { is read as YAML: --healthcheck '{interval: 5s}'.
Flags with ITEM or NAME=VALUE may be repeated. What is said replaces what the file says, and is merged with it by name
only in sections and in environment, extra_hosts, labels, secrets, sysctls and ulimits. null alone means the default.
The same can be said in the environment: KHARNESS_RUN_MEM_LIMIT=1g. What counts first is the flag, then the environment,
the container's settings.yaml, the host's configuration, the default.
"""


class SettingOption(click.Option):
    """A flag of one key; what it says is kept for `sources_of`."""

    def __init__(self, key: str, text: str) -> None:
        self.key = key
        form, flag = form_of(key), flag_name(key)
        super().__init__(
            [f"{flag}/{flag_name(key, negated=True)}" if form is Form.FLAG else flag],
            help=text,
            metavar=METAVARS.get(form),
            multiple=form in {Form.LIST, Form.NAMED},
            default=None,
            expose_value=False,
            callback=self._keep,
        )

    def _keep(self, context: click.Context, _parameter: click.Parameter, value: Any) -> None:
        if value is not None and value != ():
            said: dict[str, tuple[str, ...] | bool] = context.meta.setdefault(SAID, {})
            said[self.key] = (value,) if isinstance(value, str) else value


class SettingsCommand(click.Command):
    """A command that takes a flag for every setting; its help leaves them to `--settings`."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        texts = docstrings(Settings)
        self.params += [SettingOption(key, texts[key]) for key in Settings.model_fields]
        self.params.append(
            click.Option(
                ["--settings"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=self._list,
                help="List the flags for settings, such as --mem-limit.",
            )
        )

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Show its own options, on one screen."""
        own = [
            each
            for each in self.get_params(context)
            if isinstance(each, click.Option) and not isinstance(each, SettingOption)
        ]
        with formatter.section("Options"):
            formatter.write_dl([found for each in own if (found := each.get_help_record(context))])

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete flags for settings only where two dashes are there: a choice among sixty is no help."""
        found = super().shell_complete(context, incomplete)
        if incomplete not in {"", "-"}:
            return found
        keys = {
            word
            for each in self.params
            if isinstance(each, SettingOption)
            for word in (*each.opts, *each.secondary_opts)
        }
        return [item for item in found if item.value not in keys]

    def _list(self, context: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's
        if not value or context.resilient_parsing:
            return
        formatter = context.make_formatter()
        with formatter.section("Settings"):
            options = [each for each in self.params if isinstance(each, SettingOption)]
            formatter.write_dl([found for each in options if (found := each.get_help_record(context))])
        click.echo(f"{formatter.getvalue()}\n{click.wrap_text(' '.join(HOW.split()), width=formatter.width)}")
        context.exit()


def complete_keys(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Return the keys that begin so."""
    return [key for key in Settings.model_fields if key.startswith(incomplete)]


def sources_of(context: click.Context, *, in_test: bool = False) -> tuple[SettingsLayer, ...]:
    """Return what the environment and the command's flags say, the lowest first; with `in_test` for a test instance.

    Raises `SettingsError`, and `UsageError` for an unknown variable.
    """
    said = context.meta.get(SAID, {})
    return (from_environment(os.environ, in_test=in_test), from_flags(said, in_test=in_test))
