"""Shows on the console how far a training is."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from linecore_models.course import Course, Epoch

STAGES = {"head": "backbone frozen", "whole": "fine-tuning"}


class TrainingProgress:
    """A line for each epoch, and on a terminal a bar below them with the time that is left at most."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._over = 0
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(elapsed_when_finished=True))
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("getting ready", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def plan(self, course: Course) -> None:
        """Show the coming epoch, and how many are planned."""
        planned = course.head.planned
        self._over = len(course.epochs)
        following = min(self._over + 1, planned)
        self._progress.update(
            self._task,
            completed=self._over,
            total=planned,
            description=f"{STAGES[course.stage]}, epoch {following} of {planned}",
        )

    def step(self, done: int, of: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=self._over + done / of)

    def epoch(self, epoch: Epoch) -> None:
        """Add a line."""
        self._console.print(
            f"epoch {epoch.number:>3}   {STAGES[epoch.stage]:<15}   loss {epoch.loss:.3f}   "
            f"accuracy {epoch.accuracy:.1%}   validation: loss {epoch.validation_loss:.4f}   "
            f"accuracy {epoch.validation_accuracy:.1%}, under line conditions {epoch.validation_accuracy_line:.1%}   "
            f"{epoch.seconds:.0f} s",
            highlight=False,
            soft_wrap=True,
        )
