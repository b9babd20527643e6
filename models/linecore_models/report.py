"""``report.html``: one page that says how far a model can be trusted, for who has to answer for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from linecore_models import conclusions, gallery
from linecore_models.charts import novelty_chart, ranking_chart, reliability_chart, thresholds_chart
from linecore_models.conclusions import Level, k_of_n, percent
from linecore_models.exhibits import Exhibits
from linecore_models.measurements import LabelCurve, Measurements, Part, Proportion, StressRow

FINDINGS = 8
"""How many of them are shown with pictures; metrics.json has them all."""

PARTS: dict[Part, str] = {
    "test": "held out from its own training, never used for any choice in it",
    "validation": "held out from its own training, but used for choosing",
    "train": "the very images that it was taught with",
    "all": "all images of the data",
}


@dataclass(frozen=True, slots=True)
class _LabelRow:
    label: str
    passes: bool
    support: int
    hits: int
    found: Proportion | None
    recall: float | None
    precision: float | None
    f1: float | None
    curve: LabelCurve | None


@dataclass(frozen=True, slots=True)
class _Cell:
    count: int
    kind: str  # right, wrong, escape, overkill
    heat: float  # share of the row's frames, 0..1


@dataclass(frozen=True, slots=True)
class _ConfusionRow:
    label: str
    cells: tuple[_Cell, ...]


@dataclass(frozen=True, slots=True)
class _StressLine:
    of: StressRow
    first: bool  # of its condition
    level: Level


def write_report(path: Path, found: Measurements, exhibits: Exhibits) -> None:
    """Write the page to *path*; it needs no other file, no network and no scripts.

    Raises:
        ConfigError: an image can no longer be read.
        OSError: *path* cannot be written.
    """
    path.write_text(render(found, exhibits), encoding="utf-8")


def render(found: Measurements, exhibits: Exhibits) -> str:
    """Return the page."""
    environment = Environment(
        loader=PackageLoader("linecore_models"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"percent": percent, "points": lambda share: f"{100 * share:.1f}", "k_of_n": k_of_n}
    said = conclusions.conclusions(found)
    return environment.get_template("report.html.j2").render(
        found=found,
        said=said,
        overall=conclusions.overall(said),
        missing=tuple(_missing(found)),
        limits=exhibits.manifest.limits,
        parts=PARTS,
        wrong=found.metrics.of - found.metrics.correct,
        worst=gallery.worst(found.frames, exhibits),
        typical=gallery.typical(found.frames, exhibits),
        overkilled=gallery.overkilled(exhibits),
        by_label=tuple(_by_label(found)),
        confusion=tuple(_confusion(found)),
        rejected=_rejected(found),
        stress_rows=tuple(_stress_lines(found)),
        stress_floor=_stress_floor(found),
        findings=tuple((one, gallery.snapshots(one.files, exhibits)) for one in (found.integrity or ())[:FINDINGS]),
        bounds={
            "accuracy": conclusions.ACCURACY,
            "mean": conclusions.STRESS_MEAN,
            "worst": conclusions.STRESS_WORST,
            "escapes": conclusions.ESCAPES,
            "overkill": conclusions.OVERKILL,
            "stress_escapes": conclusions.STRESS_ESCAPES,
            "ece": conclusions.ECE,
            "auroc": conclusions.AUROC,
            "pointing": conclusions.POINTING,
        },
        charts={
            "ranking": ranking_chart(exhibits.curves) if exhibits.curves else "",
            "reliability": reliability_chart(found.calibration),
            "novelty": _novelty_chart(exhibits),
            "thresholds": thresholds_chart(found.thresholds) if found.thresholds else "",
        },
    )


def _novelty_chart(exhibits: Exhibits) -> str:
    if exhibits.known_distances is None:
        return ""
    return novelty_chart(exhibits.known_distances, exhibits.other_distances)


def _missing(found: Measurements) -> Iterator[str]:
    if found.heat_maps is None or found.heat_maps.hits is None:
        yield "where heat maps point (--boxes)"
    if found.stress is None:
        yield "line conditions (--stress)"
    if found.novelty is None:
        yield "other surfaces (--unknown DIR)"
    if found.overkill is None and found.good_steel is None:
        yield "overkill (a folder of good product, or --boxes)"


def _by_label(found: Measurements) -> Iterator[_LabelRow]:
    for index, label in enumerate(found.labels):
        one, row = found.metrics.per_class[label], found.metrics.confusion[index]
        answered = sum(line[index] for line in found.metrics.confusion)
        yield _LabelRow(
            label,
            label in found.pass_labels,
            one.support,
            row[index],
            Proportion.of(row[index], one.support) if one.support else None,
            one.recall if one.support else None,
            one.precision if answered else None,
            one.f1 if one.support else None,
            found.curves.get(label),
        )


def _confusion(found: Measurements) -> Iterator[_ConfusionRow]:
    for row, truth in enumerate(found.labels):
        counts = found.metrics.confusion[row]
        if not sum(counts):
            continue
        cells = [
            _Cell(count, _kind(truth, found.labels[column], found.pass_labels), count / sum(counts))
            for column, count in enumerate(counts)
        ]
        yield _ConfusionRow(truth, tuple(cells))


def _kind(truth: str, answer: str, pass_labels: tuple[str, ...]) -> str:
    if truth == answer:
        return "right"
    if (truth in pass_labels) == (answer in pass_labels):
        return "wrong"
    return "escape" if answer in pass_labels else "overkill"


def _rejected(found: Measurements) -> list[str]:
    if found.good_steel is None:
        return []
    counts = sorted(found.good_steel.by_label.items(), key=lambda pair: -pair[1])
    return [f"{count} as {label}" for label, count in counts if count]


def _stress_lines(found: Measurements) -> Iterator[_StressLine]:
    before = None
    for row in found.stress.rows if found.stress else ():
        share = row.accuracy.share
        yield _StressLine(row, row.condition != before, conclusions.level_above(share, conclusions.STRESS_WORST))
        before = row.condition


def _stress_floor(found: Measurements) -> float:
    """Return where the bars begin: so that what differs can be seen, on a round number."""
    lowest = found.stress.worst_accuracy.share if found.stress else 0.0
    return next((floor for floor in (0.9, 0.8, 0.5) if lowest >= floor), 0.0)
