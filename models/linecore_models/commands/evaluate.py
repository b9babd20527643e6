"""``linecore evaluate``. What measures and draws is imported where it is needed, and not to show help."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click
from rich.console import Console

from linecore.clock import SystemClock
from linecore.commands.finite import FiniteRange
from linecore.errors import ConfigError, MissingExtraError
from linecore_models.answers import Runner
from linecore_models.bundle import find_bundle, load_bundle
from linecore_models.dataset import read_folders
from linecore_models.manifest import VariantName
from linecore_models.measurements import Part
from linecore_models.measuring import MeasuringProgress

COST = FiniteRange(min=0)
RUNNERS: tuple[Runner, ...] = (*get_args(VariantName), "keras")


@click.command()
@click.argument("bundle")
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--split",
    "part",
    type=click.Choice(get_args(Part)),
    default="test",
    show_default=True,
    help="Which of the images: those that model.json names for it, or all.",
)
@click.option("--variant", type=click.Choice(RUNNERS), help="Which of the model's files.  [default: the first served]")
@click.option("--against", type=click.Choice(RUNNERS), help="Count also how often this one says the same.")
@click.option(
    "--boxes",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Where the defects lie: a CSV file, or a folder of Pascal VOC files; measures where heat maps point. May be "
    "given for each data folder.",
)
@click.option("--stress", is_flag=True, help="Measure also under the conditions of a line.")
@click.option("--heat-maps", is_flag=True, help="Measure also whether answers rest on what heat maps show.")
@click.option(
    "--unknown",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder with images of other surfaces: measure whether the model notices. May be given again.",
)
@click.option("--cost-escape", type=COST, default=100, show_default=True, help="What a defect that passes costs.")
@click.option("--cost-overkill", type=COST, default=1, show_default=True, help="What good product rejected costs.")
@click.option("--cost-review", type=COST, default=2, show_default=True, help="What a person's look costs.")
@click.option(
    "--defect-share",
    type=FiniteRange(0, 1),
    help="How many of a line's frames have a defect.  [default: as in the images]",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write a page for people, and metrics.json beside it.")
@click.option("--json", "as_json", is_flag=True, help="Print metrics.json.")
def evaluate(
    bundle: str,
    data: tuple[Path, ...],
    part: Part,
    variant: Runner | None,
    against: Runner | None,
    boxes: tuple[Path, ...],
    stress: bool,
    heat_maps: bool,
    unknown: tuple[Path, ...],
    cost_escape: float,
    cost_overkill: float,
    cost_review: float,
    defect_share: float | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Measure BUNDLE, a bundled model or a folder, on DATA, folders that hold a folder of images for each class.

    \b
    Example:
      linecore evaluate neu photos/neu
      linecore evaluate runs/hot-strip-1 photos --split all --variant int8 --against keras
      linecore evaluate runs/hot-strip-1 photos --stress --boxes boxes.csv --unknown pcb --report report.html
    """
    loaded = load_bundle(find_bundle(bundle, Path()))
    images = read_folders(data)
    if report is not None:
        _require_writable(report)
    try:
        from linecore_models.inquiry import Inquiry, evaluate_bundle
        from linecore_models.summary import print_measurements
        from linecore_models.thresholds import Costs

        if report is not None:
            from linecore_models.report import write_report
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"`linecore evaluate` needs {error.name}: pip install 'linecore[train]'") from None
    if boxes:
        from linecore_models.box_files import with_boxes

        images = with_boxes(images, *boxes)
    inquiry = Inquiry(
        part,
        variant,
        against,
        stress=stress,
        heat_maps=heat_maps,
        unknown=unknown,
        costs=Costs(cost_escape, cost_overkill, cost_review),
        defect_share=defect_share,
        integrity=report is not None,
    )
    with MeasuringProgress(Console(stderr=True)) as progress:
        found, exhibits = evaluate_bundle(loaded, images, inquiry, clock=SystemClock(), watch=progress)
    if report is not None:
        write_report(report, found, exhibits)
        (report.parent / "metrics.json").write_text(found.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if as_json:
        click.echo(found.model_dump_json(indent=2))
        return
    console = Console()
    print_measurements(console, found)
    if report is not None:
        console.print(f"report in {report}", highlight=False, soft_wrap=True)


def _require_writable(report: Path) -> None:
    """Refuse before minutes of measuring what cannot be written after them."""
    if report.is_dir():
        raise ConfigError(f"--report is '{report}', which is a folder; name a file in it: {report / 'report.html'}")
    if not report.absolute().parent.is_dir():
        raise ConfigError(f"--report is '{report}', but there is no folder {report.parent}; make it first")
