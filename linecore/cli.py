"""The command ``linecore``: commands come from the entry-point group ``linecore.commands``, imported when called."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points, version

import click

from linecore.entrypoints import load
from linecore.errors import LinecoreError

GROUP = "linecore.commands"

# What `linecore --help` says of each command: reading it from the command would import the command.
SUMMARIES: Mapping[str, str] = {
    "init": "Write a line.toml to start from.",
    "check": "Check a line's file, its plugins, database and model, without serving.",
    "serve": "Run one or several lines.",
    "inspect": "Inspect image files with a model and print the verdicts.",
    "status": "Show how a line is: its ledger, sinks, plugins, alarms.",
    "reload": "Have a line go on with a new version of its file.",
    "journal": "List and replay what a line could not deliver.",
    "send": "Send image files to a line over ZeroMQ.",
    "keys": "Make and show the keys of ZeroMQ senders and lines.",
    "simulate": "Draw a folder of simulated steel, clean and with defects.",
    "history": "Query the defect history.",
    "plugins": "List the plugins, or show one with its options.",
    "db": "Look after the history's database.",
    "train": "Train a model from a folder of classes.",
    "evaluate": "Measure a model on a folder of classes.",
    "export": "Make a model's TFLite files again, and measure them.",
}


class LazyGroup(click.Group):
    """Knows its commands by name, and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of a line's life, then those of other distributions."""
        names = _installed()
        return [name for name in SUMMARIES if name in names] + sorted(set(names) - set(SUMMARIES))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        entry = _installed().get(cmd_name)
        if entry is None:
            return None
        command = load(entry, f"`linecore {cmd_name}`")
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant, or suggest the nearest."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            raise click.UsageError(error.message + (f" Did you mean {near[0]!r}?" if near else ""), ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands with their summaries, without importing one."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, SUMMARIES.get(name, "")) for name in self.list_commands(ctx)])


def _installed() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("linecore"), prog_name="linecore")
def linecore() -> None:
    """Surface inspection on production lines: frames in, verdicts and heat maps out, nothing lost unseen."""


def main() -> None:
    """Run the command line; an error of the user's is one sentence and exit code 2."""
    try:
        linecore.main(standalone_mode=False)
    except LinecoreError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Aborted.", err=True)
        sys.exit(130)
