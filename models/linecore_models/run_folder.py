"""What a training leaves behind while it runs and afterwards: its settings, a log, curves, and where to go on from."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from linecore.errors import ConfigError
from linecore_models.course import Course, Epoch
from linecore_models.manifest import Setting

SETTINGS = "training.json"
LOG = "training.csv"
CURVES = "training.png"
CHECKPOINT = "checkpoint.npz"
WRITTEN = (SETTINGS, LOG, CURVES, CHECKPOINT)

Arrays = list[npt.NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that a training goes on from after an epoch."""

    course: Course
    weights: Arrays
    momenta: Arrays
    best: Arrays  # weights of the best epoch so far


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of a run. One that does not write reads only: it belongs to another machine."""

    folder: Path
    writes: bool = True
    replaced: Sequence[Path] = ()  # an older bundle's files: they go when this run begins, its data being fit

    def begin(self, settings: Mapping[str, Setting], *, resume: bool) -> Checkpoint | None:
        """Write the settings, and return what a killed run left; None where there is nothing to go on from.

        Raises:
            ConfigError: the run in the folder was started with other settings.
        """
        file = self.folder / SETTINGS
        going_on = resume and (self.folder / CHECKPOINT).is_file()
        if going_on:
            before = json.loads(file.read_text(encoding="utf-8"))
            if before.keys() != settings.keys():
                raise ConfigError(
                    f"--resume: the run in {self.folder} was begun with other options or data folders, or by "
                    "another version of linecore; give the same, or begin anew without --resume"
                )
            for name in sorted(settings):
                if before[name] != settings[name]:
                    raise ConfigError(
                        f"--resume: {name} was {before[name]!r} when the run in {self.folder} began and is "
                        f"{settings[name]!r} now; give the same options and data, or begin anew without --resume"
                    )
            return self._checkpoint()
        if self.writes:
            for old in (*self.replaced, self.folder / CHECKPOINT):
                old.unlink(missing_ok=True)
            file.write_text(json.dumps(dict(settings), indent=2) + "\n", encoding="utf-8")
        return None

    def keep(self, checkpoint: Checkpoint) -> None:
        """Write the log and the checkpoint: at once and not half, for the kill may come now."""
        if not self.writes:
            return
        with (self.folder / LOG).open("w", newline="", encoding="utf-8") as file:
            rows = csv.DictWriter(file, [field.name for field in fields(Epoch)])
            rows.writeheader()
            rows.writerows(asdict(epoch) for epoch in checkpoint.course.epochs)
        part = self.folder / f"{CHECKPOINT}.part"
        arrays: dict[str, npt.NDArray[np.generic]] = {
            f"{kind}_{number}": array
            for kind in ("weights", "momenta", "best")
            for number, array in enumerate(getattr(checkpoint, kind))
        }
        arrays["course"] = np.array(json.dumps(checkpoint.course.to_json()))
        with part.open("wb") as archive:
            np.savez(archive, **arrays)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
        part.replace(self.folder / CHECKPOINT)

    def end(self, course: Course) -> None:
        """Draw the curves. What was kept for going on stays: the kill may come before the bundle is written."""
        if self.writes:
            draw_curves(course, self.folder / CURVES)

    def forget(self) -> None:
        """Take away what was kept for going on; the bundle holds what was learnt."""
        if self.writes:
            (self.folder / CHECKPOINT).unlink(missing_ok=True)

    def _checkpoint(self) -> Checkpoint:
        path = self.folder / CHECKPOINT
        try:
            with np.load(path, allow_pickle=False) as kept:
                course = Course.from_json(json.loads(str(kept["course"])))
                arrays = {
                    kind: [kept[f"{kind}_{number}"] for number in range(sum(name.startswith(kind) for name in kept))]
                    for kind in ("weights", "momenta", "best")
                }
        except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ConfigError(f"--resume: {path} cannot be read ({error}); begin anew without --resume") from None
        return Checkpoint(course, **arrays)


def draw_curves(course: Course, path: Path) -> None:
    """Draw loss and accuracy over the epochs as a PNG file, with a line where the backbone began to learn."""
    from matplotlib.figure import Figure

    epochs = course.epochs
    numbers = [epoch.number for epoch in epochs]
    figure = Figure((9, 3.6), layout="constrained")
    losses, accuracies = figure.subplots(1, 2)
    losses.plot(numbers, [epoch.label_loss for epoch in epochs], "-", label="labels, training")
    losses.plot(numbers, [epoch.box_loss for epoch in epochs], ":", label="boxes, training")
    losses.plot(numbers, [epoch.validation_loss for epoch in epochs], "--", label="labels, validation")
    accuracies.plot(numbers, [epoch.accuracy for epoch in epochs], "-", label="training, augmented")
    accuracies.plot(numbers, [epoch.validation_accuracy for epoch in epochs], "--", label="validation")
    accuracies.plot(
        numbers, [epoch.validation_accuracy_line for epoch in epochs], "-.", label="... under a line's noise"
    )
    for axes, name in ((losses, "loss"), (accuracies, "accuracy")):
        if 0 < course.head_epochs < len(epochs):
            axes.axvline(course.head_epochs + 0.5, color="grey", linewidth=1)
        axes.axvline(course.best.number, color="black", linestyle=":", linewidth=1)
        axes.set(xlabel="epoch (dotted: the best, whose weights are kept)", ylabel=name)
        axes.legend(fontsize="small")
        axes.grid(visible=True, linewidth=0.4)
    losses.set_ylim(bottom=0)
    figure.savefig(path)
