"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path

import click

unknown_to_learn = click.option(
    "--unknown",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder with images of other surfaces that a line may see, such as paper or a glove: novelty learns them. May "
    "be given again.",
)
