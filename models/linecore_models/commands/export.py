"""``linecore export``. TensorFlow is imported where it is needed, and not to show help."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
from rich.console import Console

from linecore.errors import ConfigError
from linecore_models.bundle import MANIFEST, find_bundle, load_bundle
from linecore_models.card import read_card
from linecore_models.commands.options import unknown_to_learn
from linecore_models.commands.telling import tell_forgotten, tell_trust
from linecore_models.dataset import read_folders
from linecore_models.manifest import VariantName
from linecore_models.other_surfaces import read_unknown
from linecore_models.quiet import load_tensorflow
from linecore_models.tables import variants_table

VARIANTS: tuple[VariantName, ...] = get_args(VariantName)


@click.command()
@click.argument("bundle")
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--boxes",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The boxes that it was trained with: a CSV file or a folder. May be given again.",
)
@unknown_to_learn
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new bundle.  [default: BUNDLE itself]")
@click.option(
    "--variant",
    "variants",
    type=click.Choice(VARIANTS),
    multiple=True,
    help="TFLite file that the bundle shall hold; may be given several times.  [default: all]",
)
@click.option(
    "--card",
    type=click.Path(path_type=Path),
    help="TOML file with licence, limits and sources, in place of the old.",
)
@click.option("--keras/--no-keras", "with_keras", default=True, help="Whether it shall hold the Keras model.")
def export(
    bundle: str,
    data: tuple[Path, ...],
    boxes: tuple[Path, ...],
    unknown: tuple[Path, ...],
    out: Path | None,
    variants: tuple[VariantName, ...],
    card: Path | None,
    with_keras: bool,
) -> None:
    """Make the TFLite files of BUNDLE again from its Keras model, and measure each against it.

    DATA are the folders that it was trained on: training frames set the ranges of the int8 numbers, validation and test
    frames measure. A file that answers too differently is marked in model.json, and no line serves it.

    \b
    Example:
      linecore export runs/hot-strip-1 photos
      linecore export runs/hot-strip-1 photos --boxes boxes.csv --variant int8 --no-keras --out models/hot-strip-1
    """
    loaded = load_bundle(find_bundle(bundle, Path()))
    loaded.verified_keras()
    out = out or loaded.folder
    if out.resolve() != loaded.folder.resolve() and (out / MANIFEST).exists():
        raise ConfigError(f"--out is '{out}', which holds a model already; name a new folder")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out is '{out}', which is a file; name a folder")
    if out.resolve() == loaded.folder.resolve() and not with_keras:
        raise ConfigError("--no-keras would leave the bundle without what it is exported from; name another --out")
    written = read_card(card) if card else None
    console = Console()
    others = read_unknown(unknown, data)
    tell_forgotten(console, loaded.manifest, others)
    images = read_folders(data)
    if boxes:
        from linecore_models.box_files import with_boxes

        images = with_boxes(images, *boxes)
    load_tensorflow("`linecore export`")
    from linecore_models.reexport import export_again

    out.mkdir(parents=True, exist_ok=True)
    manifest = export_again(
        loaded, images, out, variants=variants or VARIANTS, with_keras=with_keras, card=written, unknown=others
    )
    console.print(variants_table(manifest.variants))
    tell_trust(console, manifest, others)
    console.print(f"bundle in {out}", highlight=False, soft_wrap=True)
