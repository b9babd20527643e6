"""From what was measured to what ``metrics.json`` says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import numpy as np

from linecore.inspection import FloatArray
from linecore_models.calibration import reliability_of
from linecore_models.curves import Curve
from linecore_models.dataset import label_indices
from linecore_models.evaluation import Confusion, Indices
from linecore_models.exhibits import Exhibits
from linecore_models.good_steel import JUDGING_SHARE
from linecore_models.integrity import Alike, Integrity
from linecore_models.manifest import Manifest
from linecore_models.measurements import (
    Calibration,
    ConfidenceBin,
    Finding,
    FrameAnswer,
    GoodSteel,
    LabelCurve,
    Outcome,
    Proportion,
    Stress,
    StressRow,
)
from linecore_models.stress import Endured, StressTable, judged_good, sure


def gate_of(confusion: Confusion, manifest: Manifest) -> tuple[Proportion | None, Proportion | None]:
    """Return escapes, of the frames with a defect, and overkill, of those of good product."""
    counts = np.array(confusion)
    passes = _passes(manifest)
    return (
        _proportion(int(counts[~passes][:, passes].sum()), int(counts[~passes].sum())) if passes.any() else None,
        _proportion(int(counts[passes][:, ~passes].sum()), int(counts[passes].sum())),
    )


def curves_section(curves: Mapping[str, Curve]) -> dict[str, LabelCurve]:
    """Return the areas under the curves, without their points."""
    return {
        label: LabelCurve(
            positives=curve.positives,
            negatives=curve.negatives,
            auc=curve.auc,
            average_precision=curve.average_precision,
        )
        for label, curve in curves.items()
    }


def calibration_section(scores: FloatArray, truth: Indices, temperature: float) -> Calibration:
    """Return whether confidence means what it says."""
    found = reliability_of(scores, truth)
    return Calibration(
        temperature=temperature,
        ece=found.ece,
        negative_log_likelihood=found.nll,
        confidence=float(scores.max(axis=1).mean()),
        bins=tuple(
            ConfidenceBin(
                low=one.low, high=one.high, frames=one.count, confidence=one.confidence, accuracy=one.accuracy
            )
            for one in found.bins
        ),
    )


def good_steel_section(exhibits: Exhibits) -> GoodSteel | None:
    """Return how the windows of good steel were judged; None where there are none."""
    if exhibits.window_answers is None:
        return None
    manifest = exhibits.manifest
    answered = Counter(manifest.labels[index] for index in exhibits.window_answers.scores.argmax(axis=1))
    rejected = {label: answered[label] for label in manifest.labels if label not in manifest.pass_labels}
    scores = exhibits.window_answers.scores
    failed = int((sure(scores, manifest) & ~judged_good(scores, manifest)).sum())
    wrong = exhibits.windows_rejected
    classes = np.array([window.class_of_file for window in exhibits.windows])
    spread = tuple(sorted(set(manifest.data.spread) & set(classes.tolist())))
    elsewhere = ~np.isin(classes, spread)
    return GoodSteel(
        least_share=JUDGING_SHARE,
        overkill=Proportion.of(sum(rejected.values()), len(exhibits.windows)),
        rejected=None if manifest.min_confidence is None else Proportion.of(failed, len(exhibits.windows)),
        by_label=rejected,
        by_class={
            name: Proportion.of(int(wrong[classes == name].sum()), int((classes == name).sum()))
            for name in sorted(set(classes.tolist()))
        },
        spread=spread,
        elsewhere=_proportion(int(wrong[elsewhere].sum()), int(elsewhere.sum())) if spread else None,
        ece=reliability_of(
            np.concatenate([exhibits.answers.scores, scores]),
            np.concatenate([exhibits.truth, label_indices(exhibits.windows, manifest.labels)]),
        ).ece,
    )


def stress_section(table: StressTable, truth: Indices, manifest: Manifest) -> Stress:
    """Return the stress table of frames whose true labels are *truth*."""
    good = int(_passes(manifest)[truth].sum())
    defects = len(truth) - good if manifest.pass_labels else 0

    def row(endured: Endured) -> StressRow:
        score = endured.score
        return StressRow(
            condition=endured.condition,
            severity=endured.severity,
            accuracy=Proportion.of(score.correct, score.of),
            escapes=_proportion(score.escapes, defects),
            passed=_proportion(endured.passed, defects),
            overkill=_proportion(score.overkill, good),
            confidence=endured.confidence,
            ece=endured.calibration_error,
        )

    worst = table.worst
    return Stress(
        clean=row(table.clean),
        rows=tuple(map(row, table.rows)),
        mean=table.mean,
        worst=f"{worst.condition}, {worst.severity}",
        worst_accuracy=Proportion.of(worst.score.correct, worst.score.of),
        escapes=_proportion(table.escapes, defects * len(table.rows)),
        passed=_proportion(table.passed, defects * len(table.rows)),
        overkill=_proportion(table.overkill, good * len(table.rows)),
        hardest=table.hardest,
    )


def findings_section(integrity: Integrity, left_out: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return what was found about the data, what is certainly wrong first; *left_out* names what taught nothing."""
    return tuple(_findings(integrity, left_out))


def _findings(integrity: Integrity, left_out: Collection[str]) -> Iterator[Finding]:
    for one in integrity.unreadable:
        yield Finding(kind="cannot be read", sentence=one.reason, files=(one.image.name,))
    for pair in sorted((*integrity.exact, *integrity.near), key=_gravity):
        said = [] if pair.exact else [f"{pair.similarity:.0%} of the picture is shared"]
        if pair.two_labels:
            said.append(f"one is said to show {pair.first.label}, the other {pair.second.label}")
        first, second = pair.parts
        said.append(
            f"one is of the {first} images, the other of the {second} images" if pair.across else f"both {first}"
        )
        gone = [image.path.name for image in (pair.first, pair.second) if image.name in left_out]
        said += [f"{name} was left out" for name in gone]
        kind = "the same pixels twice" if pair.exact else "nearly the same picture"
        yield Finding(
            kind=kind,
            sentence=f"{'; '.join(said)}.",
            files=(pair.first.name, pair.second.name),
            parts=() if gone else pair.parts,
        )
    if integrity.indistinct:
        yield Finding(
            kind="alike as a class",
            sentence="these resemble so many of their class that being alike says nothing; they were not compared.",
            files=tuple(image.name for image in integrity.indistinct),
        )


def _gravity(pair: Alike) -> tuple[bool, bool, bool, float]:
    """Order: a label that must be wrong, then what judges the model and taught it, then the most alike."""
    return (not pair.two_labels, "test" not in pair.parts, not pair.across, -pair.similarity)


def frames_section(exhibits: Exhibits) -> tuple[FrameAnswer, ...]:
    """Return what was said of each frame: escapes first, then whatever cost the most loss."""
    manifest, scores = exhibits.manifest, exhibits.answers.scores
    passes = _passes(manifest)
    answered = scores.argmax(axis=1)
    losses = true_losses(scores, exhibits.truth)
    frames = [
        FrameAnswer(
            name=image.name,
            truth=image.label,
            answer=manifest.labels[answer],
            confidence=float(scores[index, answer]),
            loss=float(losses[index]),
            outcome=_outcome(truth, answer, passes),
        )
        for index, (image, truth, answer) in enumerate(
            zip(exhibits.images, exhibits.truth.tolist(), answered.tolist(), strict=True)
        )
    ]
    return tuple(sorted(frames, key=lambda frame: (frame.outcome != "escape", frame.outcome == "right", -frame.loss)))


def true_losses(scores: FloatArray, truth: Indices) -> FloatArray:
    """Return -log of each true label's probability: the frame's share in the cross-entropy."""
    true = scores[np.arange(len(truth)), truth]
    losses: FloatArray = -np.log(np.maximum(true, np.finfo(np.float32).tiny))
    return losses


def _passes(manifest: Manifest) -> np.typing.NDArray[np.bool_]:
    return np.array([label in manifest.pass_labels for label in manifest.labels])


def _outcome(truth: int, answer: int, passes: np.typing.NDArray[np.bool_]) -> Outcome:
    if truth == answer:
        return "right"
    if passes[answer] and not passes[truth]:
        return "escape"
    return "overkill" if passes[truth] and not passes[answer] else "wrong"


def _proportion(k: int, n: int) -> Proportion | None:
    return Proportion.of(k, n) if n else None
