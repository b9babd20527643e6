"""``linecore train`` and ``linecore evaluate``. TensorFlow is imported where it is needed, and not to show help."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

import click
from rich.console import Console

from linecore.clock import SystemClock
from linecore.errors import ConfigError
from linecore_models.answers import Runner
from linecore_models.bundle import MANIFEST, find_bundle, load_bundle
from linecore_models.card import Card, read_card
from linecore_models.dataset import SPLIT_METHODS, SplitMethod, read_folders
from linecore_models.inquiry import PARTS, Part, evaluate_bundle, of_part
from linecore_models.manifest import Resize, VariantName
from linecore_models.quiet import load_tensorflow
from linecore_models.tables import confusion_table, score_sentence, variants_table

VARIANTS: tuple[VariantName, ...] = get_args(VariantName)
RUNNERS: tuple[Runner, ...] = (*VARIANTS, "keras")
WRITTEN = (MANIFEST, "training.csv", "model.keras", *(f"model.{variant}.tflite" for variant in VARIANTS))
"""What `linecore train` writes, and --force takes away."""


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new bundle.  [default: runs/NAME]")
@click.option("--name", help="What the model is called.  [default: the first data folder's name]")
@click.option("--version", default="1", show_default=True, help="Version of the model.")
@click.option("--card", type=click.Path(path_type=Path), help="TOML file with licence, limits and sources.")
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="Of the backbone: 'imagenet' (downloaded), the PATH of a file, or 'none' (random, and trained as well).",
)
@click.option("--alpha", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Width of MobileNetV2.")
@click.option("--input-size", type=click.IntRange(32, 1024), default=224, show_default=True, help="Pixels a side.")
@click.option("--resize", type=click.Choice(get_args(Resize)), default="linear", show_default=True, help="How.")
@click.option("--epochs", type=click.IntRange(min=1), default=30, show_default=True, help="At most.")
@click.option("--patience", type=click.IntRange(min=1), default=10, show_default=True, help="Epochs without progress.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=5e-3, show_default=True)
@click.option("--dropout", type=click.FloatRange(0, 1, max_open=True), default=0.2, show_default=True)
@click.option(
    "--split",
    type=click.Choice(SPLIT_METHODS),
    default="blocks",
    show_default=True,
    help="Hold out blocks of neighbouring files, or files at random.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--pass-label", "pass_labels", multiple=True, help="Class of good product, if any.  [default: ok]")
@click.option(
    "--weight",
    "folder_weights",
    type=(str, click.FloatRange(min=0, min_open=True)),
    multiple=True,
    metavar="FOLDER FACTOR",
    help="How much the images of a data folder count; 1 unless given.",
)
@click.option("--variants", default=",".join(VARIANTS), show_default=True, help="TFLite files that the bundle holds.")
@click.option("--keras/--no-keras", "with_keras", default=True, help="Whether the bundle holds the Keras model.")
@click.option("--force", is_flag=True, help="Replace the bundle that is in OUT.")
def train(
    data: tuple[Path, ...],
    out: Path | None,
    name: str | None,
    version: str,
    card: Path | None,
    weights: str,
    alpha: float,
    input_size: int,
    resize: Resize,
    epochs: int,
    patience: int,
    batch_size: int,
    learning_rate: float,
    dropout: float,
    split: SplitMethod,
    seed: int,
    pass_labels: tuple[str, ...],
    folder_weights: tuple[tuple[str, float], ...],
    variants: str,
    with_keras: bool,
    force: bool,
) -> None:
    """Train a model on DATA, folders that hold a folder of images for each class, and write a bundle.

    15 % of each class validate, 15 % test the model; model.json names them. Each TFLite file is measured against the
    Keras model before it may be served.

    \b
    Example:
      linecore train photos --name hot-strip-1
      linecore train photos --weights mobilenet_v2.weights.h5 --variants int8 --no-keras --out models/hot-strip-1
    """
    chosen = _variants(variants)
    written = read_card(card) if card else Card()
    images = read_folders(data)
    known = {image.label for image in images}
    if strange := [label for label in pass_labels if label not in known]:
        raise ConfigError(
            f"--pass-label is {strange[0]!r}, which is no class of the data; it has {', '.join(sorted(known))}"
        )
    sources = {image.source for image in images}
    if strange := [folder for folder, _ in folder_weights if folder not in sources]:
        raise ConfigError(
            f"--weight names {strange[0]!r}, which is no data folder; there is {', '.join(sorted(sources))}"
        )
    name = name or data[0].resolve().name
    out = _empty_folder(out or Path("runs") / name, force=force)
    load_tensorflow("`linecore train`")
    from linecore_models.making import Order, make_bundle
    from linecore_models.progress import TrainingProgress
    from linecore_models.training import Recipe

    recipe = Recipe(
        weights=weights,
        alpha=alpha,
        input_size=input_size,
        epochs=epochs,
        patience=patience,
        batch_size=batch_size,
        learning_rate=learning_rate,
        dropout=dropout,
        seed=seed,
    )
    order = Order(
        name=name,
        version=version,
        card=written,
        pass_labels=pass_labels or ("ok",),
        folder_weights=dict(folder_weights),
        split=split,
        resize=resize,
        variants=chosen,
        with_keras=with_keras,
    )
    console = Console()
    with TrainingProgress(console, epochs) as progress:
        manifest = make_bundle(data, out, order, recipe, watcher=progress, now=SystemClock().now())
    for folder, score in manifest.metrics["test"].folders.items():
        console.print(f"test, {folder}: {score_sentence(score)}", highlight=False, soft_wrap=True)
    console.print(confusion_table(manifest.metrics["test"], manifest.labels))
    console.print(variants_table(manifest.variants))
    if not manifest.pass_labels:
        console.print(
            "no class is good product: the model knows defects only, and every frame gets one", highlight=False
        )
    console.print(f"bundle in {out}", highlight=False, soft_wrap=True)


@click.command()
@click.argument("bundle")
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--split",
    "part",
    type=click.Choice(PARTS),
    default="test",
    show_default=True,
    help="Which of the images: those that model.json names for it, or all.",
)
@click.option("--variant", type=click.Choice(RUNNERS), help="Which of the model's files.  [default: the first served]")
@click.option("--against", type=click.Choice(RUNNERS), help="Count also how often this one says the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def evaluate(
    context: click.Context,
    bundle: str,
    data: tuple[Path, ...],
    part: Part,
    variant: Runner | None,
    against: Runner | None,
    as_json: bool,
) -> None:
    """Measure BUNDLE, a bundled model or a folder, on DATA, folders that hold a folder of images for each class.

    \b
    Example:
      linecore evaluate neu photos/neu
      linecore evaluate runs/hot-strip-1 photos --split all --variant int8 --against keras
    """
    loaded = load_bundle(find_bundle(bundle, Path()))
    images = of_part(part, read_folders(data), loaded.manifest)
    found = evaluate_bundle(loaded, variant, images, part=part, against=against)
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    console = Console()
    console.print(f"{found.model} {found.version}, {found.variant}, {found.split}", highlight=False, soft_wrap=True)
    for folder, score in found.metrics.folders.items():
        console.print(f"{folder}: {score_sentence(score)}", highlight=False, soft_wrap=True)
    console.print(confusion_table(found.metrics, loaded.manifest.labels))
    if found.agreement:
        console.print(
            f"{found.variant} and {found.against} say the same of {found.agreement.agree} of {found.agreement.of}",
            highlight=False,
            soft_wrap=True,
        )


def _variants(text: str) -> tuple[VariantName, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names or [text]:
        if name not in VARIANTS:
            raise ConfigError(f"--variants names {name!r}; it takes {', '.join(VARIANTS)}, separated by commas")
    return tuple(cast(VariantName, name) for name in dict.fromkeys(names))


def _empty_folder(out: Path, *, force: bool) -> Path:
    """Make the folder for a bundle, or take an older bundle out of it."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out is '{out}', which is a file; name a folder")
    old = [out / name for name in WRITTEN if (out / name).exists()]
    if old and not force:
        raise ConfigError(
            f"--out is '{out}', which holds a model already; name a new folder, or replace it with --force"
        )
    for path in old:
        path.unlink()
    out.mkdir(parents=True, exist_ok=True)
    return out
