"""Shows on the console how far a training is."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from linecore_models.training import Epoch


class TrainingProgress:
    """A line for each epoch, and on a terminal a bar below them with the time that is left at most."""

    def __init__(self, console: Console, epochs: int) -> None:
        self._console = console
        self._epochs = epochs
        self._over = 0
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task(f"epoch 1 of {epochs}", total=epochs)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def step(self, done: int, of: int) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=self._over + done / of)

    def epoch(self, epoch: Epoch) -> None:
        """Add a line."""
        self._over = epoch.number
        following = min(epoch.number + 1, self._epochs)
        self._progress.update(self._task, completed=self._over, description=f"epoch {following} of {self._epochs}")
        self._console.print(
            f"epoch {epoch.number:>3}   loss {epoch.loss:.4f}   accuracy {epoch.accuracy:.1%}   "
            f"validation: loss {epoch.validation_loss:.4f}   accuracy {epoch.validation_accuracy:.1%}",
            highlight=False,
            soft_wrap=True,
        )
