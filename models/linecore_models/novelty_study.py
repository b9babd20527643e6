"""``make novelty``: the ways to measure novelty side by side, on what chooses and judges nothing afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from linecore.inspection import Image
from linecore_models.answers import Ask, open_runner
from linecore_models.box_files import with_boxes
from linecore_models.bundle import find_bundle, load_bundle
from linecore_models.dataset import read_folders
from linecore_models.good_steel import with_good_steel
from linecore_models.novelty import Looks
from linecore_models.novelty_fit import fit_novelty
from linecore_models.novelty_learning import drawn_surfaces, drawn_to_teach, others_to_teach, told_apart
from linecore_models.novelty_methods import SERVED, WITH_SPECTRUM, Seen, compare
from linecore_models.parts import division_of
from linecore_models.separation import Separation, separation_of
from linecore_models.stress import looks
from linecore_models.surfaces import photographs_to_choose_by


def study_table(found: Mapping[str, Mapping[str, Separation]]) -> Table:
    """Return the methods by their mean AUROC over the families, the best first, and false alarms at 95 % caught."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), title="AUROC, mean and worst family", title_justify="left")
    for name in ("method", "mean", "worst", "family", "false alarms"):
        table.add_column(name, justify="left" if name in ("method", "family") else "right")
    for method, families in sorted(found.items(), key=lambda item: -_mean(item[1])):
        family, worst = min(families.items(), key=lambda item: item[1].auroc)
        alarms = np.mean([one.false_positive_rate for one in families.values()])
        name = f"[bold]{method}[/bold]" if method == SERVED else method
        table.add_row(name, f"{_mean(families):.4f}", f"{worst.auroc:.4f}", family, f"{alarms:.1%}")
    return table


def _mean(families: Mapping[str, Separation]) -> float:
    return float(np.mean([one.auroc for one in families.values()]))


def _seen(ask: Ask, squares: Image, bias: np.typing.NDArray[np.float64]) -> Seen:
    answers = ask(squares)
    return Seen(answers.embedding, (answers.class_maps.mean(axis=(1, 2)) + bias).astype(np.float32))


@click.command()
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--boxes", multiple=True, type=click.Path(path_type=Path), help="Where the defects lie.")
@click.option("--model", default="neu", show_default=True, help="A bundled model, or the folder of your own.")
def study(data: tuple[Path, ...], boxes: tuple[Path, ...], model: str) -> None:
    """Compare ways to measure novelty on DATA, the folders that the model was trained on."""
    bundle = load_bundle(find_bundle(model, Path()))
    manifest = bundle.manifest
    division = division_of(with_boxes(read_folders(data), *boxes), manifest)
    if manifest.pass_labels:
        division = with_good_steel(division, manifest.pass_labels[0], manifest.data.spread)
    ask = open_runner(bundle, bundle.servable()[0])
    bias = np.array([manifest.bias[label] for label in manifest.labels])
    squares, truth = looks(drawn_to_teach(division.train, manifest.split.seed), manifest, manifest.split.seed)
    known, _ = looks(division.validation, manifest, manifest.split.seed)
    photographs = manifest.preprocessing.squares(photographs_to_choose_by())
    novel = {**drawn_surfaces(manifest), "photographs": photographs}
    of_taught, of_known, *of_novel = (_seen(ask, frames, bias) for frames in (squares, known, *novel.values()))
    found = compare(of_taught, truth, of_known, dict(zip(novel, of_novel, strict=True)))
    taught_looks, known_looks, *novel_looks = (
        Looks.of(seen.embedding, frames)
        for seen, frames in zip((of_taught, of_known, *of_novel), (squares, known, *novel.values()), strict=True)
    )
    surfaces = dict(zip(novel, novel_looks, strict=True))
    alone = fit_novelty(taught_looks, truth, known_looks)
    found[WITH_SPECTRUM] = {
        family: separation_of(alone.distances(known_looks), alone.distances(seen)) for family, seen in surfaces.items()
    }
    found[SERVED] = told_apart(alone, taught_looks, known_looks, others_to_teach(ask, manifest), surfaces)
    Console().print(study_table(found))


if __name__ == "__main__":
    study()
