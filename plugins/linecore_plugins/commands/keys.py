"""``linecore keys``: the keys of lines and senders that talk over ZeroMQ."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from linecore.errors import ConfigError
from linecore_plugins.zmq.keys import KeyPair, read_public


@click.group(epilog="Example: linecore keys new left-camera")
def keys() -> None:
    """Make and show the keys of ZeroMQ senders and lines."""


@keys.command(epilog="Example: linecore keys new left-camera")
@click.argument("name")
def new(name: str) -> None:
    """Make a key pair: NAME.secret, for its owner alone, and NAME.public, for the other side.

    One for the line, and one for each sender. NAME may stand in a folder; existing files are never overwritten.
    """
    path = Path(name)
    if not path.name or not path.name.isprintable() or any(char in path.name for char in '" '):
        raise ConfigError(f"the name is {name!r}; it must be one printable word, perhaps after a folder")
    pair = KeyPair.new()
    secret, public = pair.write(path, path.name)
    click.echo(pair.public)
    # What follows is for a person; the key alone on stdout is for a script.
    click.echo(
        f"""
{secret} stays here; nobody else may have it.

For the line:      [plugins.zmq]
                   secret_key = "{secret.name}"
                   allowed_keys = "senders.keys"
  and every sender gets {public.name}.

For a sender:      linecore send ADDRESS IMAGE... --key {shlex.quote(secret.name)} --server-key LINE.public
  and the line gets {public.name}: cat {shlex.quote(public.name)} >> senders.keys""",
        err=True,
    )


@keys.command(epilog="Example: linecore keys show left-camera.secret")
@click.argument("file", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """Print the public key of NAME.secret or NAME.public; the secret one is never shown."""
    if not file.exists():
        raise ConfigError(f"the key file {file} does not exist; `linecore keys new NAME` makes one")
    click.echo(read_public(str(file)))
