"""Measures a finished bundle on images: those that it was tested on, or new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from linecore.clock import Clock
from linecore.errors import ConfigError, ModelError
from linecore.validation import did_you_mean
from linecore_models.answers import Runner, open_runner
from linecore_models.bundle import Bundle
from linecore_models.curves import one_vs_rest
from linecore_models.dataset import LabelledImage, label_indices, load_squares
from linecore_models.evaluation import agreement_of, metrics_of, wilson_interval
from linecore_models.exhibits import Exhibits
from linecore_models.heat_map_measures import measure_heat_maps
from linecore_models.integrity import check_integrity
from linecore_models.manifest import Manifest
from linecore_models.measurements import Measurements, Part
from linecore_models.novelty_measures import measure_novelty
from linecore_models.other_surfaces import read_others, require_unseen
from linecore_models.parts import division_of, good_windows, left_out, of_part, seen_before
from linecore_models.sections import (
    calibration_section,
    curves_section,
    findings_section,
    frames_section,
    gate_of,
    good_steel_section,
    stress_section,
)
from linecore_models.stress import stress_table
from linecore_models.threshold_measures import measure_thresholds
from linecore_models.thresholds import Costs

Watch = Callable[[str, int, int], None]
"""Is told what is being measured, and how many of how many steps of it are done."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What is asked of a model, beside how well it does on the images as they are."""

    part: Part
    runner: Runner | None = None  # None: the first variant that may be served
    against: Runner | None = None
    stress: bool = False
    heat_maps: bool = False  # insertion, deletion and randomisation; where they point is measured with boxes anyway
    costs: Costs = field(default_factory=Costs)
    defect_share: float | None = None  # of a line's frames; None: as in the data
    integrity: bool = False
    unknown: tuple[Path, ...] = ()  # folders with images of other surfaces


def evaluate_bundle(
    bundle: Bundle,
    images: Sequence[LabelledImage],
    inquiry: Inquiry,
    *,
    clock: Clock,
    watch: Watch = lambda what, done, of: None,
) -> tuple[Measurements, Exhibits]:
    """Let a model judge the images of a part of its split, and measure whatever is asked.

    Raises:
        ConfigError: an image cannot be read, its label is none of the model's, or none belongs to the part.
        ModelError: the bundle does not hold that model, or it is damaged or was found unfit.
    """
    began = clock.monotonic()
    manifest = bundle.manifest
    chosen = of_part(inquiry.part, images, manifest)
    _require_known(chosen, manifest)
    runner = inquiry.runner or _first_served(bundle)
    surfaces = [read_others(folder) for folder in inquiry.unknown]
    for others in surfaces:
        require_unseen(others, manifest)
    ask = open_runner(bundle, runner)

    watch("frames", 0, 1)
    squares = load_squares(chosen, manifest.preprocessing)
    truth = label_indices(chosen, manifest.labels)
    answers = ask(squares)
    answered = answers.scores.argmax(axis=1)
    sources = [image.source for image in chosen]
    metrics = metrics_of(truth, answered, sources, manifest.labels, manifest.pass_labels)
    windows = good_windows(chosen, manifest)
    exhibits = Exhibits(
        manifest,
        tuple(images),
        chosen,
        truth,
        answers,
        one_vs_rest(truth, answers.scores, manifest.labels),
        windows,
        ask(load_squares(windows, manifest.preprocessing)) if windows else None,
    )
    agreement = None
    if inquiry.against is not None:
        scores = open_runner(bundle, inquiry.against)(squares).scores
        agreement = agreement_of(answered, scores.argmax(axis=1))
    novelty = None
    if surfaces:
        watch("other surfaces", 0, 1)
        novelty, exhibits = measure_novelty(bundle, exhibits, squares, surfaces, ask)
    stress = None
    if inquiry.stress:
        table = stress_table(chosen, ask, manifest, watch=lambda done, of: watch("line conditions", done, of))
        stress = stress_section(table, truth, manifest)
    heat_maps = measure_heat_maps(bundle, exhibits, squares, ask, deep=inquiry.heat_maps, watch=watch)
    division = division_of(images, manifest)
    watch("thresholds", 0, 1)
    told = [image for image in division.validation if image.label not in manifest.data.spread]
    validation = (*division.validation, *good_windows(told, manifest))
    thresholds = measure_thresholds(
        exhibits, validation, inquiry.part, inquiry.costs, inquiry.defect_share, ask, stress=inquiry.stress
    )
    findings = None
    if inquiry.integrity:
        watch("the data", 0, 1)
        gone = left_out(manifest)
        # What was left out is looked at too: that it was found is what the reader must know.
        meant = replace(division, train=(*division.train, *(image for image in images if image.name in gone)))
        findings = findings_section(check_integrity(meant), gone)
    seen = seen_before(manifest)
    escapes, overkill = gate_of(metrics.confusion, manifest)
    found = Measurements(
        model=manifest.name,
        version=manifest.version,
        variant=runner,
        sha256=_sha256(manifest, runner),
        split=inquiry.part,
        measured=clock.now(),
        seconds=clock.monotonic() - began,
        labels=manifest.labels,
        pass_labels=manifest.pass_labels,
        metrics=metrics,
        interval=wilson_interval(metrics.correct, metrics.of),
        escapes=escapes,
        overkill=overkill,
        curves=curves_section(exhibits.curves),
        calibration=calibration_section(answers.scores, truth, manifest.temperature),
        good_steel=good_steel_section(exhibits),
        stress=stress,
        heat_maps=heat_maps,
        novelty=novelty,
        thresholds=thresholds,
        integrity=findings,
        seen=sum(image.file_name in seen for image in chosen),
        against=inquiry.against,
        agreement=agreement,
        frames=frames_section(exhibits),
    )
    return found, exhibits


def _require_known(images: Sequence[LabelledImage], manifest: Manifest) -> None:
    for image in images:
        if image.label not in manifest.labels:
            hint = did_you_mean(image.label, manifest.labels) or f"; it knows {', '.join(manifest.labels)}"
            raise ConfigError(f"{image.path.parent} is a class that {manifest.name} does not know{hint}")


def _sha256(manifest: Manifest, runner: Runner) -> str:
    file = manifest.keras if runner == "keras" else manifest.variants[runner]
    return file.sha256 if file else ""


def _first_served(bundle: Bundle) -> Runner:
    servable = bundle.servable()
    if not servable:
        raise ModelError(f"{bundle.folder} has no variant that was found fit to serve; choose --variant keras")
    return servable[0]
