"""``linecore train``. TensorFlow is imported where it is needed, and not to show help."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from click.core import ParameterSource
from rich.console import Console

from linecore.clock import SystemClock
from linecore.commands.finite import FiniteRange
from linecore_models.card import Card, read_card
from linecore_models.commands.duration import Duration
from linecore_models.commands.options import unknown_to_learn
from linecore_models.commands.requirements import (
    VARIANTS,
    require_beginning,
    require_classes,
    require_spread_is_mined,
    run_folder,
    taken_over,
    teachers_in,
    variants_of,
)
from linecore_models.commands.telling import shown_on, tell_forgotten, tell_made
from linecore_models.division import HELD_OUT
from linecore_models.other_surfaces import read_unknown
from linecore_models.preprocessing import Resize
from linecore_models.quiet import load_tensorflow
from linecore_models.recipe import Recipe

if TYPE_CHECKING:
    from linecore_models.machines import Machines

DEFAULT = Recipe()


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the new bundle.  [default: runs/NAME]")
@click.option("--name", help="What the model is called.  [default: the first data folder's name]")
@click.option("--version", default="1", show_default=True, help="Version of the model.")
@click.option("--card", type=click.Path(path_type=Path), help="TOML file with licence, limits and sources.")
@click.option(
    "--boxes",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the defects lie: a CSV file, or a folder of Pascal VOC files. May be given for each data folder.",
)
@unknown_to_learn
@click.option(
    "--split",
    default="blocks",
    show_default=True,
    help="Hold out 'blocks' of neighbouring files, files at 'random', or the groups of a table, FILE.csv:COLUMN.",
)
@click.option(
    "--validation-share",
    type=FiniteRange(0, HELD_OUT, min_open=True),
    default=HELD_OUT,
    show_default=True,
    help="Share of each class that validates, at most the usual one; what it leaves of that teaches. What tests stays "
    "the same.",
)
@click.option("--pass-label", "pass_labels", multiple=True, help="Class of good product, if any.  [default: ok]")
@click.option(
    "--mine-good/--no-mine-good",
    "good_steel",
    default=True,
    help="Where there are boxes and no images of good product, take what lies outside of all boxes for it, or do not.",
)
@click.option(
    "--spread",
    multiple=True,
    metavar="CLASS",
    help="Take no good product from images of this class: its boxes leave out what looks the same. May be repeated.",
)
@click.option(
    "--weight",
    "folder_weights",
    type=(str, FiniteRange(min=0, min_open=True)),
    multiple=True,
    metavar="FOLDER FACTOR",
    help="How much the images of a data folder count; 1 unless given.",
)
@click.option(
    "--per-epoch",
    type=(str, click.IntRange(min=1)),
    multiple=True,
    metavar="FOLDER[/CLASS] N",
    help="Draw at most N images of a data folder, or of a class in it, for each epoch.",
)
@click.option(
    "--weights",
    default="imagenet",
    show_default=True,
    help="Of the backbone: 'imagenet' (downloaded), the PATH of a file, or 'none' (random, and trained as well). Or of "
    "a finished model to begin from: the name of a bundled one, or its folder; width, input size, resize rule and "
    "contrast are its own then, unless given.",
)
@click.option(
    "--teacher",
    "teachers",
    multiple=True,
    metavar="BUNDLE",
    help="A finished model, whose answers are learnt beside the truth; of several, their mean. Takes longer.",
)
@click.option("--alpha", type=FiniteRange(min=0.1), default=1.0, show_default=True, help="Width of MobileNetV2.")
@click.option(
    "--prune",
    type=FiniteRange(0, 1, max_open=True),
    default=DEFAULT.prune,
    show_default=True,
    help="Take channels out of the finished model that --weights names before it learns, those that matter least for "
    "what they cost, until this share of the cost is gone.",
)
@click.option(
    "--input-size",
    type=click.IntRange(32, 1024),
    default=DEFAULT.input_size,
    show_default=True,
    help="Pixels a side; a multiple of 32 is exact.",
)
@click.option("--resize", type=click.Choice(get_args(Resize)), default=DEFAULT.resize, show_default=True, help="How.")
@click.option(
    "--even-contrast",
    type=FiniteRange(0, 1),
    default=DEFAULT.even_contrast,
    show_default=True,
    help="How far every frame is brought to the same contrast, so that light may change: 0 leaves it, 1 evens it out.",
)
@click.option(
    "--head-epochs",
    type=click.IntRange(min=1),
    default=DEFAULT.head_epochs,
    show_default=True,
    help="With the backbone frozen.",
)
@click.option(
    "--fine-tune-epochs",
    type=click.IntRange(min=0),
    default=DEFAULT.fine_tune_epochs,
    show_default=True,
    help="With the backbone learning too, at most. 0 is quick, and weak under line conditions.",
)
@click.option(
    "--time-budget", type=Duration(), help="Plan the epochs so that training ends in time, like 90s, 30m, 2h."
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=DEFAULT.patience,
    show_default=True,
    help="Epochs of fine-tuning without progress, then it stops.",
)
@click.option("--batch-size", type=click.IntRange(min=1), default=DEFAULT.batch_size, show_default=True)
@click.option(
    "--head-rate",
    type=FiniteRange(min=0, min_open=True),
    default=DEFAULT.head_rate,
    show_default=True,
    help="Learning rate of the head, at the start.",
)
@click.option(
    "--fine-tune-rate",
    type=FiniteRange(min=0, min_open=True),
    default=DEFAULT.fine_tune_rate,
    show_default=True,
    help="Learning rate of the backbone, when it begins to learn.",
)
@click.option(
    "--box-weight",
    type=FiniteRange(min=0),
    default=DEFAULT.box_weight,
    show_default=True,
    help="How much class maps that miss their boxes count, cell by cell, beside the label.",
)
@click.option(
    "--overlap-weight",
    type=FiniteRange(min=0),
    default=DEFAULT.overlap_weight,
    show_default=True,
    help="How much their overlap with the boxes counts.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--variants", default=",".join(VARIANTS), show_default=True, help="TFLite files that the bundle holds.")
@click.option("--keras/--no-keras", "with_keras", default=True, help="Whether the bundle holds the Keras model.")
@click.option("--force", is_flag=True, help="Replace the bundle that is in OUT.")
@click.option("--resume", is_flag=True, help="Go on with the run in OUT that was killed, with the same options.")
def train(
    data: tuple[Path, ...],
    out: Path | None,
    name: str | None,
    version: str,
    card: Path | None,
    boxes: tuple[Path, ...],
    unknown: tuple[Path, ...],
    teachers: tuple[str, ...],
    split: str,
    validation_share: float,
    pass_labels: tuple[str, ...],
    good_steel: bool,
    spread: tuple[str, ...],
    folder_weights: tuple[tuple[str, float], ...],
    per_epoch: tuple[tuple[str, int], ...],
    variants: str,
    with_keras: bool,
    force: bool,
    resume: bool,
    **recipe: Any,
) -> None:
    """Train a model on DATA, folders that hold a folder of images for each class, and write a bundle.

    First the head learns, then the whole network, under the noise, blur, light and compression of a line. 15 % of each
    class test the model, and 15 % validate it unless --validation-share says less; model.json names them. Each TFLite
    file is measured against the Keras model before it may be served.

    \b
    Example:
      linecore train photos --name hot-strip-1
      linecore train photos --boxes boxes.csv --weights mobilenet_v2.weights.h5 --time-budget 30m
      linecore train photos --name hot-strip-1 --resume
    """
    chosen = variants_of(variants)
    written = read_card(card) if card else Card()
    require_classes(data, "--pass-label", pass_labels[1:] if boxes and good_steel else pass_labels)
    require_spread_is_mined(data, spread, pass_labels or ("ok",), mined=bool(boxes) and good_steel)
    name = name or data[0].resolve().name
    out = out or Path("runs") / name
    others = read_unknown(unknown, data)
    if finished := require_beginning(str(recipe["weights"]), out, prune=recipe["prune"]):
        tell_forgotten(Console(), finished, others)
        recipe |= {key: value for key, value in taken_over(finished).items() if not _said(key)}
    teaching = teachers_in(teachers, out, recipe["even_contrast"])
    replaced = run_folder(out, force=force, resume=resume)
    machines = _machines()
    from linecore_models.machines import device_sentence
    from linecore_models.making import make_bundle
    from linecore_models.material import Order
    from linecore_models.progress import TrainingProgress
    from linecore_models.run_folder import RunFolder
    from linecore_models.training import Surroundings

    order = Order(
        name=name,
        version=version,
        card=written,
        folders=data,
        boxes=boxes,
        split=split,
        validation_share=validation_share,
        pass_labels=pass_labels or ("ok",),
        good_steel=good_steel,
        spread=spread,
        folder_weights=dict(folder_weights),
        per_epoch=dict(per_epoch),
        variants=chosen,
        with_keras=with_keras,
        unknown=others,
        teachers=teaching,
    )
    console = Console()
    console.print(device_sentence(machines), highlight=False)
    with TrainingProgress(console) as progress:
        run = RunFolder(out, machines.chief, replaced)
        around = Surroundings(run, progress, time.monotonic, machines, resume and not replaced)
        manifest = make_bundle(order, Recipe(**recipe), out, around, SystemClock().now(), shown_on(console))
    if manifest is None:
        console.print("done; the first of the machines writes the bundle", highlight=False)
        return
    tell_made(console, manifest, others)
    console.print(f"bundle in {out}", highlight=False, soft_wrap=True)


def _said(option: str) -> bool:
    """Whether it stands on the command line."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def _machines() -> Machines:
    """Load TensorFlow, and wait for the other machines that TF_CONFIG lists."""
    joined: list[Machines] = []

    def join() -> None:
        from linecore_models.machines import join_machines

        joined.append(join_machines())

    load_tensorflow("`linecore train`", first=join)
    return joined[0]
