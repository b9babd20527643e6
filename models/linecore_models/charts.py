"""Charts for a report: inline SVG, told apart in grey print too."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from linecore_models.curves import Curve, Floats
from linecore_models.measurements import Calibration, Proportion, Thresholds

T = TypeVar("T")

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9", "#000000")
"""Okabe and Ito's, which the colour-blind tell apart; their yellow darkened for white paper."""

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))
INK, FAINT, GRID = "#1f2328", "#6a737d", "#d8dee4"

STYLE: Any = {  # Any: the stubs want each key as a literal
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",  # text stays text: it can be searched, read out and printed sharply
    "svg.hashsalt": "linecore",  # the same figures give the same file
    "text.parse_math": False,  # a folder may be called "$5"
}

FEW = 10
"""Frames in a bin of confidence below which its point says little."""

NEAR_PERFECT = 0.98
"""Where every area is above this, only the corner of the curves is drawn: the rest is a straight line."""


def ranking_chart(curves: Mapping[str, Curve]) -> str:
    """Draw each label's ROC and precision-recall curve, side by side."""
    with mpl.rc_context(STYLE):
        figure = _figure(9.4, 4.0)
        roc, pr = figure.subplots(1, 2)
        for (label, curve), colour, dash in zip(curves.items(), _cycled(COLOURS), _cycled(DASHES), strict=False):
            roc.plot(
                curve.false_positive_rate,
                curve.true_positive_rate,
                color=colour,
                linestyle=dash,
                linewidth=1.8,
                label=f"{label}  {curve.auc:.4f}",
            )
            pr.step(
                curve.recall,
                curve.precision,
                where="post",
                color=colour,
                linestyle=dash,
                linewidth=1.8,
                label=f"{label}  {curve.average_precision:.4f}",
            )
        zoomed = all(min(curve.auc, curve.average_precision) > NEAR_PERFECT for curve in curves.values())
        span = 0.1 if zoomed else 1.0
        part = " (its corner)" if zoomed else ""
        _square(roc, (0, span), (1 - span, 1), "false positive rate", "true positive rate", f"ROC{part}")
        _square(pr, (1 - span, 1), (1 - span, 1), "recall", "precision", f"Precision and recall{part}")
        roc.legend(title="area under the curve", loc="lower right", alignment="left")
        pr.legend(title="average precision", loc="lower left", alignment="left")
        return _svg(figure, "ROC and precision-recall curve of each label against the rest")


def reliability_chart(calibration: Calibration) -> str:
    """Draw what share was right among the frames of each confidence, and how many frames that are."""
    filled = [one for one in calibration.bins if one.frames and one.confidence is not None and one.accuracy is not None]
    with mpl.rc_context(STYLE):
        figure = _figure(5.2, 4.6)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot((0, 1), (0, 1), color=FAINT, linestyle=":", label="as it should be")
        for sure, face in ((True, COLOURS[0]), (False, "white")):
            shown = [one for one in filled if (one.frames >= FEW) == sure]
            top.scatter(
                [one.confidence for one in shown],
                [one.accuracy for one in shown],
                facecolor=face,
                edgecolor=COLOURS[0],
                zorder=3,
                label="as it is" if sure else f"of fewer than {FEW} frames: chance",
            )
        top.set(xlim=(0, 1.02), ylim=(0, 1.04), ylabel="share that is right")
        top.set_title(f"Reliability: expected calibration error {calibration.ece:.3f}")
        top.legend(loc="upper left")
        edges = [one.low for one in calibration.bins]
        widths = [one.high - one.low for one in calibration.bins]
        bars = bottom.bar(
            edges, [one.frames for one in calibration.bins], widths, align="edge", color=COLOURS[5], edgecolor="white"
        )
        bottom.bar_label(bars, labels=[str(one.frames or "") for one in calibration.bins], fontsize=8, padding=1)
        bottom.set(xlabel="confidence", ylabel="frames")
        bottom.margins(y=0.3)
        for axes in (top, bottom):
            axes.grid(True, linewidth=0.6)
            axes.set_axisbelow(True)
            axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        top.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        return _svg(figure, "Reliability diagram: share that is right over confidence")


def novelty_chart(known: Floats, others: Mapping[str, Floats]) -> str:
    """Draw how novelty is spread among the known frames and in each folder of other surfaces.

    Distances run over decades, so the axis is that of their order among all frames: 0 the least novel, 1 the most.
    """
    folders = {"evaluated frames": known, **others}
    ordered = np.sort(np.concatenate(list(folders.values())))
    with mpl.rc_context(STYLE):
        figure = _figure(9.4, 0.9 + 0.62 * len(folders))
        axes = figure.subplots()
        for row, ((name, values), colour) in enumerate(zip(folders.items(), _cycled(COLOURS), strict=False)):
            place = np.searchsorted(ordered, values, side="right") / len(ordered)
            spread = np.linspace(-0.28, 0.28, 9)[np.arange(len(place)) * 4 % 9]
            marker = "o" if row == 0 else "x"
            axes.scatter(place, row + spread, s=12, marker=marker, color=colour, alpha=0.6, linewidths=0.9, label=name)
        axes.set_yticks(range(len(folders)), [f"{name} ({len(values)})" for name, values in folders.items()])
        axes.set(ylim=(len(folders) - 0.5, -0.5), xlim=(-0.01, 1.01), xlabel="order of novelty among all these frames")
        axes.grid(True, axis="x", linewidth=0.6)
        return _svg(figure, "Novelty of the evaluated frames and of other surfaces")


def thresholds_chart(thresholds: Thresholds) -> str:
    """Draw what escapes, is rejected and goes to a person over the threshold of confidence, and what that costs."""
    across = np.array([point.min_confidence for point in thresholds.curve])
    with mpl.rc_context(STYLE):
        figure = _figure(9.4, 3.6)
        shares, costs = figure.subplots(1, 2)
        series = {
            "escapes, of defects": [_share(point.escapes) for point in thresholds.curve],
            "overkill, of good product": [_share(point.overkill) for point in thresholds.curve],
            "to a person, of all": [point.reviewed.share for point in thresholds.curve],
        }
        for (name, values), colour, dash in zip(series.items(), _cycled(COLOURS), _cycled(DASHES), strict=False):
            shares.plot(across, values, color=colour, linestyle=dash, linewidth=1.8, label=name)
        shares.set_title("What comes of it")
        shares.yaxis.set_major_formatter(PercentFormatter(1))
        shares.legend(loc="best")
        costs.plot(across, [point.cost for point in thresholds.curve], color=COLOURS[0], linewidth=1.8)
        costs.plot([thresholds.chosen.min_confidence], [thresholds.chosen.cost], "o", color=INK)
        costs.set_title("What a frame costs")
        for axes in (shares, costs):
            axes.axvline(thresholds.chosen.min_confidence, color=INK, linestyle="--", linewidth=1)
            axes.set_xlabel("min_confidence; dashed: the cheapest")
            axes.set_ylim(bottom=0)
            axes.grid(True, linewidth=0.6)
        return _svg(figure, "Escapes, overkill, looks and cost over the threshold of confidence")


def _share(proportion: Proportion | None) -> float:
    return proportion.share if proportion else float("nan")


def _figure(width: float, height: float) -> Figure:
    return Figure((width, height), layout="constrained")


def _square(axes: Axes, x: tuple[float, float], y: tuple[float, float], across: str, up: str, title: str) -> None:
    margin = 0.02 * (x[1] - x[0])
    axes.set(xlim=(x[0] - margin, x[1] + margin), ylim=(y[0] - margin, y[1] + margin), xlabel=across, ylabel=up)
    axes.set_title(title)
    axes.grid(True, linewidth=0.6)


def _cycled(items: Sequence[T]) -> list[T]:
    return list(items) * 5


def _svg(figure: Figure, title: str) -> str:
    """Return the figure as an element for a page: no XML head, scaled to its place, with *title* for who cannot see."""
    file = io.StringIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = file.getvalue()
    svg = text[text.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)  # every figure of a page has the same ones
    width, height = (round(inches * 96) for inches in figure.get_size_inches())
    svg = re.sub(r'(width|height)="[\d.]+pt"', "", svg, count=2)
    return svg.replace(
        "<svg", f'<svg role="img" aria-label="{escape(title)}" style="width:{width}px;aspect-ratio:{width}/{height}"', 1
    )
