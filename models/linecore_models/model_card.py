"""``make card``: measures the bundled model on steel that it has never seen, and writes the figures into its card.

The aims are written down here, so that a page cannot be kinder than they are.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console

from linecore.clock import SystemClock
from linecore_models.box_files import with_boxes
from linecore_models.bundle import Bundle, find_bundle, load_bundle
from linecore_models.charts import novelty_chart, ranking_chart, reliability_chart, thresholds_chart
from linecore_models.conclusions import k_of_n, percent
from linecore_models.dataset import read_folders
from linecore_models.exhibits import Exhibits
from linecore_models.inquiry import Inquiry, evaluate_bundle
from linecore_models.marked_page import write_marked
from linecore_models.measurements import HeatMaps, Measurements, Novelty, Proportion, Stress, Thresholds
from linecore_models.measuring import MeasuringProgress
from linecore_models.readings import read_readings, rejected_by_reading
from linecore_models.surfaces import write_surfaces

HARDEST = 12
"""Frames that a card names, of those that are wrong under some condition."""


@dataclass(frozen=True, slots=True)
class Row:
    """A figure, what it should be, and whether it is."""

    measure: str
    figure: str
    aim: str
    met: bool


def headline(found: Measurements, drawn: Measurements) -> Iterator[Row]:
    """Yield what the model was made to reach, from its figures on real steel and on *drawn* frames."""
    below = "... where a person looks below the bundle's min_confidence"
    right = Proportion.of(found.metrics.correct, found.metrics.of)
    yield _least("six-class accuracy, clean", right.share, 0.997, k_of_n(right))
    if stress := found.stress:
        conditions = f"mean over {len(stress.rows)} line conditions"
        yield _least(conditions, stress.mean, 0.993, percent(stress.mean))
        yield _least(
            f"worst condition: {stress.worst}", stress.worst_accuracy.share, 0.98, k_of_n(stress.worst_accuracy)
        )
    if found.escapes:
        yield _most("escapes: defects called good, clean", found.escapes, 0.003)
        if found.stress and found.stress.clean.passed:
            yield _most(below, found.stress.clean.passed, 0.003)
    if found.stress and found.stress.escapes and found.stress.passed:
        yield _most("escapes under line conditions", found.stress.escapes, 0.01)
        yield _most(below, found.stress.passed, 0.01)
    if found.good_steel:
        yield _most("overkill on box-free real steel", found.good_steel.overkill, 0.02)
        if elsewhere := found.good_steel.elsewhere:
            yield _most(f"... without images of {' and '.join(found.good_steel.spread)}", elsewhere, 0.02)
        if found.good_steel.rejected:
            yield _most(below, found.good_steel.rejected, 0.02)
    ece = found.calibration.ece
    yield Row("expected calibration error", f"{ece:.4f}", "≤ 0.02", ece <= 0.02)
    if found.good_steel:
        ece = found.good_steel.ece
        yield Row("... with the box-free steel", f"{ece:.4f}", "≤ 0.02", ece <= 0.02)
    if agreement := found.agreement:
        same = Proportion.of(agreement.agree, agreement.of)
        yield _least(f"same label as {found.against}", same.share, 0.995, k_of_n(same))
    if novelty := found.novelty:
        auroc = novelty.together.auroc
        yield Row("novelty, AUROC against other surfaces", f"{auroc:.4f}", "≥ 0.99", auroc >= 0.99)
    if found.heat_maps and (maps := found.heat_maps.mean):
        hits = f" ({found.heat_maps.hits.k} of {found.heat_maps.hits.n} frames)" if found.heat_maps.hits else ""
        yield _least("pointing game, mean over classes", maps.hit, 0.98, f"{maps.hit:.3f}{hits}")
        yield _least("energy in the boxes, mean over classes", maps.energy, 0.8, f"{maps.energy:.3f}")
        yield _least("IoU of the regions and the boxes, mean over classes", maps.mask_iou, 0.72, f"{maps.mask_iou:.3f}")
    recognised = Proportion.of(drawn.metrics.correct, drawn.metrics.of)
    yield _least("frames of the simulator, from a new seed", recognised.share, 0.95, k_of_n(recognised))


def card(
    found: Measurements,
    drawn: Measurements,
    charts: Sequence[tuple[str, str]],
    by_reading: Mapping[str, Proportion],
) -> str:
    """Return the figures as Markdown.

    *charts* are pairs of a picture's path and what it shows; *by_reading* says how many of the box-free windows are
    called a defect, by what was seen on them.
    """
    parts = [
        f"`{found.model}` {found.version}, {found.variant}, file {found.sha256[:12]}, measured on "
        f"{found.metrics.of} real frames that taught it nothing and chose none of its numbers.",
        _table(
            ("measure", "figure", "aim", "met"),
            ((row.measure, row.figure, row.aim, "yes" if row.met else "**no**") for row in headline(found, drawn)),
        ),
        "### By class",
        _table(
            ("class", "found", "recall", "precision", "F1", "AUC"),
            (
                (
                    label,
                    f"{round(one.recall * one.support)} of {one.support}",
                    percent(one.recall),
                    percent(one.precision),
                    percent(one.f1),
                    f"{found.curves[label].auc:.4f}" if label in found.curves else "-",
                )
                for label, one in found.metrics.per_class.items()
                if one.support
            ),
        ),
    ]
    if found.good_steel and found.good_steel.by_class:
        parts += [
            "### Box-free steel, by the class of the image around",
            _table(("class", "called a defect", ""), _shares(found.good_steel.by_class)),
        ]
    if by_reading:
        parts += [
            "### Box-free steel, by what a vision model saw on it",
            _table(("its two readings", "called a defect", ""), _shares(by_reading)),
        ]
    if found.heat_maps:
        parts += ["### Where heat maps point", _heat_maps(found.heat_maps)]
    if found.novelty:
        parts += ["### Other surfaces", _novelty(found.novelty)]
    if found.thresholds:
        parts += ["### What a threshold comes to", _served(found.thresholds)]
    if found.stress:
        parts += ["### Under the conditions of a line", _stress(found.stress)]
    parts += [f"![{shows}]({path})" for path, shows in charts]
    return "\n\n".join(parts)


def _shares(found: Mapping[str, Proportion]) -> Iterator[tuple[str, str, str]]:
    return ((name, f"{one.k} of {one.n}", percent(one.share)) for name, one in found.items())


def _least(measure: str, share: float, aim: float, figure: str) -> Row:
    return Row(measure, figure, f"≥ {_bound(aim)}", share >= aim)


def _most(measure: str, found: Proportion, aim: float) -> Row:
    return Row(measure, k_of_n(found), f"≤ {_bound(aim)}", found.share <= aim)


def _bound(share: float) -> str:
    return f"{100 * share:g} %"


def _heat_maps(maps: HeatMaps) -> str:
    rows = [*maps.labels.items(), *([("mean", maps.mean)] if maps.mean else [])]
    text = _table(
        ("class", "frames", "hottest point in a box", "energy in the boxes", "IoU of regions", "IoU of boxes", "luck"),
        (
            (
                label,
                str(one.images),
                *(f"{share:.3f}" for share in (one.hit, one.energy, one.mask_iou, one.box_iou, one.chance)),
            )
            for label, one in rows
        ),
    )
    if ablation := maps.ablation:
        text += (
            f"\n\nShowing the hottest pixels first, the area under the probability is {ablation.insertion:.3f} (in "
            f"random order {ablation.random_insertion:.3f}); hiding them first, {ablation.deletion:.3f} (random "
            f"{ablation.random_deletion:.3f}), on {ablation.images} frames."
        )
    if maps.randomised:
        first, last = maps.randomised[0], maps.randomised[-1]
        text += (
            f" With the head's weights shuffled, class maps correlate with the true ones by {first.correlation:.2f}, "
            f"with all {last.layers} layers' by {last.correlation:.2f}: they depend on what was learnt."
        )
    return text


def _novelty(novelty: Novelty) -> str:
    return f"Measured by: {novelty.method}.\n\n" + _table(
        (
            "surfaces",
            "pictures",
            "AUROC",
            "known frames called novel, 95 % of the others caught",
            "caught at the bundle's limit",
        ),
        (
            (
                one.folder,
                str(one.frames),
                f"{one.auroc:.4f}",
                f"{one.false_positives.k} of {one.false_positives.n}",
                f"{one.caught.k} of {one.caught.n}" if one.caught else "-",
            )
            for one in (*novelty.folders, novelty.together)
        ),
    )


def _served(thresholds: Thresholds) -> str:
    tried = thresholds.tried
    told = {"escapes": tried.escapes, "overkill": tried.overkill, "to a person": tried.reviewed}
    return (
        f"`min_confidence = {thresholds.chosen.min_confidence:g}` is cheapest on the real validation frames where an "
        f"escape costs {thresholds.escape_cost:g}, overkill {thresholds.overkill_cost:g} and a person's look "
        f"{thresholds.review_cost:g}. With it, clean test frames and box-free steel: "
        + ", ".join(f"{one.k} of {one.n} {name}" for name, one in told.items() if one)
        + "."
    )


def _stress(stress: Stress) -> str:
    table = _table(
        ("condition", "severity", "right", "", "escapes", "ECE"),
        (
            (
                row.condition,
                row.severity,
                f"{row.accuracy.k} of {row.accuracy.n}",
                percent(row.accuracy.share),
                str(row.escapes.k) if row.escapes else "-",
                f"{row.ece:.3f}",
            )
            for row in (stress.clean, *stress.rows)
        ),
    )
    if not stress.hardest:
        return table
    hardest = ", ".join(f"`{name}` under {count}" for name, count in list(stress.hardest.items())[:HARDEST])
    found = f"{len(stress.hardest)} of {stress.clean.accuracy.n}"
    return f"{table}\n\n{found} frames are wrong under some condition; the most often: {hardest}."


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _charts(found: Measurements, exhibits: Exhibits, page: Path) -> list[tuple[str, str]]:
    """Write the charts beside the page; they show figures and no picture of steel."""
    drawn = {
        "ranking": (ranking_chart(exhibits.curves), "ROC and precision-recall curves"),
        "reliability": (reliability_chart(found.calibration), "Reliability diagram"),
    }
    if found.thresholds:
        drawn["thresholds"] = (thresholds_chart(found.thresholds), "What comes of a threshold of confidence")
    if exhibits.known_distances is not None:
        drawn["novelty"] = (
            novelty_chart(exhibits.known_distances, exhibits.other_distances),
            "Novelty of known frames and of other surfaces",
        )
    folder = page.parent / page.stem
    folder.mkdir(exist_ok=True)
    for name, (svg, _) in drawn.items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return [(f"{folder.name}/{name}.svg", shows) for name, (_, shows) in drawn.items()]


def _drawn(bundle: Bundle, folder: Path, console: Console) -> Measurements:
    with MeasuringProgress(console) as progress:
        return evaluate_bundle(bundle, read_folders([folder]), Inquiry("all"), clock=SystemClock(), watch=progress)[0]


@click.command()
@click.argument("real", type=click.Path(path_type=Path))
@click.argument("simulated", type=click.Path(path_type=Path))
@click.option(
    "--boxes", required=True, type=click.Path(path_type=Path), help="Where the defects lie on the real frames."
)
@click.option("--unknown", multiple=True, type=click.Path(path_type=Path), help="Further folders of other surfaces.")
@click.option("--readings", type=click.Path(path_type=Path), help="What was seen on the box-free steel, as CSV.")
@click.option("--model", default="neu", show_default=True, help="A bundled model, or the folder of your own.")
@click.option("--page", required=True, type=click.Path(path_type=Path), help="Markdown page to write the figures into.")
def make_card(
    real: Path,
    simulated: Path,
    boxes: Path,
    unknown: tuple[Path, ...],
    readings: Path | None,
    model: str,
    page: Path,
) -> None:
    """Measure a model on REAL frames of its test part and on SIMULATED ones from a new seed."""
    seen = read_readings(readings) if readings else None
    bundle, console = load_bundle(find_bundle(model, Path())), Console(stderr=True)
    images = with_boxes(read_folders([real]), boxes)
    with tempfile.TemporaryDirectory() as folder:
        inquiry = Inquiry(
            "test", against="keras", stress=True, heat_maps=True, unknown=(*unknown, *write_surfaces(Path(folder)))
        )
        with MeasuringProgress(console) as progress:
            found, exhibits = evaluate_bundle(bundle, images, inquiry, clock=SystemClock(), watch=progress)
    by_reading = rejected_by_reading(exhibits, seen) if seen is not None else {}
    drawn = _drawn(bundle, simulated, console)
    write_marked(page, "make card", card(found, drawn, _charts(found, exhibits, page), by_reading))
    for row in headline(found, drawn):
        click.echo(f"{'met   ' if row.met else 'MISSED'}  {row.measure}: {row.figure} (aim {row.aim})")


if __name__ == "__main__":
    make_card()
