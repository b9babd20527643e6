"""How far a training is: the epochs behind it, and the plan of those before it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from linecore_models.recipe import Recipe
from linecore_models.schedule import Fall, epochs_within

HEAD_SHARE = 1 / 6
"""Of a time budget that the head alone may take: it learns fast, and then the backbone must go along."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training pictures came to; losses are means over pictures, accuracies in 0..1."""

    number: int  # from 1
    stage: str  # "head" or "whole"
    loss: float
    label_loss: float
    box_loss: float
    accuracy: float
    validation_loss: float  # cross-entropy of the labels, clean and under line conditions
    validation_accuracy: float  # clean
    validation_accuracy_line: float  # under line conditions
    seconds: float


@dataclass(frozen=True, slots=True)
class Course:
    """A training between two epochs: all that decides how it goes on, but for the weights."""

    head_epochs: int  # with the backbone frozen
    head: Fall  # of the head's learning rate, over all epochs
    backbone: Fall  # of the backbone's, over those of fine-tuning
    epochs: tuple[Epoch, ...] = ()
    seconds: float = 0.0  # spent

    @classmethod
    def planned(cls, recipe: Recipe) -> Course:
        """Return the course of a recipe. Random weights are not frozen: there is nothing in them to keep."""
        frozen = recipe.head_epochs if recipe.pretrained else 0
        return cls(frozen, Fall(recipe.epochs), Fall(recipe.epochs - frozen))

    @property
    def whole(self) -> bool:
        """Whether the backbone learns in the coming epoch."""
        return len(self.epochs) >= self.head_epochs

    @property
    def stage(self) -> str:
        """Of the coming epoch."""
        return "whole" if self.whole else "head"

    @property
    def best(self) -> Epoch:
        """The epoch whose validation loss is lowest; the first of several."""
        return min(self.epochs, key=lambda epoch: epoch.validation_loss)

    def over(self, patience: int) -> bool:
        """Say whether all planned epochs are done, or the last *patience* of fine-tuning made nothing better."""
        done = len(self.epochs)
        if done >= self.head.planned:
            return True
        if not self.epochs:
            return False
        counted = self.head_epochs if self.head_epochs < self.head.planned else 0
        return done - max(self.best.number, counted) >= patience

    def after(self, epoch: Epoch) -> Course:
        """Return the course after another epoch."""
        return replace(
            self,
            head=self.head.after_epoch(),
            backbone=self.backbone.after_epoch() if self.whole else self.backbone,
            epochs=(*self.epochs, epoch),
            seconds=self.seconds + epoch.seconds,
        )

    def within(self, budget: float, head_seconds: float, whole_seconds: float, recipe: Recipe) -> Course:
        """Return the course that ends when *budget* seconds are spent, of epochs that take so long each.

        Without fine-tuning in the recipe the head takes all of the time.
        """
        left, done = budget - self.seconds, len(self.epochs)
        frozen = self.head_epochs
        if not self.whole and not recipe.fine_tune_epochs:
            frozen = max(1, done + epochs_within(left, head_seconds))
        elif not self.whole:
            frozen = max(1, done, min(frozen, epochs_within(HEAD_SHARE * budget, head_seconds)))
        heads = max(0, frozen - done)
        if recipe.fine_tune_epochs or not recipe.pretrained:
            more = epochs_within(left - heads * head_seconds, whole_seconds)
        else:
            more = 0
        total = max(1, done + heads + more)
        return replace(
            self, head_epochs=frozen, head=self.head.until(total), backbone=self.backbone.until(total - frozen)
        )

    def to_json(self) -> dict[str, Any]:
        """Return all of it in plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> Course:
        """Return what :meth:`to_json` was called on."""
        return cls(
            head_epochs=plain["head_epochs"],
            head=Fall(**plain["head"]),
            backbone=Fall(**plain["backbone"]),
            epochs=tuple(Epoch(**epoch) for epoch in plain["epochs"]),
            seconds=plain["seconds"],
        )
