"""What the figures come to, in sentences: whether a model can be trusted, and where not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from linecore_models.measurements import Measurements, Proportion

Level = Literal["trust", "care", "do not trust"]
LEVELS: tuple[Level, ...] = ("trust", "care", "do not trust")

# Where trust ends and where care ends. What an inspection is for decides where they ought to be; these are where a
# quality engineer starts to ask.
ACCURACY = (0.99, 0.95)
STRESS_MEAN = (0.98, 0.9)
STRESS_WORST = (0.95, 0.8)
ESCAPES = (0.003, 0.01)
STRESS_ESCAPES = (0.01, 0.03)
OVERKILL = (0.02, 0.1)
ECE = (0.02, 0.05)
AUROC = (0.99, 0.9)
POINTING = (0.95, 0.8)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """One sentence, and how far it lets one trust the model."""

    about: str
    level: Level
    sentence: str


def conclusions(found: Measurements) -> tuple[Conclusion, ...]:
    """Return what can be said of what was measured, in the order of what matters at the gate."""
    return tuple(_conclusions(found))


def overall(said: tuple[Conclusion, ...]) -> Level:
    """Return the level that the worst of the conclusions has."""
    return max((conclusion.level for conclusion in said), key=LEVELS.index)


def percent(share: float) -> str:
    """Return a share for a sentence: "99.1 %", and never "100.0 %" of what is not all, nor "0.0 %" of what is some."""
    for digits in (1, 2, 3):
        text = f"{100 * share:.{digits}f}"
        if not (float(text) == 100 and share < 1) and not (float(text) == 0 and share > 0):
            break
    return f"{text} %"


def k_of_n(proportion: Proportion, things: str = "") -> str:
    """Return "226 of 228 frames (99.1 %, 95 % interval 96.9 to 99.8 %)", *things* being the frames."""
    low, high = proportion.interval
    return (
        f"{proportion.k:,} of {proportion.n:,}{things and f' {things}'} ({percent(proportion.share)}, "
        f"95 % interval {100 * low:.1f} to {100 * high:.1f} %)"
    )


def level_above(share: float, bounds: tuple[float, float]) -> Level:
    """Return the level of a share that should be high; *bounds* are where trust ends, and where care ends."""
    return "trust" if share >= bounds[0] else "care" if share >= bounds[1] else "do not trust"


def level_below(share: float, bounds: tuple[float, float]) -> Level:
    """Return the level of a share that should be low."""
    return "trust" if share <= bounds[0] else "care" if share <= bounds[1] else "do not trust"


def _conclusions(found: Measurements) -> Iterator[Conclusion]:
    right = Proportion.of(found.metrics.correct, found.metrics.of)
    label, weakest = min(
        ((label, one) for label, one in found.metrics.per_class.items() if one.support), key=lambda pair: pair[1].recall
    )
    hits = round(weakest.recall * weakest.support)
    tail = "" if weakest.recall == 1 else f" Weakest is {label}, found in {hits} of {weakest.support}."
    yield Conclusion(
        "Clean frames", level_above(right.share, ACCURACY), f"It names {k_of_n(right, 'frames')} rightly.{tail}"
    )
    if found.seen:
        yield Conclusion(
            "Seen before",
            "do not trust",
            f"{found.seen:,} of the {found.metrics.of:,} frames may have taught a model that this one was learnt from: "
            "all figures are too good by that.",
        )
    yield from _gate(found)
    if (stress := found.stress) is not None:
        levels = (
            level_above(stress.mean, STRESS_MEAN),
            level_above(stress.worst_accuracy.share, STRESS_WORST),
        )
        yield Conclusion(
            "Line conditions",
            max(levels, key=LEVELS.index),
            f"Under {len(stress.rows)} conditions of a line it is right on {percent(stress.mean)} on average; worst is "
            f"{stress.worst} with {k_of_n(stress.worst_accuracy)}.",
        )
        if stress.escapes is not None:
            yield Conclusion(
                "Escapes under line conditions",
                level_below(stress.escapes.share, STRESS_ESCAPES),
                f"It lets {k_of_n(stress.escapes, 'defects')} pass as good, all conditions together.",
            )
    mean, correct = found.calibration.confidence, right.share
    tendency = "too sure" if mean > correct else "too careful"
    yield Conclusion(
        "Confidence",
        level_below(found.calibration.ece, ECE),
        f"Its confidence is off by {100 * found.calibration.ece:.1f} points on average (on the whole it is {tendency}: "
        f"{percent(mean)} sure, {percent(correct)} right).",
    )
    if (novelty := found.novelty) is not None:
        together = novelty.together
        yield Conclusion(
            "Other surfaces",
            level_above(together.auroc, AUROC),
            f"It tells {together.frames} pictures of other surfaces from steel with an AUROC of {together.auroc:.4f}; "
            f"to catch 95 % of them, it would bother a person with {k_of_n(together.false_positives, 'known frames')}.",
        )
    if found.heat_maps and found.heat_maps.hits and found.heat_maps.mean:
        mean_map = found.heat_maps.mean
        yield Conclusion(
            "Heat maps",
            level_above(mean_map.hit, POINTING),
            f"Their hottest point lies on the defect in {k_of_n(found.heat_maps.hits, 'frames')}; "
            f"{percent(mean_map.energy)} of their heat does (by luck: {percent(mean_map.chance)}).",
        )
    if found.integrity:
        leaks = sum("test" in finding.parts and len(set(finding.parts)) > 1 for finding in found.integrity)
        yield Conclusion(
            "The data",
            "care",
            f"{len(found.integrity)} findings about the images; {leaks} are pairs of a test image and one that taught "
            "or chose.",
        )


def _gate(found: Measurements) -> Iterator[Conclusion]:
    if not found.pass_labels:
        yield Conclusion(
            "Escapes", "care", "It knows defects only: no frame can be a PASS, and no escape can be measured."
        )
        return
    if (escapes := found.escapes) is not None:
        none = "" if escapes.k else f" With none seen, up to {percent(escapes.interval[1])} cannot be ruled out."
        yield Conclusion(
            "Escapes", level_below(escapes.share, ESCAPES), f"It lets {k_of_n(escapes, 'defects')} pass as good.{none}"
        )
    good = found.overkill or (found.good_steel.overkill if found.good_steel else None)
    if good is None:
        yield Conclusion("Overkill", "care", "Not measured: there is no frame of good product among these images.")
    else:
        kind = "frames of good product" if found.overkill else "windows that no box touches"
        yield Conclusion("Overkill", level_below(good.share, OVERKILL), f"It rejects {k_of_n(good, kind)}.")
